"""Arrays of any fixed-width dtype ⇄ bytes, bit for bit: NaN payloads, signed zeros and all.

The bytes of the elements, little-endian, are gathered into planes: all the lowest bytes, then all the next … In floats the top
plane (sign and exponent) compresses well and the lowest not at all, so each plane is coded by itself, as integers 0 … 255; one
that does not compress costs its own length and two bytes.

Stream: the planes from the lowest to the highest byte; before each but the last, its length as a varint.
"""

import numpy as np

from laconic.base.errors import CodecError, UsageError
from laconic.codec.integers import decode, encode
from laconic.codec.varint import read_varint, write_varint


def encode_array(array: np.ndarray) -> bytes:
    """The stream of `array`, of any shape (taken in C order) and any dtype of fixed width.

    Raises:
        UsageError: the dtype holds Python objects or several fields.

    >>> len(encode_array(np.ones(10**6, np.float32)))
    14
    """
    _check(array.dtype)
    flat = np.ascontiguousarray(array).reshape(-1)
    little = flat.astype(array.dtype.newbyteorder("<"), copy=False).view(np.uint8).reshape(len(flat), array.dtype.itemsize)
    return write_planes(little)


def decode_array(stream: bytes | memoryview, dtype: np.dtype, count: int) -> np.ndarray:
    """The `count` elements of a stream, `(count,)` of `dtype`.

    Raises:
        CodecError: the stream is not one that `encode_array` writes for so many elements of this dtype.
        UsageError: as `encode_array`.
    """
    _check(dtype)
    little = read_planes(stream, dtype.itemsize, count, dtype.itemsize).reshape(-1)
    if dtype.kind == "b" and count and little.max() > 1:
        raise CodecError("a value outside 0 … 1 in a plane of booleans")
    return little.view(dtype.newbyteorder("<"))


def write_planes(little: np.ndarray) -> bytes:
    """The stream of the columns of uint8 `(n, planes)`, which are coded one by one."""
    *lower, top = (encode(plane) for plane in little.T)
    return b"".join(write_varint(len(plane)) + plane for plane in lower) + top


def read_planes(stream: bytes | memoryview, planes: int, count: int, width: int) -> np.ndarray:
    """The inverse of `write_planes`, with zeros in the columns from `planes` on: uint8 `(count, width)`.

    Raises:
        CodecError: the stream is not one of so many planes and bytes.
    """
    stream, little = memoryview(stream), np.empty((0, width), np.uint8)
    for place in range(planes):
        size, at = read_varint(stream, 0) if place < planes - 1 else (len(stream), 0)
        plane = decode(stream[at : at + size], count, np.uint8)
        if width == 1:
            return plane.reshape(count, 1)
        little = np.zeros((count, width), np.uint8) if place == 0 else little  # not before a plane was found sound
        little[:, place] = plane
        stream = stream[at + size :]
    return little


def _check(dtype: np.dtype) -> None:
    if dtype.hasobject or dtype.names is not None or dtype.itemsize == 0:
        raise UsageError(f"{dtype} is not a dtype of fixed width", hint="numbers and booleans are")
