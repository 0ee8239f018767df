"""Tensors as blocks of (rows, columns, taps): the shape in which neighbours mean the same everywhere."""

import math

import numpy as np

from laconic.base.errors import UsageError


def block_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """First axis, second axis, all the others; a vector is one row.

    >>> block_shape((64, 16, 3, 3)), block_shape((10, 64)), block_shape((64,)), block_shape(())
    ((64, 16, 9), (10, 64, 1), (1, 64, 1), (1, 1, 1))
    """
    rows, columns, *taps = shape if len(shape) > 1 else (1, *(shape or (1,)))
    return rows, columns, math.prod(taps)


def as_block(tensor: np.ndarray) -> np.ndarray:
    """An integer tensor as int64 `(rows, columns, taps)`.

    Raises:
        UsageError: the dtype is no integer, or a value lies beyond int64.
    """
    if tensor.dtype.kind not in "iub":
        raise UsageError(f"integers are expected, not {tensor.dtype}")
    if tensor.dtype.kind == "u" and tensor.size and int(tensor.max()) >> 63:
        raise UsageError(f"{int(tensor.max())} lies beyond int64")
    whole = np.require(tensor, np.int64, ["C", "A", "W"])  # W: to numba, read-only is another type to compile for
    return whole.reshape(block_shape(tensor.shape))
