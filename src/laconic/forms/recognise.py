"""Give a plain array its Form by looking at it, bit for bit: nothing about how it was made is known or needed.

Arrays are looked at piece by piece, so that no more memory is taken than the Form itself needs.
"""

from collections.abc import Iterator

import numpy as np

from laconic.base.dtypes import MANTISSA, bits, is_floating
from laconic.forms.form import Codebook, Dense, Form, Grid, Masked, narrow

SMALLEST = 8  # values; below this a table saves nothing
MOST_SHARED_VALUES = 4096  # above this a table costs more than it saves
MOST_MULTIPLES = 1 << 20  # steps; a float32 has no more than 24 bits of them
FEW = 256  # a table of these is worth it for any type; a larger one if a place in it takes fewer bits than a float: mantissa + 2
SAMPLE = 1 << 14  # enough to see that an array has too many different values for a table
PIECE = 1 << 20


def recognise(array: np.ndarray) -> Form:
    """A Form that gives `array` back bit for bit: the first of these that fits.

    At most 4096 different values (512 of bfloat16, 256 of 8 bits), each standing twice on average → codebook; float32 multiples of
    the least magnitude → grid; at least an eighth zeros → masked; else dense, as is whatever is not floating or has fewer than 8 values.

    >>> recognise(np.float32([0, 0.5, 0.5, 0, 0.5, 0, 0, 0.5])).kind
    'codebook'
    """
    array = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="), copy=False)).reshape(array.shape)
    if not is_floating(array.dtype) or array.size < SMALLEST:
        return Dense.of(array)
    return _codebook(array) or _grid(array) or _masked(array) or Dense.of(array)


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


def _masked(array: np.ndarray) -> Masked | None:
    zeros = array.size - np.count_nonzero(bits(array))
    return Masked.of(array) if 8 * zeros >= array.size else None


def _pieces(flat: np.ndarray) -> Iterator[np.ndarray]:
    return (flat[start : start + PIECE] for start in range(0, len(flat), PIECE))
