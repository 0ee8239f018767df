"""Arithmetic on shapes: the small integers that a graph computes before a Reshape, a Slice or an Expand, in numpy.

An array here holds a few numbers, or, while torch traces a model, numbers and the symbol of a batch that is not known yet (then its
type is object, and + × and the rest are the symbol's own). What is larger than a shape is nobody's business here: `compute` says None.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx

from laconic.graph.reading.slots import FEW

Array = np.ndarray
Rule = Callable[..., Any]


def compute(operator: str, given: Sequence[Array | None], attributes: Mapping[str, Any]) -> list[Array] | None:
    """The outputs of one node of shape arithmetic; None where it is none, or its result is longer than a shape.

    Args:
        operator: of the standard domain, opset 13 or later.
        given: its inputs; None where one is left out.
        attributes: of the node, as plain values.

    Raises:
        ValueError, IndexError, TypeError, OverflowError, ZeroDivisionError: inputs that do not fit the operator.

    >>> compute("Concat", [np.array([2]), np.array([3, 4])], {"axis": 0})
    [array([2, 3, 4])]
    """
    if operator not in RULES or any(array is not None and array.size > FEW for array in given):
        return None
    with np.errstate(all="ignore"):
        found = RULES[operator](*given, **attributes)
    results = [np.asarray(result) for result in (found if isinstance(found, list) else [found])]
    return None if found is None or any(result.size > FEW for result in results) else results


def _divide(a: Array, b: Array) -> Array:
    """Integers are divided towards zero, as in C."""
    if a.dtype.kind == "f":
        return a / b
    if not b.all():
        raise ZeroDivisionError("a shape is divided by zero")
    whole = a // b
    return whole if a.dtype == object else whole + ((whole < 0) & (whole * b != a))


def _modulo(a: Array, b: Array, *, fmod: int = 0) -> Array:
    if not np.all(b):
        raise ZeroDivisionError("a shape is divided by zero")
    return np.fmod(a, b) if fmod else np.mod(a, b)


def _cast(x: Array, *, to: int, saturate: int = 1) -> Array | None:
    dtype = onnx.helper.tensor_dtype_to_np_dtype(to)
    if x.dtype == object:
        return x if dtype.kind == "i" else None
    return x.astype(dtype) if dtype.kind in "biuf" else None


def _filled(shape: Array, *, value: Array | None = None) -> Array | None:
    sides = [int(side) for side in shape] if shape.dtype != object else []
    if shape.dtype == object or math.prod(sides) > FEW:
        return None
    return np.full(sides, np.float32(0) if value is None else value.reshape(()))


def _gather(x: Array, indices: Array, *, axis: int = 0) -> Array:
    return np.take(x, indices.astype(np.int64), axis)


def _slice(x: Array, starts: Array, ends: Array, axes: Array | None = None, steps: Array | None = None) -> Array:
    for place, (start, end) in enumerate(zip(starts, ends, strict=True)):
        step = 1 if steps is None else int(steps[place])
        axis = place if axes is None else int(axes[place])
        cut = [slice(None)] * x.ndim
        cut[axis] = slice(int(start), int(end), step)
        x = np.take(x, backwards(int(start), int(end), step, x.shape[axis]), axis) if step < 0 else x[tuple(cut)]
    return x


def backwards(start: int, end: int, step: int, length: int) -> list[int]:
    """The indices of a slice with a negative step; bounds that are beyond an end are brought to it, which Python does not do.

    >>> backwards(100, -100, -2, 4), backwards(-9, -9, -1, 4)
    ([3, 1], [0])
    """
    first, last = (bound + length if bound < 0 else bound for bound in (start, end))
    return list(range(min(max(first, 0), length - 1), min(max(last, -1), length - 1), step))


def _squeeze(x: Array, axes: Array | None = None) -> Array:
    return np.squeeze(x, None if axes is None else tuple(map(int, axes)))


def _unsqueeze(x: Array, axes: Array) -> Array:
    return np.expand_dims(x, tuple(map(int, axes)))


def _reshape(x: Array, shape: Array, *, allowzero: int = 0) -> Array:
    return x.reshape([x.shape[place] if side == 0 and not allowzero else int(side) for place, side in enumerate(shape)])


def _expand(x: Array, shape: Array) -> Array | None:
    if shape.dtype == object or math.prod(map(int, shape)) > FEW:
        return None
    return np.broadcast_to(x, np.broadcast_shapes(x.shape, tuple(map(int, shape))))


def _tile(x: Array, repeats: Array) -> Array | None:
    return None if math.prod(map(int, repeats)) > FEW else np.tile(x, [int(times) for times in repeats])


def _range(start: Array, limit: Array, delta: Array) -> Array | None:
    if object in (start.dtype, limit.dtype, delta.dtype) or abs(limit - start) > FEW * abs(delta):
        return None
    return np.arange(start.item(), limit.item(), delta.item(), dtype=start.dtype)


def _reduce(operation: Callable[..., Array]) -> Rule:
    def rule(x: Array, axes: Array | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Array:
        chosen = None if axes is None else tuple(np.atleast_1d(axes).astype(int).tolist())
        return x if not chosen and noop_with_empty_axes else operation(x, axis=chosen or None, keepdims=bool(keepdims))

    return rule


def _split(x: Array, sizes: Array | None = None, *, axis: int = 0, num_outputs: int = 1) -> list[Array]:
    """Equal parts, the last one smaller, unless sizes are said."""
    length = x.shape[axis]
    part = -(-length // num_outputs)
    cuts = np.arange(part, length, part) if sizes is None else np.cumsum(sizes.astype(int))[:-1]
    return np.split(x, cuts, axis)


def _fold(operation: Callable[[Array, Array], Array]) -> Rule:
    def rule(*arrays: Array) -> Array:
        found = arrays[0]
        for array in arrays[1:]:
            found = operation(found, array)
        return found

    return rule


RULES: Mapping[str, Rule] = {
    "Abs": np.abs,
    "Add": np.add,
    "And": np.logical_and,
    "Cast": _cast,
    "Ceil": np.ceil,
    "Concat": lambda *arrays, axis: np.concatenate(arrays, axis),
    "ConstantOfShape": _filled,
    "Div": _divide,
    "Equal": np.equal,
    "Expand": _expand,
    "Floor": np.floor,
    "Gather": _gather,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "Identity": lambda x: x,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "Max": _fold(np.maximum),
    "Min": _fold(np.minimum),
    "Mod": _modulo,
    "Mul": np.multiply,
    "Neg": np.negative,
    "Not": np.logical_not,
    "Or": np.logical_or,
    "Range": _range,
    "ReduceMax": _reduce(np.max),
    "ReduceMin": _reduce(np.min),
    "ReduceProd": _reduce(np.prod),
    "ReduceSum": _reduce(np.sum),
    "Reshape": _reshape,
    "Slice": _slice,
    "Split": _split,
    "Sqrt": np.sqrt,
    "Squeeze": _squeeze,
    "Sub": np.subtract,
    "Tile": _tile,
    "Transpose": lambda x, *, perm=None: np.transpose(x, perm),
    "Unsqueeze": _unsqueeze,
    "Where": lambda condition, a, b: np.where(condition.astype(bool), a, b),
}
"""Operator → rule. The keyword arguments of a rule are the attributes that it knows."""
