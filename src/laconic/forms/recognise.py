"""Give a plain array its Form by looking at it, bit for bit: nothing about how it was made is known or needed."""

import numpy as np

from laconic.forms.form import Codebook, Dense, Form, Grid, Masked, bits, nonzero_bits

MOST_SHARED_VALUES = 4096  # above this a table costs more than it saves
SAMPLE = 1 << 14  # enough to see that an array has too many different values for a table


def recognise(array: np.ndarray) -> Form:
    """The cheapest Form that gives `array` back bit for bit.

    Few different values → codebook; exact multiples of a step → grid; at least an eighth zeros → masked; else dense.

    >>> recognise(np.float32([0, 0.5, 0.5, 0, 0.5, 0, 0, 0.5])).kind
    'codebook'
    """
    floating = array.dtype.kind in "fV"  # V: bfloat16
    if not floating or array.size < 8:
        return Dense.of(array)
    return _codebook(array) or _grid(array) or _masked(array) or Dense.of(array)


def _codebook(array: np.ndarray) -> Codebook | None:
    patterns = bits(array).reshape(-1)
    most = min(MOST_SHARED_VALUES, array.size // 2)
    if len(np.unique(patterns[:SAMPLE])) > most:
        return None
    distinct, places = np.unique(patterns, return_inverse=True)
    if len(distinct) > most:
        return None
    table = distinct.view(array.dtype)
    order = np.argsort(table.astype(np.float64), kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return Codebook(array.shape, rank[places].reshape(array.shape), table[order])


def _grid(array: np.ndarray) -> Grid | None:
    if array.dtype != np.float32 or not np.isfinite(array).all() or not array.any():
        return None
    step = np.abs(array[array != 0]).min()
    multiples = np.rint(array / step)
    if np.abs(multiples).max() > 1 << 20:
        return None
    grid = Grid(array.shape, multiples.astype(np.int64), np.array([step], np.float32))
    return grid if np.array_equal(bits(grid.array()), bits(array)) else None


def _masked(array: np.ndarray) -> Masked | None:
    zeros = array.size - int(np.count_nonzero(nonzero_bits(array)))
    return Masked.of(array) if zeros >= array.size // 8 else None
