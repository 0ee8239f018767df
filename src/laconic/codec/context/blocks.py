"""Tensors as blocks of (rows, columns, taps): the shape in which neighbours mean the same everywhere."""

import math

import numpy as np

from laconic.base.errors import UsageError

WIDEST_ROW = 1 << 16
"""Values of a row, at most: groups are cut between rows."""

FOLDED_ROW = 1 << 12
"""Values of a row, where those of the tensor would be wider."""

Block = tuple[int, int, int]
"""Rows, columns, taps."""


def block_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """First axis, second axis, all the others; a vector is one row.

    >>> block_shape((64, 16, 3, 3)), block_shape((10, 64)), block_shape((64,)), block_shape(())
    ((64, 16, 9), (10, 64, 1), (1, 64, 1), (1, 1, 1))
    """
    rows, columns, *taps = shape if len(shape) > 1 else (1, *(shape or (1,)))
    return rows, columns, math.prod(taps)


def blocks_of(shape: tuple[int, ...]) -> tuple[Block, ...]:
    """The blocks of a tensor that has values: one; or its values in rows of `FOLDED_ROW`, and the rest in a last row.

    >>> blocks_of((64, 16, 3, 3)), blocks_of((2, 70_000))
    (((64, 16, 9),), ((34, 4096, 1), (1, 736, 1)))
    """
    rows, columns, taps = block_shape(shape)
    if columns * taps <= WIDEST_ROW:
        return ((rows, columns, taps),)
    whole, rest = divmod(rows * columns * taps, FOLDED_ROW)
    return ((whole, FOLDED_ROW, 1), *([(1, rest, 1)] if rest else []))


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
