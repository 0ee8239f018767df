"""The table of layouts. A layout takes integers apart into arrays that code well, each by whatever coder is best for it.

plain        the values as they are
sparse       the values that are not zero; beside them the gaps, the numbers of zeros before each
dictionary   the place of each value in a table; beside them the table: the distinct values in order, as differences
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from laconic.base.errors import CodecError
from laconic.codec.chunks import gather, pieces
from laconic.codec.limits import MAX_ALPHABET_BITS
from laconic.codec.window import reach

Parts = tuple[np.ndarray, np.ndarray]
_NOTHING = np.empty(0, np.int64)
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Layout:
    """One way to take integers apart.

    Args:
        name: as reports print it.
        split: int64 `(n,)` → main array and side array, int64; `None` where the layout does not apply.
        join: the inverse; takes n and the type of the values as well, and raises CodecError for arrays that `split` does not make.
        expect: n, the type of the values and the length of the side array → length and type of the main array, type of the side
            array; raises CodecError for a side array that is too long.
    """

    name: str
    split: Callable[[np.ndarray], Parts | None]
    join: Callable[[np.ndarray, np.ndarray, int, DTypeLike], np.ndarray]
    expect: Callable[[int, DTypeLike, int], tuple[int, DTypeLike, DTypeLike]]


def distinct(values: np.ndarray, most: int) -> np.ndarray | None:
    """The distinct values in ascending order, or `None` if there are more than `most`.

    >>> distinct(np.array([7, -3, 7]), most=2), distinct(np.array([1, 2, 3]), most=2)
    (array([-3,  7]), None)
    """
    table = _NOTHING
    for start in range(0, len(values), _CHUNK):
        table = np.union1d(table, values[start : start + _CHUNK])
        if len(table) > most:
            return None
    return table


def _split_plain(values: np.ndarray) -> Parts:
    return values, _NOTHING


def _join_plain(main: np.ndarray, _side: np.ndarray, _count: int, _dtype: DTypeLike) -> np.ndarray:
    return main


def _expect_plain(count: int, dtype: DTypeLike, _side_count: int) -> tuple[int, DTypeLike, DTypeLike]:
    return count, dtype, np.int64


def _split_sparse(values: np.ndarray) -> Parts | None:
    places = np.flatnonzero(values)
    if len(places) in (0, len(values)):
        return None
    return values[places], np.diff(places, prepend=-1) - 1


def _join_sparse(main: np.ndarray, side: np.ndarray, count: int, dtype: DTypeLike) -> np.ndarray:
    if side.min() < 0 or side.max() >= count:
        raise CodecError("a gap between values is negative or longer than the array")
    values, end = np.zeros(count, dtype), 0
    for piece in pieces(len(side)):
        places = np.cumsum(side[piece].astype(np.int64) + 1) + (end - 1)
        if places[-1] >= count:
            raise CodecError(f"a value lies behind the end of {count} values")
        values[places] = main[piece]
        end = int(places[-1]) + 1
    return values


def _expect_sparse(count: int, dtype: DTypeLike, side_count: int) -> tuple[int, DTypeLike, DTypeLike]:
    return side_count, dtype, np.uint32 if count >> 32 == 0 else np.int64


def _split_dictionary(values: np.ndarray) -> Parts | None:
    table = distinct(values, most=2**MAX_ALPHABET_BITS)
    if table is None or len(table) > reach(table):  # no gaps between them: the values are places already
        return None
    return np.searchsorted(table, values), np.diff(table, prepend=0)  # differences modulo 2⁶⁴


def _join_dictionary(main: np.ndarray, side: np.ndarray, count: int, dtype: DTypeLike) -> np.ndarray:
    if main.min() < 0 or main.max() >= len(side):
        raise CodecError(f"a place behind the end of a dictionary of {len(side)} values")
    table = np.cumsum(side)
    return gather((table[main[piece]] for piece in pieces(count)), count, dtype)


def _expect_dictionary(count: int, _dtype: DTypeLike, side_count: int) -> tuple[int, DTypeLike, DTypeLike]:
    if side_count > 2**MAX_ALPHABET_BITS:
        raise CodecError(f"a dictionary of {side_count} values, where it may have {2**MAX_ALPHABET_BITS}")
    return count, np.min_scalar_type(side_count - 1), np.int64


LAYOUTS = (
    Layout("plain", _split_plain, _join_plain, _expect_plain),
    Layout("sparse", _split_sparse, _join_sparse, _expect_sparse),
    Layout("dictionary", _split_dictionary, _join_dictionary, _expect_dictionary),
)
"""The number of a layout in a stream is its place here: add at the end, never reorder."""

PLAIN = 0
"""The one layout without a side array."""


def layout_at(number: int) -> Layout:
    """The layout of this number.

    Raises:
        CodecError: there is none.
    """
    if number >= len(LAYOUTS):
        raise CodecError(f"no layout has the number {number}", hint="the file may come from a newer laconic")
    return LAYOUTS[number]
