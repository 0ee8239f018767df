"""Integers ⇄ a stream of bytes that says how it is coded: layout × coder, whatever is shortest.

    stream  =  nothing                                                             for no values
            |  head  main                                                          for the plain layout
            |  head  count of side (varint)  bytes of side (varint)  side  main    for the others
    head    =  layout · 64 + coder of side · 8 + coder of main                     one byte

Values as good as random take the fewest bits that hold them all, without a trial. A stream of n > 0 equal values has two bytes or a few,
whatever n is. Only there is the caller's own limit on n the one that counts: any other stream is refused, before anything is
allocated, if it is too short for n values (`limits.check_count`).
"""

import numpy as np
from numpy.typing import DTypeLike

from laconic.base.errors import CodecError, UsageError
from laconic.codec.coders import CODERS, coder_at, encode_shortest, sample
from laconic.codec.layouts import LAYOUTS, PLAIN, layout_at
from laconic.codec.limits import TRY_ALL_BELOW, check_count, holds
from laconic.codec.statistics import local_entropy
from laconic.codec.varint import read_varint, write_varint
from laconic.codec.window import reach

_FIXED = next(number for number, coder in enumerate(CODERS) if coder.name == "fixed")
_NOISE_FROM = 1 << 12
_NOISE = 0.98  # of the bits that hold every value: to model the rest would save little, and take ten times as long


def encode(values: np.ndarray) -> bytes:
    """The shortest stream for `values`, an array of any shape (taken in C order) and any integer dtype, or bool.

    Raises:
        UsageError: the dtype is no integer, or a value lies beyond int64.

    >>> encode(np.array([3, 1, 0, 2, 3, 1, 0, 0, 2, 1])).hex(), encode(np.zeros(10**6, np.int8)).hex()
    ('0002870706', '0000')
    """
    whole = _as_int64(values)
    if not len(whole):
        return b""
    if _is_noise(whole):
        return bytes([PLAIN << 6 | _FIXED]) + CODERS[_FIXED].encode(whole)
    if reach(whole) == 0 or len(whole) <= TRY_ALL_BELOW:
        return min(filter(None, (_write(number, whole) for number in range(len(LAYOUTS)))), key=len)
    return next(filter(None, (_write(number, whole) for number in _ranked(sample(whole)))))


def decode(stream: bytes | memoryview, count: int, dtype: DTypeLike = np.int64) -> np.ndarray:
    """The `count` values of a stream, `(count,)` of `dtype`: of a narrow integer type where the caller knows that it will do.

    Raises:
        CodecError: the stream is not one that `encode` writes for so many values: damaged, cut, too long, or forged. Damage that
            makes another valid stream is not noticed here; checksums are the file's matter. Or a value that `dtype` does not hold.

    >>> decode(bytes.fromhex("0002870706"), 10)
    array([3, 1, 0, 2, 3, 1, 0, 0, 2, 1])
    """
    if count <= 0 or not stream:
        if count == len(stream) == 0:
            return np.empty(0, dtype)
        raise CodecError(f"a stream of {len(stream)} bytes where {count} values are expected")
    stream = memoryview(stream)  # parts of it are not copied
    layout, side_coder, coder = layout_at(stream[0] >> 6), coder_at(stream[0] >> 3 & 7), coder_at(stream[0] & 7)
    if layout is LAYOUTS[PLAIN]:
        if stream[0] >> 3:
            raise CodecError("a plain stream names a coder for a side array that it has not")
        return coder.decode(stream[1:], count, dtype)
    side_count, side, main = _cut(stream, count)
    main_count, main_type, side_type = layout.expect(count, dtype, side_count)
    aside = side_coder.decode(side, side_count, side_type)
    return layout.join(coder.decode(main, main_count, main_type), aside, count, dtype)


def _is_noise(values: np.ndarray) -> bool:
    width = reach(values).bit_length()
    return len(values) >= _NOISE_FROM and width > 0 and local_entropy(values) >= _NOISE * width


def _as_int64(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind not in "iub":
        raise UsageError(f"integers are expected, not {values.dtype}", hint="encode_array takes floats")
    if values.dtype.kind == "u" and values.size and int(values.max()) >> 63:
        raise UsageError(f"{int(values.max())} lies beyond int64", hint="encode_array takes any value")
    return np.require(values, np.int64, ["C", "A", "W"]).reshape(-1)  # W: to numba, read-only is another type to compile for


def _write(number: int, values: np.ndarray) -> bytes | None:
    """The stream in this layout; `None` where it does not apply, or where the stream is shorter than `decode` would believe."""
    parts = LAYOUTS[number].split(values)
    if parts is None:
        return None
    main, side = parts
    coder, content = encode_shortest(main)
    if not len(side):
        return bytes([number << 6 | coder]) + content
    side_coder, aside = encode_shortest(side)
    head = bytes([number << 6 | side_coder << 3 | coder])
    stream = head + write_varint(len(side)) + write_varint(len(aside)) + aside + content
    return stream if holds(len(stream), len(values)) else None


def _ranked(probe: np.ndarray) -> list[int]:
    """The layouts, best first, judged by a sample."""
    streams = {number: _write(number, probe) for number in range(len(LAYOUTS))}
    return sorted((number for number, stream in streams.items() if stream), key=lambda number: len(streams[number] or b""))


def _cut(stream: memoryview, count: int) -> tuple[int, memoryview, memoryview]:
    """Length of the side array, its bytes, and those of the main array."""
    check_count(len(stream), count)
    side_count, at = read_varint(stream, 1)
    size, at = read_varint(stream, at)
    if not 0 < side_count <= count or at + size > len(stream):
        raise CodecError("the side array is longer than the stream allows", where=f"byte {at}")
    return side_count, stream[at : at + size], stream[at + size :]
