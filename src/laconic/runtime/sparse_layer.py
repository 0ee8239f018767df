"""Layers that have enough zeros to be multiplied by sparse rows, and whether that is faster here.

A weight comes as floats, or as integers behind a DequantizeLinear (integers.py). Either way the rows keep 8-bit integers where the values
are that; the layer's input stays as the graph made it, rounded or not.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from laconic.base.latency import clock
from laconic.forms.rows import levels
from laconic.runtime.linear import Linear, linear_layers
from laconic.runtime.nodes import attributes
from laconic.runtime.sparse import Rows
from laconic.runtime.whole import Whole

LEAST, ZEROS = 1 << 14, 0.6  # weights of a layer, and their share of zeros, from which it is worth a try
VECTORS = 64  # in a race, unless one sample has more of them: with more, each takes either kernel as long
TURNS, FEWER = 7, 3  # of a race of one sample, and of more, which take longer


@dataclass(frozen=True, eq=False)
class Layer:
    """A linear layer or 1 × 1 convolution by sparse rows.

    Args:
        linear: that it stands for.
        rows: its weight.
        bias: float32 `(rows,)`.
    """

    linear: Linear
    rows: Rows
    bias: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Outputs for inputs `(…, columns)`; of a convolution, `(n, columns, …)`."""
        if self.linear.axis == -1:
            out = self.rows.times_vectors(x.reshape(-1, x.shape[-1])) + self.bias
            return out.reshape(*x.shape[:-1], len(self.bias))
        places = math.prod(x.shape[2:])
        out = np.empty((len(x), len(self.bias), places), np.float32)
        for sample, product in zip(np.ascontiguousarray(x).reshape(*x.shape[:2], places), out, strict=True):
            np.add(self.rows.times_matrix(sample), self.bias[:, None], product)
        return out.reshape(len(x), len(self.bias), *x.shape[2:])


def sparse_layers(model: onnx.ModelProto, whole: Whole) -> list[Layer]:
    """The layers of a model that may be sparse ones."""
    points = [Linear((node,), node.input[1], next(iter(node.input[2:]), ""), axis=1) for node in whole.nodes if _is_plain_convolution(node)]
    found = [_sparse_layer(linear, whole) for linear in (*linear_layers(model.graph), *points)]
    return [layer for layer in found if layer is not None]


def enough(sides: Sequence[int], axis: int, batch: int) -> int:
    """How many samples tell which kernel is faster for a batch: as many to the next power of two, but a limited number of vectors.

    Args:
        sides: of one sample of what a layer takes.
        axis: of the layer.
        batch: samples in a call.

    >>> enough((128,), -1, 5), enough((128,), -1, 1000), enough((128, 14, 14), 1, 32)
    (8, 64, 1)
    """
    vectors = math.prod(sides[1:] if axis == 1 else sides[:-1])
    return min(to_power_of_two(batch), max(1, VECTORS // max(1, vectors)))


def to_power_of_two(batch: int) -> int:
    """The next one, from 1 on."""
    return 1 << (max(batch, 1) - 1).bit_length()


def is_faster(layer: Layer, whole: Whole, samples: int) -> bool:
    """Whether so many samples go through faster than in ONNX Runtime, in turns.

    Rounding in front of the layer and behind it is on both sides: only with it does the engine multiply integers.
    """
    entering, leaving = layer.linear.given, layer.linear.made
    before, behind = whole.rounding(entering), whole.rounding_behind(leaving)
    given, made = before[0].input[0] if before else entering, behind[-1].output[0] if behind else leaving
    sides = whole.sides(given)
    if not sides:
        return False
    sample = np.random.default_rng(0).standard_normal((samples, *sides)).astype(np.float32)
    dense = whole.engine([*before, *layer.linear.nodes, *behind], [given], [made])
    first = whole.engine(before, [given], [entering]) if before else list
    last = whole.engine(behind, [leaving], [made]) if behind else list
    runs: dict[str, Callable[[], object]] = {"sparse": lambda: last([layer(first([sample])[0])]), "dense": lambda: dense([sample])}
    times = clock(runs, TURNS if samples == 1 else FEWER, warm_up=1)
    return statistics.median(times["sparse"]) < statistics.median(times["dense"])


def _sparse_layer(linear: Linear, whole: Whole) -> Layer | None:
    """By sparse rows, where the weight has many zeros."""
    rows = _rows(linear, whole)
    if rows is None:
        return None
    outputs = len(rows.steps)
    bias = _floats(linear.bias, whole) if linear.bias else np.zeros(1, np.float32)
    if bias is None or bias.size not in (1, outputs) or bias.shape[-1:] not in ((), (bias.size,)):
        return None
    return Layer(linear, rows, np.broadcast_to(bias.reshape(-1), outputs).copy())


def _rows(linear: Linear, whole: Whole) -> Rows | None:
    """A constant weight that has many zeros; None where it is another."""
    found = whole.integers(linear.weight, axis=1 if linear.turned else 0)
    weight, steps = found if found is not None else (whole.constant(linear.weight), None)
    if weight is None or not (found is not None or weight.dtype == np.float32) or not _is_matrix(weight, linear):
        return None
    matrix = weight.T if linear.turned else weight.reshape(len(weight), -1)
    if matrix.size < LEAST or np.count_nonzero(matrix) > (1 - ZEROS) * matrix.size:
        return None
    if steps is None:
        return Rows.of(matrix).in_integers()
    return Rows.of(matrix.astype(np.int8), steps) if np.abs(matrix).max() <= levels(8) else None


def _is_matrix(weight: np.ndarray, linear: Linear) -> bool:
    """Whether a weight is one, or as good as one: filters of 1 × 1."""
    return weight.ndim == 2 or (linear.axis == 1 and weight.ndim > 2 and set(weight.shape[2:]) == {1})


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
