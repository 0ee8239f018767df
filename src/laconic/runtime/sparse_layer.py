"""Layers that have enough zeros to be multiplied by sparse rows, and whether that is faster here.

A weight comes as floats, or as integers behind a DequantizeLinear (integers.py). Either way the rows keep 8-bit integers where the values
are that; the layer's input stays as the graph made it, rounded or not.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx

from laconic.forms.rows import levels
from laconic.runtime.nodes import attributes, is_linear
from laconic.runtime.sparse import Rows
from laconic.runtime.whole import Whole

LEAST, ZEROS = 1 << 14, 0.6  # weights of a layer, and their share of zeros, from which it is worth a try
TURNS = 7


@dataclass(frozen=True, eq=False)
class Layer:
    """A linear layer or 1 × 1 convolution by sparse rows.

    Args:
        node: that it stands for.
        rows: its weight.
        bias: float32 `(rows,)`.
    """

    node: onnx.NodeProto
    rows: Rows
    bias: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Outputs for inputs `(n, columns)` or `(n, columns, …)`."""
        if x.ndim == 2:
            return self.rows.times_vectors(x) + self.bias
        flat = np.ascontiguousarray(x).reshape(len(x), x.shape[1], -1)
        out = np.stack([self.rows.times_matrix(sample) for sample in flat]) + self.bias[:, None]
        return out.reshape(len(x), -1, *x.shape[2:])


def sparse_layer(node: onnx.NodeProto, whole: Whole) -> Layer | None:
    """The sparse layer that a node may be."""
    if len(node.input) < 2 or not (is_linear(node) or _is_plain_convolution(node)):
        return None
    rows = _rows(node.input[1], whole)
    if rows is None:
        return None
    outputs = len(rows.steps)
    bias = _floats(node.input[2], whole) if len(node.input) > 2 and node.input[2] else np.zeros(1, np.float32)
    if bias is None or bias.size not in (1, outputs) or bias.shape[-1:] not in ((), (bias.size,)):
        return None
    return Layer(node, rows, np.broadcast_to(bias.reshape(-1), outputs).copy())


def is_faster(layer: Layer, whole: Whole) -> bool:
    """Whether one sample goes through faster than in ONNX Runtime, in turns.

    Rounding in front of the layer and behind it is on both sides: only with it does the engine multiply integers.
    """
    entering, leaving = layer.node.input[0], layer.node.output[0]
    before, behind = whole.rounding(entering), whole.rounding_behind(leaving)
    given, made = before[0].input[0] if before else entering, behind[-1].output[0] if behind else leaving
    value = whole.values.get(given)
    sides = [side.dim_value for side in value.type.tensor_type.shape.dim[1:]] if value is not None else []
    if not sides or not all(sides):
        return False
    sample = np.random.default_rng(0).standard_normal((1, *sides)).astype(np.float32)
    dense = whole.engine([*before, layer.node, *behind], [given], [made])
    first = whole.engine(before, [given], [entering]) if before else list
    last = whole.engine(behind, [leaving], [made]) if behind else list
    runs: tuple[Callable[[], object], ...] = (lambda: last([layer(first([sample])[0])]), lambda: dense([sample]))
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(TURNS + 1):
        for spent, run in zip(times, runs, strict=True):
            begin = time.perf_counter()
            run()
            if turn:  # the first warms up
                spent.append(time.perf_counter() - begin)
    return statistics.median(times[0]) < statistics.median(times[1])


def _rows(name: str, whole: Whole) -> Rows | None:
    """A constant weight that has many zeros; None where it is another."""
    found = whole.integers(name)
    weight, steps = found if found is not None else (whole.constant(name), None)
    if weight is None or not (found is not None or weight.dtype == np.float32) or set(weight.shape[2:]) - {1}:
        return None
    matrix = weight.reshape(len(weight), -1)
    if matrix.size < LEAST or np.count_nonzero(matrix) > (1 - ZEROS) * matrix.size:
        return None
    if steps is None:
        return Rows.of(matrix).in_integers()
    return Rows.of(matrix.astype(np.int8), steps) if np.abs(matrix).max() <= levels(8) else None


def _floats(name: str, whole: Whole) -> np.ndarray | None:
    """A constant, of floats or of integers with a step each; None where it is none."""
    found = whole.integers(name)
    return whole.constant(name) if found is None else (found[0] * found[1]).astype(np.float32)


def _is_plain_convolution(node: onnx.NodeProto) -> bool:
    """Whether a convolution, if its filters are 1 × 1, is a linear layer at each place."""
    said = attributes(node)
    alone = all(set(said[name].ints) <= {one} for name, one in (("strides", 1), ("pads", 0)) if name in said)
    group = said["group"].i if "group" in said else 1
    auto = said["auto_pad"].s if "auto_pad" in said else b"NOTSET"
    return node.op_type == "Conv" and alone and group == 1 and auto == b"NOTSET"
