"""The labels of every value and every parameter of a traced graph."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import fx

from laconic.graph.channels import rules
from laconic.graph.channels.atoms import FIXED, FREE, Atoms, Labels
from laconic.graph.values import arguments, is_tensor, operator, shape_of

MOST = 1 << 18  # elements of a parameter that is used element by element; of a larger one all channels stay

RULES: Mapping[str, rules.Rule] = {
    **dict.fromkeys(("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), rules.convolution),
    **dict.fromkeys(("batch_norm", "instance_norm", "prelu"), rules.per_channel),
    **dict.fromkeys(("layer_norm", "rms_norm"), rules.layer_norm),
    **dict.fromkeys(("matmul", "bmm", "mm"), rules.product),
    **dict.fromkeys(("softmax", "log_softmax", "cumsum"), rules.normalised),
    **dict.fromkeys(("mean", "sum", "amax", "amin", "std", "var", "linalg_vector_norm", "logsumexp"), rules.reduced),
    **dict.fromkeys(("view", "reshape", "flatten", "unflatten", "squeeze", "_unsafe_view"), rules.reshaped),
    **dict.fromkeys(("split", "split_with_sizes", "chunk", "tensor_split"), rules.pieces),
    **dict.fromkeys(("transpose", "t", "swapaxes"), rules.transposed),
    **dict.fromkeys(("expand", "expand_as"), rules.expanded),
    **dict.fromkeys(("pad", "constant_pad_nd"), rules.padded),
    **dict.fromkeys(("clone", "contiguous", "alias", "detach", "to", "_to_copy", "lift_fresh_copy"), rules.same),
    **dict.fromkeys(("dropout", "feature_dropout"), rules.same),
    **dict.fromkeys(("max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d"), rules.windowed),
    **dict.fromkeys(("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"), rules.windowed),
    **dict.fromkeys(("adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d"), rules.windowed),
    **dict.fromkeys(("max_pool1d_with_indices", "max_pool2d_with_indices", "max_pool3d_with_indices"), rules.windowed),
    **dict.fromkeys(("upsample_nearest1d", "upsample_nearest2d", "upsample_bilinear2d", "upsample_bicubic2d"), rules.windowed),
    **dict.fromkeys(("reflection_pad2d", "replication_pad2d"), rules.windowed),
    "linear": rules.linear,
    "group_norm": rules.group_norm,
    "embedding": rules.embedding,
    "scaled_dot_product_attention": rules.attention,
    "permute": rules.permuted,
    "unsqueeze": rules.unsqueezed,
    "cat": rules.concatenated,
    "stack": rules.stacked,
    "slice": rules.sliced,
    "select": rules.selected,
    "unbind": rules.unbound,
    "pixel_shuffle": rules.shuffled,
    "_assert_tensor_metadata": rules.asserted,
}


class Table:
    """Goes through a graph once, from its input to its output, and labels what it finds.

    Args:
        graph: traced, with example values.
        names: placeholder → name in the state dict; tied tensors under one name.

    Attributes:
        held: (tensor, axis) → atoms along that axis; tensors that are used element by element have atoms on all their axes at once.
    """

    def __init__(self, graph: fx.Graph, names: Mapping[str, str]) -> None:
        self.atoms = Atoms()
        self.held: dict[tuple[str, int], Labels] = {}
        self.loose: dict[str, Labels] = {}
        self._names = names
        self._labels: dict[fx.Node, Any] = {}
        self._whole: list[tuple[Labels, int]] = []
        for node in _read(graph):
            self._visit(node)
        self._settle()

    def labels(self, node: fx.Node) -> Labels:
        """Those of one tensor; a parameter that is read element by element gets an atom for each."""
        if node.name in self._names and node not in self._labels:
            self._labels[node] = self._of_parameter(node)
        found: Labels = self._labels[node]
        return found

    def known(self, node: fx.Node) -> Labels | None:
        """Those of one tensor, if it has any."""
        found = self._labels.get(node)
        return found if isinstance(found, np.ndarray) else None

    def vector(self, node: fx.Node, axis: int) -> Labels:
        """Along one axis, in full; what has no channel there is fixed."""
        labels = self.labels(node)
        axis %= labels.ndim
        merged = self.atoms.merge(labels, [other for other in range(labels.ndim) if other != axis]).reshape(-1)
        full = np.broadcast_to(merged, (shape_of(node)[axis],))
        return np.where(full < 0, FIXED, full)

    def along(self, vector: Labels, axis: int, axes: int) -> Labels:
        """A vector as labels of a tensor of so many axes."""
        shape = [1] * axes
        shape[axis] = -1
        return vector.reshape(shape)

    def fixed(self, length: int) -> Labels:
        return np.full(length, FIXED)

    def hold(self, node: fx.Node, axis: int, labels: Labels) -> None:
        """A parameter has these channels along this axis."""
        if node.name not in self._names:
            self.atoms.fix(labels, "its weight is computed")
            return
        known = self.held.setdefault((self._names[node.name], axis), labels)
        self.atoms.join(known, labels)

    def keep_whole(self, labels: Labels, axis: int) -> None:
        """Nothing may go along this axis for itself."""
        self._whole.append((labels, axis))

    def _visit(self, node: fx.Node) -> None:
        if node.op == "placeholder" and node.name not in self._names:
            self._labels[node] = _of_input(node) if is_tensor(node) else None
        elif node.op == "call_function":
            self._labels[node] = self._result(node)
        elif node.op == "output":
            for value in node.all_input_nodes:
                if is_tensor(value):
                    self.atoms.fix(self.labels(value), "it is the model's output")

    def _result(self, node: fx.Node) -> Any:
        word = operator(node)
        if word == "getitem":
            several, place = node.args
            of = self._labels.get(several)  # type: ignore[arg-type]
            return of[int(place)] if isinstance(of, list) else None  # type: ignore[arg-type]
        if not hasattr(node.target, "_schema"):
            return None  # arithmetic on sizes
        given = arguments(node)
        if not any(is_tensor(value) for value in node.all_input_nodes):
            return np.full((1,) * len(shape_of(node)), FREE if _is_number(node) else FIXED) if is_tensor(node) else None
        rule = RULES.get(word)
        if rule is None:
            rule = rules.pointwise if torch.Tag.pointwise in getattr(node.target, "tags", ()) else rules.unknown
        return rule(self, node, given)

    def _of_parameter(self, node: fx.Node) -> Labels:
        name, shape = self._names[node.name], shape_of(node)
        size = int(np.prod(shape))
        if size == 1:
            return np.full((1,) * len(shape), FREE)
        if size > MOST:
            return np.full((1,) * len(shape), FIXED)
        if name not in self.loose:
            self.loose[name] = self.atoms.fresh(shape)
        return self.loose[name]

    def _settle(self) -> None:
        """See to it that what is left of every tensor is a block: of several axes along which atoms vary, all but the first are merged."""
        self._meet_uses()
        everything = [labels for labels in self._labels.values() for labels in (labels if isinstance(labels, list) else [labels])]
        tensors = [labels for labels in [*everything, *self.loose.values()] if labels is not None]
        while self._settled(tensors):
            pass

    def _settled(self, tensors: list[Labels]) -> bool:
        changed = False
        for labels, axis in self._whole:
            axes = self._varying(labels)
            if axis % labels.ndim in axes:
                changed = True
                if len(axes) > 1:
                    self.atoms.merge(labels, [axis])
                else:
                    self.atoms.fix(labels, "its neighbours are told apart by their places")
        for labels in tensors:
            axes = self._varying(labels)
            if len(axes) > 1:
                changed = True
                self.atoms.merge(labels, axes[1:])
        return changed

    def _varying(self, labels: Labels) -> list[int]:
        return [axis for axis in range(labels.ndim) if self.atoms.varies(labels, axis)]

    def _meet_uses(self) -> None:
        """A parameter that is a layer's and is read element by element as well has the atoms of both."""
        for (name, axis), labels in self.held.items():
            if name in self.loose:
                self.atoms.join(self.loose[name], self.along(labels, axis, self.loose[name].ndim))


def _read(graph: fx.Graph) -> list[fx.Node]:
    """The nodes whose results somebody reads: of any other, what it asks of its operands does not matter."""
    read: set[fx.Node] = set()
    for node in reversed(graph.nodes):
        if node.is_impure() or not read.isdisjoint(node.users):
            read.add(node)
    return [node for node in graph.nodes if node in read]


def _of_input(node: fx.Node) -> Labels:
    """The user's samples stay as they are: their channels are fixed, and if they are no images, all that is in them."""
    shape = shape_of(node)
    sides = [1, shape[1], *[1] * (len(shape) - 2)] if len(shape) > 3 else [1, *shape[1:]]
    return np.full(sides[: len(shape)], FIXED)


def _is_number(node: fx.Node) -> bool:
    return int(np.prod(shape_of(node))) == 1
