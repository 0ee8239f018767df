"""Which nodes are layers that torch has modules for: those that methods fold, prune and count.

A node is one only where the module computes exactly the same: its weights are tensors, and its attributes are torch's. The module is
built without memory (on torch's meta device); its parameters are put in afterwards.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from torch import nn

from laconic.graph.importing.operators.windows import MOST_AXES
from laconic.graph.importing.types import axes_of
from laconic.graph.reading.folding import attributes_of


@dataclass(frozen=True)
class Surroundings:
    """What a layer is recognised by, beside its node.

    Args:
        tensors: the weights, by name.
        numbers: the graph's own constants.
        types: of the graph's values.
        makers: name of a value → the node that makes it.
        readers: name of a value → the nodes that read it.
    """

    tensors: Mapping[str, np.ndarray]
    numbers: Mapping[str, np.ndarray]
    types: Mapping[str, onnx.TypeProto]
    makers: Mapping[str, onnx.NodeProto]
    readers: Mapping[str, list[onnx.NodeProto]]

    def is_tensor(self, name: str, axes: int) -> bool:
        """Whether this is a floating-point weight of so many axes."""
        return name in self.tensors and self.tensors[name].ndim == axes and self.tensors[name].dtype.kind in "fV"

    def is_constant(self, name: str, value: float) -> bool:
        """Whether it is left out, or a constant of the graph in which every number is `value`."""
        return not name or (name in self.numbers and bool((self.numbers[name] == value).all()))


@dataclass(frozen=True)
class Layer:
    """A module of torch's that does what a node does.

    Args:
        module: without memory.
        tensors: attribute of the module → name of the tensor that it is.
        turned: whether the weight is the transpose of the tensor.
        before: what the input goes through first: one of our own operators and its attributes.
        output: the value that it makes, where that is not the node's own.
    """

    module: nn.Module
    tensors: Mapping[str, str]
    turned: bool = False
    before: tuple[str, Mapping[str, Any]] | None = None
    output: str = ""


def layer_of(node: onnx.NodeProto, around: Surroundings) -> Layer | None:
    """The module that does what this node does; None where none of torch's does exactly that."""
    return LAYERS[node.op_type](node, around) if not node.domain and node.op_type in LAYERS else None


def _input(node: onnx.NodeProto, place: int) -> str:
    return node.input[place] if place < len(node.input) else ""


def _bias(node: onnx.NodeProto, place: int, size: int, around: Surroundings) -> str | None:
    """The name of the bias, empty where there is none; None where it is something that no module has."""
    name = _input(node, place)
    if around.is_constant(name, 0):
        return ""
    return name if around.is_tensor(name, 1) and len(around.tensors[name]) == size else None


_CONV: Sequence[Any] = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED: Sequence[Any] = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_NORM = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}


def _conv(node: onnx.NodeProto, around: Surroundings) -> Layer | None:
    """Pads that differ before and after, or depend on the size of the input, are added first."""
    name, said = _input(node, 1), attributes_of(node)
    if name not in around.tensors or not 3 <= (axes := around.tensors[name].ndim) <= MOST_AXES + 2 or not around.is_tensor(name, axes):
        return None
    channels, inputs, *kernel = around.tensors[name].shape
    bias, group = _bias(node, 2, channels, around), said.get("group", 1)
    if bias is None:
        return None
    strides, dilations = said.get("strides", [1] * len(kernel)), said.get("dilations", [1] * len(kernel))
    pads, before = _pads(said, kernel, strides, dilations)
    module = _CONV[len(kernel) - 1](
        inputs * group, channels, tuple(kernel), tuple(strides), tuple(pads), tuple(dilations), group, bias=bool(bias), device="meta"
    )
    return Layer(module, _named(weight=name, bias=bias), before=before)


def _pads(said: Mapping[str, Any], kernel: list[int], strides: list[int], dilations: list[int]) -> tuple[list[int], Any]:
    """The pads on either side that the module has, and the padding that goes before it."""
    none, auto = [0] * len(kernel), said.get("auto_pad", "NOTSET")
    if auto.startswith("SAME"):
        return none, ("pad as needed", {"kernel": kernel, "strides": strides, "dilations": dilations, "upper": auto == "SAME_UPPER"})
    pads = said.get("pads", none * 2) if auto == "NOTSET" else none * 2
    before, after = pads[: len(kernel)], pads[len(kernel) :]
    return (before, None) if before == after and min(pads) >= 0 else (none, ("pad", {"pads": pads}))


def _conv_transpose(node: onnx.NodeProto, around: Surroundings) -> Layer | None:
    name, said = _input(node, 1), attributes_of(node)
    if name not in around.tensors or not 3 <= (axes := around.tensors[name].ndim) <= MOST_AXES + 2 or not around.is_tensor(name, axes):
        return None
    channels, outputs, *kernel = around.tensors[name].shape
    ones, group = [1] * len(kernel), said.get("group", 1)
    bias, (pads, before) = _bias(node, 2, outputs * group, around), _pads(said, kernel, ones, ones)
    if bias is None or before or "output_shape" in said:
        return None
    module = _TRANSPOSED[len(kernel) - 1](
        channels,
        outputs * group,
        tuple(kernel),
        tuple(said.get("strides", ones)),
        tuple(pads),
        tuple(said.get("output_padding", [0] * len(kernel))),
        group,
        bias=bool(bias),
        dilation=tuple(said.get("dilations", ones)),
        device="meta",
    )
    return Layer(module, _named(weight=name, bias=bias))


def _gemm(node: onnx.NodeProto, around: Surroundings) -> Layer | None:
    said, name = attributes_of(node), _input(node, 1)
    plain = said.get("alpha", 1) == 1 and said.get("beta", 1) == 1 and not said.get("transA", 0)
    if not plain or not around.is_tensor(name, 2):
        return None
    turned = not said.get("transB", 0)
    bias = _bias(node, 2, around.tensors[name].shape[1 if turned else 0], around)
    return None if bias is None else _linear(name, bias, turned, around)


def _matmul(node: onnx.NodeProto, around: Surroundings) -> Layer | None:
    """With the Add behind it, where that adds a bias."""
    name = _input(node, 1)
    turn = around.makers.get(name)
    turned = turn is None or turn.op_type != "Transpose"
    name = name if turned or turn is None else turn.input[0]
    if not around.is_tensor(name, 2) or (axes_of(around.types.get(node.input[0])) or 0) < 2:
        return None
    add = around.readers.get(node.output[0], [])
    if len(add) == 1 and add[0].op_type == "Add":
        bias = add[0].input[1 if add[0].input[0] == node.output[0] else 0]
        if around.is_tensor(bias, 1) and len(around.tensors[bias]) == around.tensors[name].shape[1 if turned else 0]:
            return _linear(name, bias, turned, around, output=add[0].output[0])
    return _linear(name, "", turned, around)


def _linear(weight: str, bias: str, turned: bool, around: Surroundings, output: str = "") -> Layer:
    rows, columns = around.tensors[weight].shape
    inputs, outputs = (rows, columns) if turned else (columns, rows)
    module = nn.Linear(inputs, outputs, bias=bool(bias), device="meta")
    return Layer(module, _named(weight=weight, bias=bias), turned, output=output)


def _batch_norm(node: onnx.NodeProto, around: Surroundings) -> Layer | None:
    said, (x, scale, shift, mean, var) = attributes_of(node), node.input
    kind = _NORM.get(axes_of(around.types.get(x)) or 0)
    affine = around.is_tensor(scale, 1) and around.is_tensor(shift, 1)
    if kind is None or said.get("training_mode", 0) or not (around.is_tensor(mean, 1) and around.is_tensor(var, 1)):
        return None
    if not affine and not (around.is_constant(scale, 1) and around.is_constant(shift, 0)):
        return None
    module = kind(len(around.tensors[mean]), said.get("epsilon", 1e-5), 1 - said.get("momentum", 0.9), affine, device="meta")
    statistics = {"running_mean": mean, "running_var": var}
    return Layer(module, {"weight": scale, "bias": shift, **statistics} if affine else statistics)


def _layer_norm(node: onnx.NodeProto, around: Surroundings) -> Layer | None:
    said, scale, shift = attributes_of(node), _input(node, 1), _input(node, 2)
    axes, over = axes_of(around.types.get(node.input[0])), said.get("axis", -1)
    if axes is None or scale not in around.tensors or not around.is_tensor(scale, axes - over % axes):
        return None
    shape = around.tensors[scale].shape
    if not around.is_constant(shift, 0) and not (around.is_tensor(shift, len(shape)) and around.tensors[shift].shape == shape):
        return None
    bias = "" if around.is_constant(shift, 0) else shift
    sides = [side.dim_value for side in around.types[node.input[0]].tensor_type.shape.dim][-len(shape) :]
    if sides != list(shape) or [name for name in node.output[1:] if name]:
        return None
    module = nn.LayerNorm(shape, said.get("epsilon", 1e-5), bias=bool(bias), device="meta")
    return Layer(module, _named(weight=scale, bias=bias))


def _named(**tensors: str) -> dict[str, str]:
    """Without those that there are not."""
    return {attribute: name for attribute, name in tensors.items() if name}


LAYERS: Mapping[str, Callable[[onnx.NodeProto, Surroundings], Layer | None]] = {
    "BatchNormalization": _batch_norm,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Gemm": _gemm,
    "LayerNormalization": _layer_norm,
    "MatMul": _matmul,
}
"""Operator → what recognises the layer in its node."""
