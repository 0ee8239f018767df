"""Pools: the small arrays of one type, steps, codebooks and biases, one behind the other in one stream."""

from collections.abc import Sequence

import numpy as np

from laconic.base.dtypes import NIBBLES
from laconic.base.errors import CodecError
from laconic.codec import decode_array, encode_array


def encode_pool(arrays: Sequence[np.ndarray]) -> bytes:
    """The stream of arrays `(n,)` of one type."""
    whole = np.concatenate(arrays)
    return encode_array(whole.astype(stored_as(whole.dtype), copy=False))


def decode_pool(stream: memoryview, dtype: np.dtype, count: int) -> np.ndarray:
    """The inverse: `(count,)` of `dtype`.

    Raises:
        CodecError: the stream is not one of so many values of this type.
    """
    values = decode_array(stream, stored_as(dtype), count)
    if dtype.name in NIBBLES:
        check_between(values, *bounds(dtype))
    return values.astype(dtype, copy=False)


def stored_as(dtype: np.dtype) -> np.dtype:
    """The type that stands in a file for this one: 4-bit integers take a byte."""
    return {"int4": np.dtype(np.int8), "uint4": np.dtype(np.uint8)}.get(dtype.name, dtype)


def bounds(dtype: np.dtype) -> tuple[int, int]:
    """The least and the greatest value of a type of integers or booleans.

    >>> bounds(np.dtype(bool)), bounds(np.dtype(np.int8))
    ((0, 1), (-128, 127))
    """
    if dtype == np.bool_:
        return 0, 1
    return NIBBLES.get(dtype.name) or (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))


def check_between(integers: np.ndarray, low: int, high: int) -> None:
    """Refuse integers `(n,)`, n > 0, that reach beyond.

    Raises:
        CodecError: one does.
    """
    if integers.min() < low or integers.max() > high:
        raise CodecError(f"a value outside {low} … {high}")
