"""What every operator does to channels: how the labels of its result follow from those of its operands, and what it ties or fixes.

A rule gets the table of labels and a node, and returns the labels of the result (a list of them where there are several results). The
rules are few, as most operators work element by element, move axes, or mix along axes that have no channels.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import fx

from laconic.graph.channels.atoms import FIXED, FREE, Labels
from laconic.graph.values import is_tensor, number, operator, shape_of

if TYPE_CHECKING:
    from laconic.graph.channels.table import Table

Rule = Callable[["Table", fx.Node, dict[str, Any]], Any]


def _passing(given: Mapping[str, Any]) -> fx.Node:
    """The operand that an operator passes on; torch calls it by either name."""
    found: fx.Node = given["self"] if "self" in given else given["input"]
    return found


def convolution(table: "Table", node: fx.Node, given: dict[str, Any]) -> Labels:
    """Reads channels of axis 1 by axis 1 of its weight, makes new ones by axis 0; a transposed one the other way round."""
    groups, weight = number(given["groups"]), shape_of(given["weight"])
    reading, making = (0, 1) if "transpose" in operator(node) else (1, 0)
    inputs = table.vector(given["input"], 1)
    outputs = _made(table, inputs, weight[making] * (groups if making else 1), groups)
    for axis, vector in ((reading, inputs), (making, outputs)):
        table.hold(given["weight"], axis, vector if len(vector) == weight[axis] else _of_one_group(vector, weight[axis]))
    if given["bias"] is not None:
        table.hold(given["bias"], 0, outputs)
    return table.along(outputs, 1, len(shape_of(node)))


def _made(table: "Table", inputs: Labels, outputs: int, groups: int) -> Labels:
    """New channels; where groups hold one channel each they go with it, and in larger groups the same places go in all."""
    if groups == 1:
        return table.atoms.fresh((outputs,))
    if groups == len(inputs):
        return np.repeat(inputs, outputs // groups)
    table.atoms.merge(inputs.reshape(groups, -1), [0])
    made = table.atoms.fresh((groups, outputs // groups))
    table.atoms.merge(made, [0])
    return made.reshape(-1)


def _of_one_group(vector: Labels, length: int) -> Labels:
    """Along the axis of a weight that all groups share; of groups of one channel, nothing can go from there."""
    return np.full(1, FREE) if length == 1 else vector[:length]


def linear(table: "Table", node: fx.Node, given: dict[str, Any]) -> Labels:
    """Reads channels of the last axis by axis 1 of its weight, makes new ones by axis 0."""
    labels = table.labels(given["input"])
    if any(table.atoms.varies(labels, axis) for axis in range(labels.ndim - 1)):
        # its inputs go by another axis than the one that it reads: that one cannot be narrowed as well
        table.hold(given["weight"], 1, table.fixed(shape_of(given["weight"])[1]))
        outputs = table.fixed(shape_of(given["weight"])[0])
        made = table.atoms.merge(labels, [labels.ndim - 1])
    else:
        table.hold(given["weight"], 1, table.vector(given["input"], -1))
        outputs = table.atoms.fresh((shape_of(given["weight"])[0],))
        made = table.along(outputs, -1, labels.ndim)
    table.hold(given["weight"], 0, outputs)
    if given["bias"] is not None:
        table.hold(given["bias"], 0, outputs)
    return made


def per_channel(table: "Table", node: fx.Node, given: dict[str, Any]) -> Labels:
    """Batch and instance normalisation, PReLU: one number of each of its tensors for each channel of axis 1."""
    vector = table.vector(_passing(given), 1)
    for name in ("weight", "bias", "running_mean", "running_var"):
        if is_tensor(given.get(name)) and shape_of(given[name]) != (1,):
            table.hold(given[name], 0, vector)
    return table.labels(_passing(given))


def layer_norm(table: "Table", node: fx.Node, given: dict[str, Any]) -> Labels:
    """Its statistics are those of all channels that it normalises together."""
    labels, axes = table.labels(given["input"]), len(given["normalized_shape"])
    _fix_along(table, labels, range(labels.ndim - axes, labels.ndim), "it is normalised together with the others")
    return labels


def group_norm(table: "Table", node: fx.Node, given: dict[str, Any]) -> Labels:
    labels = table.labels(given["input"])
    _fix_along(table, labels, [1], "it is normalised together with the others")
    return labels


def embedding(table: "Table", node: fx.Node, given: dict[str, Any]) -> Labels:
    """Makes channels of the last axis by axis 1 of its table."""
    table.atoms.fix(table.labels(given["indices"]), "it is a place in a table")
    outputs = table.atoms.fresh((shape_of(given["weight"])[1],))
    table.hold(given["weight"], 1, outputs)
    return table.along(outputs, -1, len(shape_of(node)))


def attention(table: "Table", node: fx.Node, given: dict[str, Any]) -> Labels:
    """Heads go whole, as what one of them reads is scaled by its width; with a head of keys and values go all that read it."""
    operands = [given[name] for name in ("query", "key", "value", "attn_mask") if is_tensor(given[name])]
    return _broadcast(table, [_by_head(table, operand, _heads(node)) for operand in operands])


def _by_head(table: "Table", operand: fx.Node, heads: int) -> Labels:
    """One atom for each head that reads it; what all heads read stays."""
    labels, own = table.atoms.merge(table.labels(operand), [-2, -1]), _heads(operand)
    if own == 1 < heads:
        table.atoms.fix(labels, "all heads read it")
        return _free(labels.ndim)
    stays = np.where(labels < 0, FIXED, labels)
    return np.repeat(stays, heads // own, -3) if own < heads and labels.shape[-3] > 1 else stays


def _heads(node: fx.Node) -> int:
    return prod(shape_of(node)[-3:-2])


def product(table: "Table", node: fx.Node, given: dict[str, Any]) -> Labels:
    """Of two batches of matrices: what is summed over goes together; where batches differ, a whole one goes."""
    left, right = table.labels(given["self"]), table.labels(given["mat2" if "mat2" in given else "other"])
    if left.ndim < 2 or right.ndim < 2:
        return unknown(table, node, given)
    if any(table.atoms.varies(labels, axis) for labels in (left, right) for axis in range(labels.ndim - 2)):
        return _broadcast(table, [table.atoms.merge(labels, [-2, -1]) for labels in (left, right)])
    rows, columns = table.atoms.varies(left, -2), table.atoms.varies(right, -1)
    if table.atoms.varies(left, -1) or table.atoms.varies(right, -2):
        if rows or columns:
            _fix_both(table, left, right)
        else:
            summed = table.atoms.merge(left, [-2]), np.swapaxes(table.atoms.merge(right, [-1]), -1, -2)
            table.atoms.join(*(np.where(labels < 0, FIXED, labels).reshape(-1) for labels in summed))
        return _free(len(shape_of(node)))
    if rows and columns:
        _fix_both(table, left, right)
    made = table.atoms.merge(left, [-1]) if rows else table.atoms.merge(right, [-2])
    return made if rows or columns else _free(len(shape_of(node)))


def _fix_both(table: "Table", left: Labels, right: Labels) -> None:
    for labels in (left, right):
        table.atoms.fix(labels, "it is multiplied by others than one of its own")


def _free(axes: int) -> Labels:
    return np.full((1,) * axes, FREE)


def _broadcast(table: "Table", operands: Sequence[Labels]) -> Labels:
    axes = max(labels.ndim for labels in operands)
    return table.atoms.join(*(labels.reshape((1,) * (axes - labels.ndim) + labels.shape) for labels in operands))


def pointwise(table: "Table", node: fx.Node, given: dict[str, Any]) -> Labels:
    """Element by element: what meets goes together."""
    operands = [table.labels(value) for value in _flat(given.values()) if is_tensor(value)]
    return _broadcast(table, operands)


def _flat(values: Any) -> list[Any]:
    return [one for value in values for one in (value if isinstance(value, list | tuple) else [value])]


def same(table: "Table", node: fx.Node, given: dict[str, Any]) -> Labels:
    """Copies, and what only drops elements at random."""
    return table.labels(_passing(given))


def windowed(table: "Table", node: fx.Node, given: dict[str, Any]) -> Labels | list[Labels]:
    """Pooling and resizing: mixes along all axes but the first two; a second result says where the first was found."""
    labels = table.labels(_passing(given))
    merged = table.atoms.merge(labels, range(2, labels.ndim))
    return merged if is_tensor(node) else [merged for _ in node.meta["val"]]


def reduced(table: "Table", node: fx.Node, given: dict[str, Any]) -> Labels:
    """Sums, means, extremes over axes: channels there are all needed."""
    labels = table.labels(given["self"])
    axes = _axes(given.get("dim"), labels.ndim)
    _fix_along(table, labels, axes, "it is summed up or compared with the others")
    for axis in axes:
        labels = np.take(labels, [0], axis)
    return labels if given.get("keepdim") else labels.reshape([side for axis, side in enumerate(labels.shape) if axis not in axes])


def normalised(table: "Table", node: fx.Node, given: dict[str, Any]) -> Labels:
    """Softmax and the like along one axis."""
    labels = table.labels(_passing(given))
    _fix_along(table, labels, _axes(given["dim"], labels.ndim), "it is normalised together with the others")
    return labels


def _axes(said: Any, ndim: int) -> list[int]:
    if said is None or said == []:
        return list(range(ndim))
    return [axis % ndim for axis in (said if isinstance(said, list | tuple) else [said])]


def _fix_along(table: "Table", labels: Labels, axes: Sequence[int], reason: str) -> None:
    if any(table.atoms.varies(labels, axis) for axis in axes):
        table.atoms.fix(labels, reason)


def reshaped(table: "Table", node: fx.Node, given: dict[str, Any]) -> Labels:
    """Axes that are merged or split take their atoms along; those that stay as they are may stay 1 long."""
    labels, before, after = table.labels(given["self"]), shape_of(given["self"]), shape_of(node)
    source, target = [], []
    for old, new in _blocks(before, after):
        own = labels.shape[old.start : old.stop]
        alike = all(side == 1 for side in own)
        source.append((1,) * len(own) if alike else before[old.start : old.stop])
        target.append((1,) * (new.stop - new.start) if alike else after[new.start : new.stop])
    full = np.broadcast_to(labels, [side for sides in source for side in sides])
    return full.reshape([side for sides in target for side in sides])


def _blocks(before: tuple[int, ...], after: tuple[int, ...]) -> Iterator[tuple[slice, slice]]:
    """Runs of axes of both shapes that hold as many elements, as short as they can be."""
    i = j = 0
    while i < len(before) or j < len(after):
        start, left, right = (i, j), prod(before[i : i + 1]), prod(after[j : j + 1])
        i, j = min(i + 1, len(before)), min(j + 1, len(after))
        while left != right:
            if left < right:
                left, i = left * before[i], i + 1
            else:
                right, j = right * after[j], j + 1
        yield slice(start[0], i), slice(start[1], j)


def permuted(table: "Table", node: fx.Node, given: dict[str, Any]) -> Labels:
    return np.transpose(table.labels(given["self"]), given["dims"])


def transposed(table: "Table", node: fx.Node, given: dict[str, Any]) -> Labels:
    labels = table.labels(given["self"])
    return np.swapaxes(labels, given["dim0"], given["dim1"]) if "dim0" in given else labels.T


def expanded(table: "Table", node: fx.Node, given: dict[str, Any]) -> Labels:
    labels = table.labels(given["self"])
    return labels.reshape((1,) * (len(shape_of(node)) - labels.ndim) + labels.shape)


def unsqueezed(table: "Table", node: fx.Node, given: dict[str, Any]) -> Labels:
    return np.expand_dims(table.labels(given["self"]), given["dim"])


def concatenated(table: "Table", node: fx.Node, given: dict[str, Any]) -> Labels:
    """Along an axis with channels, one after the other; along any other, what stands in the same place goes together."""
    axis = number(given["dim"]) % len(shape_of(node))
    parts = [table.labels(part) for part in given["tensors"]]
    if any(table.atoms.varies(labels, axis) for labels in parts):
        return _end_to_end(parts, [shape_of(part) for part in given["tensors"]], axis)
    return table.atoms.join(*(table.atoms.merge(labels, [axis]) for labels in parts))


def _end_to_end(parts: list[Labels], shapes: list[tuple[int, ...]], axis: int) -> Labels:
    full = [np.repeat(part, shape[axis], axis) if part.shape[axis] == 1 else part for part, shape in zip(parts, shapes, strict=True)]
    sides = [max(part.shape[other] for part in full) for other in range(full[0].ndim)]
    return np.concatenate([np.broadcast_to(part, [*sides[:axis], part.shape[axis], *sides[axis + 1 :]]) for part in full], axis)


def stacked(table: "Table", node: fx.Node, given: dict[str, Any]) -> Labels:
    return np.expand_dims(table.atoms.join(*(table.labels(part) for part in given["tensors"])), number(given["dim"]))


def padded(table: "Table", node: fx.Node, given: dict[str, Any]) -> Labels:
    """New places along an axis with channels have atoms of their own: whatever they are added to decides."""
    labels = table.labels(given["self"])
    for position, (before, after) in enumerate(zip(given["pad"][::2], given["pad"][1::2], strict=True)):
        axis = labels.ndim - 1 - position
        if labels.shape[axis] > 1 and (number(before) or number(after)):
            sides = [list(labels.shape), list(labels.shape)]
            sides[0][axis], sides[1][axis] = number(before), number(after)
            labels = np.concatenate([table.atoms.fresh(sides[0]), labels, table.atoms.fresh(sides[1])], axis)
    return labels


def sliced(table: "Table", node: fx.Node, given: dict[str, Any]) -> Labels:
    labels, axis = table.labels(given["self"]), number(given["dim"])
    if labels.shape[axis] == 1:
        return labels
    start, end = given["start"], given["end"]
    chosen = slice(None if start is None else number(start), None if end is None else number(end), number(given["step"]))
    if number(given["step"]) != 1:
        table.atoms.fix(labels, "every so many of its neighbours are taken")
    return labels[(slice(None),) * (axis % labels.ndim) + (chosen,)]


def selected(table: "Table", node: fx.Node, given: dict[str, Any]) -> Labels:
    """One of an axis: that axis stays as long as it is."""
    labels, axis = table.labels(given["self"]), number(given["dim"])
    table.keep_whole(labels, axis)
    return np.take(labels, number(given["index"]) if labels.shape[axis] > 1 else 0, axis)


def pieces(table: "Table", node: fx.Node, given: dict[str, Any]) -> list[Labels]:
    """Split, chunk: pieces along an axis, of the lengths that the results have."""
    labels, axis = table.labels(given["self"]), number(given.get("dim", 0))
    if labels.shape[axis] == 1:
        return [labels for _ in node.meta["val"]]
    ends = np.cumsum([int(one.shape[axis]) for one in node.meta["val"]])
    return np.split(labels, ends[:-1], axis)


def unbound(table: "Table", node: fx.Node, given: dict[str, Any]) -> list[Labels]:
    """All of an axis, one by one: that axis stays as long as it is."""
    labels, axis = table.labels(given["self"]), number(given.get("dim", 0))
    table.keep_whole(labels, axis)
    return [np.take(labels, index if labels.shape[axis] > 1 else 0, axis) for index in range(len(node.meta["val"]))]


def shuffled(table: "Table", node: fx.Node, given: dict[str, Any]) -> Labels:
    """Pixel shuffle: r² channels become one, and pixels."""
    vector = table.vector(given["self"], 1)
    merged = table.atoms.merge(vector.reshape(shape_of(node)[1], -1), [1])
    return table.along(merged.reshape(-1), 1, len(shape_of(node)))


def asserted(table: "Table", node: fx.Node, given: dict[str, Any]) -> None:
    """Where a tensor changes its type, the tracer notes of which it was: that makes nothing and asks for no channel."""


def unknown(table: "Table", node: fx.Node, given: dict[str, Any]) -> Any:
    """Whatever goes in must stay; so must what comes out."""
    for value in _flat(given.values()):
        if is_tensor(value):
            table.atoms.fix(table.labels(value), f"{operator(node)} is not understood")
    results = node.meta.get("val")
    if isinstance(results, list | tuple):
        return [np.full((1,) * len(one.shape), FIXED) if hasattr(one, "shape") else None for one in results]
    return np.full((1,) * len(shape_of(node)), FIXED) if is_tensor(node) else None
