"""The weights of a file, back in the user's own class."""

import copy
from pathlib import Path

import numpy as np
import torch
from torch import nn

from laconic.artifact import Artifact, Limits, read, unpack
from laconic.base.errors import ModelError
from laconic.graph.edits import Folded
from laconic.graph.fold import fold, unfold
from laconic.graph.network import Network
from laconic.nn.weights import to_torch


def load_into(model: nn.Module, path: str | Path, limits: Limits = Limits()) -> nn.Module:  # noqa: B008  frozen
    """A copy of `model` with the weights of a `.lac` file; what was folded is written as the normalisation that does the same.

    Args:
        model: of the class that was packed.
        path: the file; a weights-only file is fitted by the order of the class's own state dict.

    Raises:
        ArtifactError: the file is damaged. ModelError: the file is not of this class.
    """
    artifact = unpack(read(Path(path), limits), limits)
    state = unfold(model, _folds(model, artifact), _named(model, artifact))
    return _filled(model, state)


def _folds(model: nn.Module, artifact: Artifact) -> list[Folded]:
    pairs = [Folded(layer, norm) for layer, norm in artifact.notes.folds]
    known = {name for name, _ in model.named_modules()}
    strange = sorted({name for pair in pairs for name in (pair.layer, pair.norm)} - known)
    if strange:
        raise ModelError(f"the model has no layer {strange[0]!r}", hint="give an object of the class that was packed")
    return pairs


def _named(model: nn.Module, artifact: Artifact) -> dict[str, np.ndarray]:
    arrays = [form.array() for form in artifact.tensors.values()]
    if artifact.named:
        return dict(zip(artifact.tensors, arrays, strict=True))
    names = list(fold(Network(model), _folds(model, artifact)).module.state_dict())
    if len(names) != len(arrays):
        raise ModelError(
            f"the file holds {len(arrays)} tensors, the model {len(names)}", hint="give an object of the class that was packed"
        )
    return dict(zip(names, arrays, strict=True))


def _filled(model: nn.Module, state: dict[str, np.ndarray]) -> nn.Module:
    loaded = copy.deepcopy(model)
    own = loaded.state_dict()
    for name in sorted(own.keys() ^ state.keys()):
        raise ModelError(
            f"{name!r} is in the {'model' if name in own else 'file'} only", hint="give an object of the class that was packed"
        )
    for name, array in state.items():
        if tuple(own[name].shape) != array.shape:
            raise ModelError(f"{name!r} has shape {array.shape} in the file and {tuple(own[name].shape)} in the model")
    with torch.no_grad():
        loaded.load_state_dict({name: to_torch(array) for name, array in state.items()})
    return loaded
