"""Fixed-width coder: every value takes the bits that the widest needs, and nothing is modelled.

Stream: window, then the values above its lowest, least significant bit first, the last byte filled with zeros.
An array of equal values has width 0: its stream is the window alone, however many there are.
"""

from collections.abc import Iterator

import numpy as np
from numba import int64, njit
from numpy.typing import DTypeLike

from laconic.base.errors import CodecError
from laconic.codec.chunks import gather, pieces
from laconic.codec.window import lower, read_window


def encode(values: np.ndarray) -> bytes:
    """Bytes of int64 `values` `(n,)`, n > 0.

    >>> encode(np.array([1, 0, 1, 1])).hex(), encode(np.full(1000, -7)).hex()
    ('010d', '800d')
    """
    header, width, above = lower(values)
    packed: bytes = pack(above, width).tobytes()
    return header + packed


def decode(stream: bytes | memoryview, count: int, dtype: DTypeLike = np.int64) -> np.ndarray:
    """The inverse of `encode`: `(count,)` of `dtype`.

    Raises:
        CodecError: the stream has not the length that `count` and the width ask for, is not filled with zeros, or holds a value
            that `dtype` does not.
    """
    low, width, body = read_window(memoryview(stream), widest=64)
    bits = count * width
    if len(body) != (bits + 7) // 8:
        raise CodecError(f"{len(body)} bytes where {count} values of {width} bits take {(bits + 7) // 8}")
    if bits % 8 and body[-1] >> bits % 8:
        raise CodecError("the last byte is not filled with zeros")
    return gather(_chunks(np.frombuffer(body, np.uint8), width, count, low), count, dtype)


def _chunks(packed: np.ndarray, width: int, count: int, low: np.int64) -> Iterator[np.ndarray]:
    for piece in pieces(count):  # begins on a whole byte, whatever the width
        values = np.empty(piece.stop - piece.start, np.int64)
        unpack(packed[piece.start * width // 8 :], width, values)
        values += low
        yield values


@njit(cache=True, nogil=True)
def pack(values: np.ndarray, width: int) -> np.ndarray:
    """The lowest `width` bits of each int64, as uint8 `(⌈n · width / 8⌉,)`."""
    packed = np.zeros((values.size * width + 7) // 8, np.uint8)
    byte, end, used = int64(0), 0, 0
    for value in values:
        left = width
        while left > 0:
            taken = min(8 - used, left)
            byte |= (value & ((1 << taken) - 1)) << used
            value >>= taken  # noqa: PLW2901 - consumed from its low end
            left -= taken
            used += taken
            if used == 8:
                packed[end] = byte
                byte, end, used = int64(0), end + 1, 0
    if used > 0:
        packed[end] = byte
    return packed


@njit(cache=True, nogil=True)
def unpack(packed: np.ndarray, width: int, values: np.ndarray) -> None:
    """Fill `values` with `width` bits each; `packed` holds enough of them."""
    at, used = 0, 0
    for i in range(values.size):
        value, held = int64(0), 0
        while held < width:
            taken = min(8 - used, width - held)
            value |= ((int64(packed[at]) >> used) & ((1 << taken) - 1)) << held
            held += taken
            used += taken
            if used == 8:
                at, used = at + 1, 0
        values[i] = value
