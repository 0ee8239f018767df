"""Decoding piece by piece: kernels work in int64, what they make is kept in the narrow type that the caller has room for.

A weight of 8 bits would otherwise take eight times its size while it is decoded, and a hostile file could ask for as much.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import DTypeLike

from laconic.base.errors import CodecError

CHUNK = 1 << 16


def pieces(count: int) -> Iterator[slice]:
    """The places from 0 to `count`, `CHUNK` at a time.

    >>> list(pieces(70_000))
    [slice(0, 65536, None), slice(65536, 70000, None)]
    """
    return (slice(first, min(first + CHUNK, count)) for first in range(0, count, CHUNK))


def gather(chunks: Iterable[np.ndarray], count: int, dtype: DTypeLike) -> np.ndarray:
    """The int64 chunks, of `count` values together, one after the other: `(count,)` of `dtype`, an integer type.

    Raises:
        CodecError: a value that `dtype` does not hold; or whatever the chunks raise.

    >>> gather([np.array([7]), np.array([-1, 3])], 3, np.int8)
    array([ 7, -1,  3], dtype=int8)
    """
    values, end, bounds = np.empty(count, dtype), 0, np.iinfo(dtype)
    for chunk in chunks:
        if chunk.min() < bounds.min or chunk.max() > bounds.max:
            raise CodecError(f"a value outside {bounds.min} … {bounds.max}")
        values[end : end + len(chunk)] = chunk
        end += len(chunk)
    return values
