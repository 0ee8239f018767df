"""Give a plain array its Form by looking at it, bit for bit: nothing about how it was made is known or needed.

Arrays are looked at piece by piece, so that no more memory is taken than the Form itself needs.
"""

from collections.abc import Iterator

import numpy as np

from laconic.base.dtypes import MANTISSA, bits, is_floating
from laconic.forms.form import Codebook, Dense, Form, Grid, Masked, narrow
from laconic.forms.steps import common_steps

SMALLEST = 8  # values; below this a table saves nothing
MOST_SHARED_VALUES = 4096  # above this a table costs more than it saves
MOST_MULTIPLES = 1 << 20  # steps; a float32 has no more than 24 bits of them
FEW = 256  # a table of these is worth it for any type; a larger one if a place in it takes fewer bits than a float: mantissa + 2
SAMPLE = 1 << 14  # enough to see that an array has too many different values for a table
PIECE = 1 << 20
GROUPS = (128, 64, 32)  # neighbours that 4-bit quantisers give one step
CLOSE = 4  # times as many integers in the range as are used, at most
RUN, FULL = 16, 8  # values that share a step, and those of them that are not zero on average: of fewer, each would have a step of its own


def recognise(array: np.ndarray) -> Form:
    """A Form that gives `array` back bit for bit: the first of these that fits.

    Float32 multiples of a step, one for all, one a row, or one for each 32, 64 or 128 neighbours in a row → grid; at most 4096 different
    values (512 of bfloat16, 256 of 8 bits), each standing twice on average → codebook; at least an eighth zeros → masked; else
    dense, as is whatever is not floating or has fewer than 8 values.

    >>> recognise(np.float32([0, 0.5, 0.7, 0, 0.5, 0, 0, 0.7])).kind
    'codebook'
    """
    array = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="), copy=False)).reshape(array.shape)
    if not is_floating(array.dtype) or array.size < SMALLEST:
        return Dense.of(array)
    grid = _grid(array) or _stepped(array)
    if grid is not None and _is_close(grid):
        return grid
    return _codebook(array) or grid or _masked(array) or Dense.of(array)


def _is_close(grid: Grid) -> bool:
    """Whether the integers fill their range: of few that lie far apart, places in a table are shorter."""
    assert grid.integers is not None
    used = np.unique(grid.integers)
    return int(used[-1]) - int(used[0]) < CLOSE * len(used)


def _codebook(array: np.ndarray) -> Codebook | None:
    patterns = bits(array).reshape(-1)
    most = min(MOST_SHARED_VALUES, max(FEW, 4 << MANTISSA[array.dtype.name]), array.size // 2)
    distinct = np.unique(patterns[:SAMPLE])
    for piece in _pieces(patterns):
        if len(distinct) > most:
            return None
        distinct = np.union1d(distinct, piece[distinct[_places(distinct, piece)] != piece])
    if len(distinct) > most:
        return None
    places = np.concatenate([_places(distinct, piece).astype(np.uint16) for piece in _pieces(patterns)])
    return Codebook.of(places.reshape(array.shape), distinct.view(array.dtype))


def _places(ascending: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Where each value stands in a table, if it does."""
    return np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)


def _grid(array: np.ndarray) -> Grid | None:
    if array.dtype != np.float32:
        return None
    step, greatest = np.float32(np.inf), np.float32(0)
    for piece in _pieces(array.reshape(-1)):
        magnitudes = np.abs(piece)
        greatest = np.maximum(greatest, magnitudes.max())
        step = min(step, np.where(magnitudes > 0, magnitudes, np.inf).min())
    if not 0 < float(greatest) <= MOST_MULTIPLES * float(step) < np.inf:
        return None
    steps, multiples = np.array([step], np.float32), []
    for piece in _pieces(array.reshape(-1)):
        multiples.append(narrow(np.rint(piece / step).astype(np.int32)))
        if not np.array_equal(bits(Grid(piece.shape, multiples[-1], steps).array()), bits(piece)):
            return None
    return Grid(array.shape, narrow(np.concatenate(multiples)).reshape(array.shape), steps)


def _stepped(array: np.ndarray) -> Grid | None:
    """A grid of many steps: those of a quantiser that gave one to each row, or to each group of neighbours in a row."""
    if array.dtype != np.float32 or array.ndim < 2 or np.count_nonzero(array) < RUN:
        return None
    row = array.size // len(array)
    for run in (row, *(size for size in GROUPS if row % size == 0 and size < row)):
        runs = array.reshape(-1, run)
        if run >= RUN and np.count_nonzero(runs) >= FULL * len(runs) and (found := common_steps(runs)) is not None:
            integers, steps = found
            return Grid(array.shape, narrow(integers).reshape(array.shape), steps)
    return None


def _masked(array: np.ndarray) -> Masked | None:
    zeros = array.size - np.count_nonzero(bits(array))
    return Masked.of(array) if 8 * zeros >= array.size else None


def _pieces(flat: np.ndarray) -> Iterator[np.ndarray]:
    return (flat[start : start + PIECE] for start in range(0, len(flat), PIECE))
