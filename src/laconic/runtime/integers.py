"""Weights on a grid, handed to the engine as the integers that they are.

Where a convolution or a linear layer takes a value that was rounded to 8 bits, and its weight is on a grid of at most 8 bits, the weight
becomes an int8 constant behind a DequantizeLinear, and the bias an int32 one whose step is the product of both steps. Engines see integers
on all sides then, and multiply them (Jacob et al. 2018, §2.2). Products of u8 × s8 are what x86 is fast at.

Processors without VNNI add two such products in 16 bits, which saturates where weights reach beyond ±64. There, such weights go to the
engine as uint8 around 128: slower, but right.
"""

import platform
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import onnx

from laconic.forms import Form, Grid
from laconic.forms.rows import levels
from laconic.runtime.nodes import attributes, turns, unscaled

EXACT = 64  # of a weight's integers: what any processor multiplies without saturating
LAYERS = ("Conv", "Gemm", "MatMul")
CPUINFO = Path("/proc/cpuinfo")
LARGEST_BIAS = 1 << 30  # half of what the sum of all products has room for
DEAD = 2.0**-16  # step of rows of zeros: any will do for them, and with this one the bias is as good as exact
MIDDLE = 128  # what a signed integer is moved by to be an unsigned one


def with_integers(model: onnx.ModelProto, tensors: Mapping[str, Form], *, here: bool) -> None:
    """Change the weights of such layers in place. The model must hold all tensors as initializers.

    Args:
        model: a whole ONNX model.
        tensors: its weights' Forms.
        here: for this machine, or for any.
    """
    lowering = _Lowering(model.graph, tensors, unsigned=here and not multiplies_exactly())
    for node in list(model.graph.node):
        if node.op_type in LAYERS:
            lowering.lower(node)
    lowering.finish()


@cache
def multiplies_exactly() -> bool:
    """Whether u8 × s8 never saturates on this machine: all but x86 without VNNI."""
    if platform.machine().lower() not in ("x86_64", "amd64", "i386", "i686"):
        return True
    try:
        return "_vnni" in CPUINFO.read_text(encoding="utf-8")
    except OSError:
        return False


class _Lowering:
    def __init__(self, graph: onnx.GraphProto, tensors: Mapping[str, Form], unsigned: bool) -> None:
        self._graph, self._tensors, self._unsigned = graph, tensors, unsigned
        self._made_by = {name: node for node in graph.node for name in node.output}
        self._constants = {constant.name: constant for constant in graph.initializer}
        self._taken = {*self._constants, *self._made_by, *(value.name for value in graph.input)}
        self._new: list[onnx.NodeProto] = []
        self._weights: dict[tuple[str, int, bool], str] = {}

    def lower(self, node: onnx.NodeProto) -> None:
        """Give a layer an integer weight and bias where it can use them."""
        scale = self._scale(node.input[0])
        found = self._weight(node)
        if scale is None or found is None:
            return
        name, axis, transposed = found
        steps = self._steps(name, 0 if transposed else axis)
        bias = node.input[2] if len(node.input) > 2 else ""
        if not bias or bias not in self._tensors or not unscaled(node) or self._tensors[bias].shape != steps.shape:
            node.input[1] = self._integers(name, steps, axis, transposed)
            return
        products = steps.astype(np.float64) * scale
        exact = self._tensors[bias].array().astype(np.float64) / products
        if (np.abs(exact) <= LARGEST_BIAS).all():
            node.input[1] = self._integers(name, steps, axis, transposed)
            values = np.rint(exact).astype(np.int32)
            node.input[2] = self._dequantized(bias, values, products.astype(np.float32), 0, np.zeros(steps.shape, np.int32))

    def finish(self) -> None:
        """Put the new nodes first, and forget what nothing reads any more."""
        nodes = [*self._new, *self._graph.node]
        read = Counter(name for node in nodes for name in node.input) + Counter(value.name for value in self._graph.output)
        kept = [node for node in nodes if any(read[name] for name in node.output)]
        del self._graph.node[:]
        self._graph.node.extend(kept)
        read = Counter(name for node in kept for name in node.input)
        for constant in [one for one in self._graph.initializer if not read[one.name] and one.name in self._tensors]:
            self._graph.initializer.remove(constant)

    def _scale(self, value: str) -> float | None:
        """The step of a value that is an integer of 8 bits; None where it is not."""
        back = self._made_by.get(value)
        if back is None or back.op_type != "DequantizeLinear" or back.input[1] not in self._constants:
            return None
        scale = onnx.numpy_helper.to_array(self._constants[back.input[1]])
        made = self._made_by.get(back.input[0])
        integer = scale.shape == () and made is not None and made.op_type == "QuantizeLinear"
        return float(scale) if integer and scale > 0 else None

    def _weight(self, node: onnx.NodeProto) -> tuple[str, int, bool] | None:
        """Name of a weight that integers can stand for, the axis of its outputs, and whether it is transposed before it is multiplied."""
        name, transposed = node.input[1], False
        before = self._made_by.get(name)
        if node.op_type == "MatMul" and before is not None and before.op_type == "Transpose" and turns(before):
            name, transposed = before.input[0], True
        form = self._tensors.get(name)
        if not isinstance(form, Grid) or not form.size or form.dtype != np.float32 or name not in self._constants:
            return None
        axis = 0 if node.op_type == "Conv" or (node.op_type == "Gemm" and _is_turned(node)) else 1
        if node.op_type == "MatMul" and len(form.shape) != 2:
            return None
        by_rows = axis == 0 or transposed or len(form.table) == 1
        assert form.integers is not None
        fits = int(np.abs(form.integers.astype(np.int64)).max()) <= levels(8) and bool((form.table > 0).all())
        return (name, axis, transposed) if fits and by_rows and form.shape[0] % len(form.table) == 0 else None

    def _steps(self, name: str, axis: int) -> np.ndarray:
        """The step of each output."""
        form = self._tensors[name]
        steps = np.repeat(form.table, form.shape[axis] // len(form.table))
        assert form.integers is not None
        alive = form.integers.any(tuple(other for other in range(len(form.shape)) if other != axis))
        return np.where(alive, steps, np.float32(DEAD))

    def _integers(self, name: str, steps: np.ndarray, axis: int, transposed: bool) -> str:
        """The weight as integers behind a DequantizeLinear, made once."""
        if (name, axis, transposed) not in self._weights:
            integers = np.asarray(self._tensors[name].integers).astype(np.int16)
            moved = self._unsigned and int(np.abs(integers).max()) > EXACT
            values = (integers + MIDDLE).astype(np.uint8) if moved else integers.astype(np.int8)
            zeros = np.full(steps.shape, MIDDLE if moved else 0, values.dtype)
            self._weights[name, axis, transposed] = self._dequantized(name, values.T if transposed else values, steps, axis, zeros)
        return self._weights[name, axis, transposed]

    def _dequantized(self, name: str, values: np.ndarray, steps: np.ndarray, axis: int, zeros: np.ndarray) -> str:
        parts = [
            self._constant(f"{name}.{part}", array) for part, array in (("integers", values), ("steps", steps), ("zero_points", zeros))
        ]
        out = self._free(f"{name}.dequantized")
        self._new.append(onnx.helper.make_node("DequantizeLinear", parts, [out], axis=axis))
        return out

    def _constant(self, name: str, array: np.ndarray) -> str:
        name = self._free(name)
        self._graph.initializer.append(onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def _free(self, name: str) -> str:
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name


def _is_turned(node: onnx.NodeProto) -> bool:
    """Whether a Gemm's weight has its outputs first."""
    said = attributes(node)
    return "transB" in said and bool(said["transB"].i)
