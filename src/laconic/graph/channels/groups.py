"""Groups of channels that go together: which weights an output channel of one layer ties to which of others."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from laconic.graph.channels.atoms import FIXED, Labels
from laconic.graph.channels.table import Table
from laconic.graph.trace import FLOAT, trace

UNREAD = "the forward pass does not read it"
TIED = "its channels are tied to the sample's, or to a constant's"


@dataclass(frozen=True)
class Member:
    """Where a group's channels lie in one tensor.

    Args:
        tensor: its name in the state dict.
        axis: along which they lie.
        places: for each channel of the group, its indices along that axis.
    """

    tensor: str
    axis: int
    places: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Group:
    """Channels of which each can go or stay, everywhere at once.

    Args:
        members: all tensors that have them, the first that makes them first.
        size: number of channels.
    """

    members: tuple[Member, ...]
    size: int

    @property
    def name(self) -> str:
        """That of the first tensor that has the channels along its outputs; with a place where others of its channels come first."""
        member = next((member for member in self.members if member.axis == 0), self.members[0])
        first = member.places[0][0]
        return f"{member.tensor}[{first}]" if first else member.tensor


def channel_groups(model: nn.Module, sample_shape: tuple[int, ...], dtype: str = FLOAT) -> tuple[Group, ...]:
    """The groups of a model, in the order in which its forward pass makes them.

    Raises:
        ExportError: the model cannot be traced.

    >>> groups = channel_groups(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), (4,))
    >>> [(member.tensor, member.axis) for member in groups[0].members]
    [('0.weight', 0), ('0.bias', 0), ('2.weight', 1)]
    """
    return groups_of(table_of(model, sample_shape, dtype))


def left_whole(model: nn.Module, sample_shape: tuple[int, ...], dtype: str = FLOAT) -> dict[str, str]:
    """Weights that keep all of their outputs → why.

    Raises:
        ExportError: the model cannot be traced.

    >>> left_whole(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), (4,))
    {'2.weight': "it is the model's output"}
    """
    table = table_of(model, sample_shape, dtype)
    tensors = model.state_dict(keep_vars=True)
    axes = axes_of(table)
    read = {name for name, _ in axes}
    found = {name: UNREAD for name, value in model.named_parameters() if value.ndim > 1 and name not in read}
    for (name, axis), labels in axes.items():
        if name in tensors and axis == output_axis(model, name) and tensors[name].ndim > 1 and (table.atoms.find(labels) == FIXED).all():
            reasons = [table.atoms.reason(int(label)) for label in labels if label >= 0]
            found[name] = next(filter(None, reasons), TIED)
    return found


def output_axis(model: nn.Module, name: str) -> int:
    """Along which axis of a tensor of the model its layer's outputs lie."""
    path, _, word = name.rpartition(".")
    layer = model.get_submodule(path)
    inside_out = isinstance(layer, nn.modules.conv._ConvTransposeNd | nn.Embedding)
    return 1 if inside_out and getattr(layer, word).ndim > 1 else 0


def table_of(model: nn.Module, sample_shape: tuple[int, ...], dtype: str = FLOAT) -> Table:
    """The labels of everything in the model's graph."""
    graph, names = trace(model, sample_shape, dtype)
    return Table(graph, untied(model, names))


def untied(model: nn.Module, names: Mapping[str, str]) -> dict[str, str]:
    """Placeholder → name; tensors of several names under the first of them."""
    every = aliases(model)
    return {placeholder: every[name][0] if name in every else name for placeholder, name in names.items()}


def aliases(model: nn.Module) -> dict[str, list[str]]:
    """Name of a parameter or buffer → all names of the same tensor, in order.

    >>> layer = nn.Linear(2, 2, bias=False)
    >>> aliases(nn.Sequential(layer, nn.ReLU(), layer))
    {'0.weight': ['0.weight', '2.weight'], '2.weight': ['0.weight', '2.weight']}
    """
    names: dict[int, list[str]] = defaultdict(list)
    tensors = tensors_of(model)
    for name, tensor in tensors.items():
        names[id(tensor)].append(name)
    return {name: names[id(tensor)] for name, tensor in tensors.items()}


def tensors_of(model: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers, each under all of its names."""
    return dict((*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)))


def groups_of(table: Table) -> tuple[Group, ...]:
    """Atoms that lie in the same tensors along the same axes are a group."""
    places: dict[int, dict[tuple[str, int], list[int]]] = defaultdict(dict)
    for key, labels in axes_of(table).items():
        for place, atom in enumerate(table.atoms.find(labels)):
            if atom > FIXED:
                places[int(atom)].setdefault(key, []).append(place)
    alike: dict[tuple[tuple[str, int], ...], list[dict[tuple[str, int], list[int]]]] = defaultdict(list)
    for found in places.values():
        alike[tuple(found)].append(found)
    return tuple(
        Group(tuple(Member(*key, tuple(tuple(channel[key]) for channel in channels)) for key in keys), len(channels))
        for keys, channels in alike.items()
    )


def axes_of(table: Table) -> dict[tuple[str, int], Labels]:
    """(tensor, axis) → atoms along it; of tensors that are read element by element, along the one axis that they differ along."""
    found = dict(table.held)
    for name, labels in table.loose.items():
        for axis in range(labels.ndim):
            if table.atoms.varies(labels, axis):
                found[name, axis] = np.moveaxis(labels, axis, 0).reshape(labels.shape[axis], -1)[:, 0]
    return found
