"""The weights of a file, back in the user's own class."""

import copy
from pathlib import Path

import numpy as np
from torch import nn

from laconic.artifact import Artifact, Limits, read, unpack
from laconic.base.edits import Edit, Folded
from laconic.base.errors import ModelError
from laconic.graph.fold import unfold
from laconic.graph.merge import unmerged
from laconic.graph.replay import OTHER_CLASS, Smaller, recut, replayed
from laconic.nn.weights import to_numpy, to_torch


def load_into(model: nn.Module, path: str | Path, limits: Limits = Limits()) -> nn.Module:  # noqa: B008  frozen
    """A copy of `model` with the weights of a `.lac` file; what was folded is written as the normalisation that does the same.

    Channels and branches that were taken out are there again, with weights of zero; of layers that were factored, the product, and
    of filters that were shared out, each one. What the file rounds on its way through the network, the class does not.

    Args:
        model: of the class that was packed.
        path: the file; a weights-only file is fitted by the order of the class's own state dict.

    Raises:
        ArtifactError: the file is damaged. ModelError: the file is not of this class.
    """
    artifact = unpack(read(Path(path), limits), limits)
    smaller, cuts = _cut(model, artifact)
    pairs = _folds(smaller, artifact)
    state = unfold(smaller, pairs, _named(smaller, artifact, pairs))
    retraced = bool(cuts or artifact.notes.merged) or artifact.notes.rounded is not None
    return _filled(model, _whole(model, state, cuts) if retraced else state)


def _cut(model: nn.Module, artifact: Artifact) -> tuple[nn.Module, list[Smaller]]:
    """The class cut as the file's network was, cut by cut."""
    cuts = []
    for cut in artifact.notes.cuts:
        cuts.append(recut(model, cut))
        model = cuts[-1].module
    return model, cuts


def _whole(model: nn.Module, state: dict[str, np.ndarray], cuts: list[Smaller]) -> dict[str, np.ndarray]:
    """The state of the class as it is, with zeros where something is gone; what the graph does not read stays as it was."""
    for cut in reversed(cuts):
        state = cut.restored(state)
    own = {name: to_numpy(value) for name, value in model.state_dict().items()}
    strange = min(state.keys() - own.keys(), default=None)
    if strange is not None:
        raise ModelError(f"{strange!r} is in the file only", hint=OTHER_CLASS)
    tied = {id(value): name for name, value in reversed(model.state_dict(keep_vars=True).items())}
    first = {name: tied[id(value)] for name, value in model.state_dict(keep_vars=True).items()}
    return {name: state.get(name, state.get(first[name], value)) for name, value in own.items()}


def _folds(model: nn.Module, artifact: Artifact) -> list[Folded]:
    known = {name for name, _ in model.named_modules()}
    for name in (name for pair in artifact.notes.folds for name in pair):
        if name not in known:
            raise ModelError(f"the model has no layer {name!r}", hint=OTHER_CLASS)
    return [Folded(layer, norm) for layer, norm in artifact.notes.folds]


def _named(model: nn.Module, artifact: Artifact, pairs: list[Folded]) -> dict[str, np.ndarray]:
    arrays = [form.array() for form in artifact.tensors.values()]
    rounded, merged = artifact.notes.rounded, artifact.notes.merged
    apart = rounded.tensors() if rounded is not None else []
    edits: list[Edit] = [*pairs, *merged, *([rounded] if rounded is not None else [])]
    names = list(artifact.tensors) if artifact.named else list(replayed(model, edits).module.state_dict())
    if len(names) != len(arrays):
        raise ModelError(f"the file holds {len(arrays)} tensors, the model {len(names)}", hint=OTHER_CLASS)
    state = {name: array for name, array in zip(names, arrays, strict=True) if name not in apart}
    for number, one in reversed(list(enumerate(merged))):
        state = unmerged(one, replayed(model, [*pairs, *merged[:number]]).module, state)
    return state


def _filled(model: nn.Module, state: dict[str, np.ndarray]) -> nn.Module:
    loaded = copy.deepcopy(model)
    own = loaded.state_dict()
    strange = min(own.keys() ^ state.keys(), default=None)
    if strange is not None:
        raise ModelError(f"{strange!r} is in the {'model' if strange in own else 'file'} only", hint=OTHER_CLASS)
    for name, array in state.items():
        if tuple(own[name].shape) != array.shape:
            raise ModelError(f"{name!r} has shape {array.shape} in the file and {tuple(own[name].shape)} in the model", hint=OTHER_CLASS)
    loaded.load_state_dict({name: to_torch(array) for name, array in state.items()})
    return loaded
