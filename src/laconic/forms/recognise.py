"""Give a plain array its Form by looking at it, bit for bit: nothing about how it was made is known or needed."""

import numpy as np

from laconic.forms.form import Codebook, Dense, Form, Grid, Masked, bits, narrow, nonzero_bits

SMALLEST = 8  # values; below this a table saves nothing
MOST_SHARED_VALUES = 4096  # above this a table costs more than it saves
MOST_MULTIPLES = 1 << 20  # steps; a float32 has no more than 24 bits of them
SAMPLE = 1 << 14  # enough to see that an array has too many different values for a table


def recognise(array: np.ndarray) -> Form:
    """A Form that gives `array` back bit for bit: the first of these that fits.

    At most 4096 different values, each standing twice on average → codebook; float32 multiples of the least magnitude → grid;
    at least an eighth zeros → masked; else dense, as is whatever is not floating or has fewer than 8 values.

    >>> recognise(np.float32([0, 0.5, 0.5, 0, 0.5, 0, 0, 0.5])).kind
    'codebook'
    """
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    floating = array.dtype.kind in "fV"  # V: bfloat16
    if not floating or array.size < SMALLEST:
        return Dense.of(array)
    return _codebook(array) or _grid(array) or _masked(array) or Dense.of(array)


def _codebook(array: np.ndarray) -> Codebook | None:
    patterns = bits(array)
    most = min(MOST_SHARED_VALUES, array.size // 2)
    if len(np.unique(patterns.reshape(-1)[:SAMPLE])) > most:
        return None
    distinct = np.unique(patterns)
    if len(distinct) > most:
        return None
    table = distinct.view(array.dtype)
    by_value = np.argsort(table.astype(np.float64), kind="stable")
    rank = np.empty(len(by_value), np.uint16)
    rank[by_value] = np.arange(len(by_value))
    return Codebook.of(rank[np.searchsorted(distinct, patterns)], table[by_value])


def _grid(array: np.ndarray) -> Grid | None:
    if array.dtype != np.float32 or not np.isfinite(array).all() or not array.any():
        return None
    magnitudes = np.abs(array)
    step = magnitudes[magnitudes > 0].min()
    if float(magnitudes.max()) > MOST_MULTIPLES * float(step):
        return None
    grid = Grid(array.shape, narrow(np.rint(array / step).astype(np.int32)), np.array([step], np.float32))
    return grid if np.array_equal(bits(grid.array()), bits(array)) else None


def _masked(array: np.ndarray) -> Masked | None:
    zeros = array.size - int(np.count_nonzero(nonzero_bits(array)))
    return Masked.of(array) if 8 * zeros >= array.size else None
