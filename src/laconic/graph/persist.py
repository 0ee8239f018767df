"""A network as bytes, bit for bit, and back: what a run keeps between its stages."""

import copy
import hashlib

import torch
from torch import nn

from laconic.artifact import Artifact, pack, unpack
from laconic.graph.network import Network
from laconic.graph.replay import edits_in, noted, replayed
from laconic.nn.weights import to_numpy, to_torch


def preserve(network: Network) -> bytes:
    """Values, Forms and Edits in the form of a `.lac` file without a graph; the class is not in it."""
    return pack(Artifact(network.tensors(), None, noted(network.edits)), profile="fast")


@torch.no_grad()
def revive(content: bytes, original: nn.Module) -> Network:
    """The network that `preserve` kept: the original's class, the Edits replayed, every tensor as it was."""
    artifact = unpack(content)
    edits = edits_in(artifact.notes)
    module = copy.deepcopy(replayed(original, edits).module)
    module.load_state_dict({name: to_torch(form.array()) for name, form in artifact.tensors.items()})
    forms = {name: form for name, form in artifact.tensors.items() if form.kind != "dense"}
    return Network(module, forms, edits)


def digest(model: nn.Module) -> str:
    """SHA-256 of a model's structure, as it prints, and of all of its state."""
    found = hashlib.sha256(repr(model).encode())
    for name, value in model.state_dict().items():
        if isinstance(value, torch.Tensor):
            found.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            found.update(to_numpy(value).tobytes())
        else:  # what a module keeps beside its tensors
            found.update(f"{name} {value!r}".encode())
    return found.hexdigest()
