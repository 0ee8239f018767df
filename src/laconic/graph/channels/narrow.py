"""A model without some of its channels: every tensor that has them is cut, and every size in the graph that counts them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from laconic.base.errors import ModelError
from laconic.graph.channels.atoms import Labels
from laconic.graph.channels.groups import aliases, axes_of, groups_of, tensors_of, untied
from laconic.graph.channels.table import Table
from laconic.graph.layered import assembled
from laconic.graph.trace import FLOAT, exported, held_names
from laconic.graph.values import arguments, number, operator, shape_of

Kept = Mapping[tuple[str, int], np.ndarray]
"""(tensor, axis) → mask of what stays along it; of a tensor of several names, under each."""

SHAPED = {"view": "size", "reshape": "shape", "_unsafe_view": "size", "expand": "size", "unflatten": "sizes"}


@dataclass(frozen=True)
class Narrower:
    """A model with fewer channels.

    Args:
        module: its graph with its own layers.
        kept: what stayed of every tensor that has channels.
    """

    module: fx.GraphModule
    kept: Kept


def narrowed(model: nn.Module, sample_shape: tuple[int, ...], removed: Mapping[str, Collection[int]], dtype: str = FLOAT) -> fx.GraphModule:
    """The model without these channels, as its graph with its own layers.

    Args:
        model: stays as it is.
        sample_shape: one sample, without the batch.
        removed: group name → numbers of the channels that go, as `channel_groups` counts them.
        dtype: of the samples.

    Raises:
        ExportError: the model cannot be traced. ModelError: no such group, or none of its channels would be left.

    >>> smaller = narrowed(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), (4,), {"0.weight": [1]})
    >>> [tuple(p.shape) for p in smaller.parameters()]
    [(2, 4), (2,), (2, 2), (2,)]
    """
    return narrow(model, sample_shape, removed, dtype).module


def narrow(model: nn.Module, sample_shape: tuple[int, ...], removed: Mapping[str, Collection[int]], dtype: str = FLOAT) -> Narrower:
    """As `narrowed`, with what stayed of each tensor."""
    program = exported(model, sample_shape, dtype, free_batch=True)
    table, every = Table(program.graph, untied(model, held_names(program))), aliases(model)
    cut = _Cut(table, _atoms(table, removed))
    smaller = assembled(model, program, cut.rewrite)
    kept = {(name, axis): cut.kept(labels) for (first, axis), labels in axes_of(table).items() for name in every.get(first, [first])}
    _slice(smaller, kept)
    return Narrower(smaller, kept)


def _atoms(table: Table, removed: Mapping[str, Collection[int]]) -> np.ndarray:
    known = {group.name: group for group in groups_of(table)}
    axes, gone = axes_of(table), []
    for name, channels in removed.items():
        if name not in known:
            raise ModelError(f"no group of channels is called {name!r}", hint=f"there are {', '.join(sorted(known)) or 'none'}")
        group = known[name]
        if not set(channels) < set(range(group.size)):
            raise ModelError(f"of {group.size} channels, {sorted(channels)} cannot all go", where=name, hint="at least one stays")
        member = group.members[0]
        places = [member.places[channel][0] for channel in channels]
        gone.append(table.atoms.find(axes[member.tensor, member.axis])[places])
    return np.concatenate(gone) if gone else np.zeros(0, np.int64)


class _Cut:
    """What is left along every axis once some atoms are gone."""

    def __init__(self, table: Table, gone: np.ndarray) -> None:
        self._table, self._gone = table, gone

    def kept(self, labels: Labels) -> np.ndarray:
        """Mask of what stays."""
        return ~np.isin(self._table.atoms.find(labels), self._gone)

    def along(self, node: fx.Node, axis: int) -> np.ndarray:
        """Mask along one axis of a tensor, in full."""
        shape = shape_of(node)
        axis %= len(shape)
        labels = self._table.known(node)
        if labels is None:
            return np.ones(shape[axis], bool)
        kept = self.kept(labels).any(tuple(other for other in range(labels.ndim) if other != axis))
        return np.broadcast_to(kept, (shape[axis],))

    def rewrite(self, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
        """The same call with the sizes that are left."""
        word = operator(node)
        if word in SHAPED:
            said = dict(zip(_places(node), args, strict=False)) | kwargs
            return self._with(node, args, kwargs, SHAPED[word], self._sizes(node, SHAPED[word], said))
        if word in ("pad", "constant_pad_nd"):
            return self._with(node, args, kwargs, "pad", self._padding(node))
        if word in ("split", "split_with_sizes", "chunk"):
            return self._pieces(node, args)
        if word == "slice":
            start, end = self._ends(node)
            return self._with(node, args, kwargs, "start", start, "end", end)
        if word.startswith("conv") and arguments(node).get("groups", 1) != 1:
            return self._with(node, args, kwargs, "groups", self._groups(node))
        return node.target, args, kwargs

    def _with(self, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any], *changes: Any) -> Any:
        """With these arguments by name; what did not change is left as it is, nodes included."""
        places = _places(node)
        listed, named = list(args), dict(kwargs)
        for name, value in zip(changes[::2], changes[1::2], strict=True):
            if value is None:
                continue
            if name in named or places.index(name) >= len(listed):
                named[name] = value
            else:
                listed[places.index(name)] = value
        return node.target, tuple(listed), named

    def _sizes(self, node: fx.Node, name: str, given: Mapping[str, Any]) -> list[Any] | None:
        """New sizes of a result; where a computed one has changed, it is what remains."""
        said, axes = given[name], len(shape_of(node))
        first = axes - len(said) if name != "sizes" else number(arguments(node)["dim"]) % (axes - len(said) + 1)
        left = [int(self.along(node, first + i).sum()) for i in range(len(said))]
        before = shape_of(node)[first : first + len(said)]
        if list(before) == left:
            return None
        return [
            -1 if now != was and isinstance(size, fx.Node) else now if now != was else size
            for size, now, was in zip(said, left, before, strict=True)
        ]

    def _padding(self, node: fx.Node) -> list[int]:
        given = arguments(node)
        pad, axes = [number(side) for side in given["pad"]], len(shape_of(node))
        for position in range(len(pad) // 2):
            kept = self.along(node, axes - 1 - position)
            before, after = pad[2 * position], pad[2 * position + 1]
            if before >= 0 and after >= 0:
                pad[2 * position] = int(kept[:before].sum())
                pad[2 * position + 1] = int(kept[len(kept) - after :].sum())
        return pad

    def _pieces(self, node: fx.Node, args: tuple[Any, ...]) -> Any:
        given = arguments(node)
        axis = number(given.get("dim", 0))
        kept = self.along(given["self"], axis)
        lengths = [int(one.shape[axis]) for one in node.meta["val"]] if kept.size and not kept.all() else None
        if lengths is None:
            return node.target, args, dict(node.kwargs)
        ends = np.cumsum(lengths)
        sizes = [int(part.sum()) for part in np.split(kept, ends[:-1])]
        return torch.ops.aten.split_with_sizes.default, (args[0], sizes, axis), {}

    def _ends(self, node: fx.Node) -> tuple[int | None, int | None]:
        given = arguments(node)
        kept = self.along(given["self"], number(given["dim"]))
        if kept.all():
            return None, None
        start, end, _ = slice(*(None if given[name] is None else number(given[name]) for name in ("start", "end"))).indices(len(kept))
        return int(kept[:start].sum()), int(kept[:end].sum())

    def _groups(self, node: fx.Node) -> int:
        """Of a depthwise convolution that is no layer of its own."""
        given = arguments(node)
        kept = self.along(given["input"], 1)
        return int(kept.sum()) if number(given["groups"]) == len(kept) else number(given["groups"])


def _places(node: fx.Node) -> list[str]:
    """The names of an operator's arguments, in their order."""
    return [arg.name for arg in node.target._schema.arguments]  # type: ignore[union-attr]


def cutting(kept: Kept, name: str, axes: int) -> dict[int, np.ndarray]:
    """Axis of a tensor of so many → mask of what stays, for those that lose something."""
    masks = {axis: kept[name, axis] for axis in range(axes) if (name, axis) in kept}
    return {axis: mask for axis, mask in masks.items() if not mask.all()}


@torch.no_grad()
def _slice(module: fx.GraphModule, kept: Kept) -> None:
    """Cut every tensor once, whatever its names, then tell the layers how wide they are."""
    left: dict[int, torch.Tensor] = {}
    touched = set()
    for name, value in tensors_of(module).items():
        masks = cutting(kept, name, value.ndim)
        if masks:
            path, _, word = name.rpartition(".")
            owner = module.get_submodule(path)
            setattr(owner, word, left.setdefault(id(value), _left(value, masks)))
            touched.add(owner)
    for owner in touched:
        _tell(owner)


def _left(value: torch.Tensor, masks: Mapping[int, np.ndarray]) -> torch.Tensor:
    """What the masks let through; a parameter stays one."""
    left = value
    for axis, mask in masks.items():
        left = left.index_select(axis, torch.from_numpy(np.flatnonzero(mask)).to(value.device))
    return nn.Parameter(left, value.requires_grad) if isinstance(value, nn.Parameter) else left


def _tell(layer: nn.Module) -> None:
    """A layer's own words for its width."""
    weight = getattr(layer, "weight", None)
    shape: Sequence[int] = weight.shape if isinstance(weight, torch.Tensor) else ()
    match layer:
        case nn.modules.conv._ConvTransposeNd():
            layer.in_channels = shape[0]
            layer.groups = shape[0] if layer.groups > 1 and shape[1] == 1 else layer.groups
            layer.out_channels = shape[1] * layer.groups
        case nn.modules.conv._ConvNd():
            layer.groups = _fewer_groups(layer, shape)
            layer.out_channels, layer.in_channels = shape[0], shape[1] * layer.groups
        case nn.Linear():
            layer.out_features, layer.in_features = shape
        case nn.modules.batchnorm._NormBase():
            layer.num_features = len(layer.running_mean) if layer.running_mean is not None else shape[0]
        case nn.PReLU():
            layer.num_parameters = shape[0]
        case nn.Embedding():
            layer.embedding_dim = shape[1]


def _fewer_groups(layer: nn.modules.conv._ConvNd, shape: Sequence[int]) -> int:
    """A group of one channel goes with it."""
    if layer.groups == 1 or layer.in_channels != layer.groups:
        return layer.groups
    return layer.groups * shape[0] // layer.out_channels
