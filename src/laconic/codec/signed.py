"""Signed coder: integers around zero, many of them zero, coded arithmetically without a header.

A value is coded as decisions, each with contexts of its own: is it zero (context: how many of the last two were); its sign; its
magnitude less one in unary, up to a bound; and what is left above the bound as an Exp-Golomb code (Teuhola 1978) with an adaptive
length and adaptive leading bits. Takes the whole range of int64. The same split of a value codes the coefficients of video
(Marpe, Schwarz & Wiegand 2003).
"""

from collections.abc import Iterator

import numpy as np
from numba import int64, njit
from numpy.typing import DTypeLike

from laconic.base.errors import CodecError
from laconic.codec.adaptive import contexts, read_bit, roomy, write_bit
from laconic.codec.arithmetic import ENCODER, PROBABILITY_BITS, close, ended, get, put, start
from laconic.codec.chunks import gather, pieces
from laconic.codec.limits import check_count

_UNARY_BOUND = 14
_LARGEST = (1 << 63) - 1
_EVEN = int64(1 << (PROBABILITY_BITS - 1))

_ZERO = 0
_SIGN = int64(_ZERO + 3)
_UNARY = _SIGN + 1
_LENGTH = _UNARY + _UNARY_BOUND
_LEADING = _LENGTH + 64
_CONTEXTS = _LEADING + 64 * 8


def encode(values: np.ndarray) -> bytes:
    """Bytes of int64 `values` `(n,)`, n > 0."""
    coded: bytes = write_signed(values).tobytes()
    return coded


def decode(stream: bytes | memoryview, count: int, dtype: DTypeLike = np.int64) -> np.ndarray:
    """The inverse of `encode`: `(count,)` of `dtype`.

    Raises:
        CodecError: the stream is too short for `count`, not what `encode` writes, or holds a value that `dtype` does not.
    """
    check_count(len(stream), count)
    return gather(_chunks(np.frombuffer(stream, np.uint8), count), count, dtype)


def _chunks(data: np.ndarray, count: int) -> Iterator[np.ndarray]:
    table, decoder, sound = contexts(_CONTEXTS), start(data), True
    before = np.zeros(2, np.int64)
    for piece in pieces(count):
        values = np.empty(2 + piece.stop - piece.start, np.int64)
        values[:2] = before
        decoder, sound = read_signed(data, table, decoder, values)
        if not sound or (piece.stop == count and not ended(decoder, data)):
            raise CodecError(f"the stream is not that of {count} signed values")
        before = values[-2:]
        yield values[2:]


@njit(cache=True, nogil=True)
def write_signed(values: np.ndarray) -> np.ndarray:
    """The coded bytes, uint8."""
    table = contexts(_CONTEXTS)
    out = np.empty(values.size // 2, np.uint8)
    encoder = ENCODER
    last, before = 1, 1
    for value in values:
        out = roomy(out, encoder[2])
        zero = 1 if value == 0 else 0
        encoder = write_bit(encoder, out, table, _ZERO + last + before, zero)
        last, before = zero, last
        if zero == 0:
            negative = 1 if value < 0 else 0
            encoder = write_bit(encoder, out, table, _SIGN, negative)
            encoder = write_magnitude(encoder, out, table, ~value if negative else value - 1)
    out = roomy(out, encoder[2])
    return out[: close(encoder, out)]


@njit(cache=True, nogil=True)
def read_signed(
    data: np.ndarray, table: np.ndarray, decoder: tuple[int, int, int], values: np.ndarray
) -> tuple[tuple[int, int, int], bool]:
    """Fill `values` from its third on (the first two are those before) from where `decoder` stands; where it stands then, and
    whether `data` held such values."""
    before, last = 1 if values[0] == 0 else 0, 1 if values[1] == 0 else 0
    for i in range(2, values.size):
        if decoder[2] > data.size:
            return decoder, False
        decoder, zero = read_bit(decoder, data, table, _ZERO + last + before)
        last, before = zero, last
        values[i] = 0
        if zero == 0:
            decoder, negative = read_bit(decoder, data, table, _SIGN)
            decoder, magnitude = read_magnitude(decoder, data, table)
            if magnitude < 0 or (magnitude == _LARGEST and negative == 0):
                return decoder, False
            values[i] = ~magnitude if negative else magnitude + 1
    return decoder, True


@njit(cache=True, nogil=True)
def write_magnitude(encoder: tuple[int, int, int], out: np.ndarray, table: np.ndarray, magnitude: int) -> tuple[int, int, int]:
    """Code `magnitude` in `[0, 2⁶³)`: one decision a unit, then Exp-Golomb."""
    for unit in range(_UNARY_BOUND):
        more = 1 if unit < magnitude else 0
        encoder = write_bit(encoder, out, table, _UNARY + unit, more)
        if more == 0:
            return encoder
    rest = magnitude - _UNARY_BOUND + 1
    length, more = 0, 1
    while more == 1:
        more = 1 if rest >> length > 1 else 0
        encoder = write_bit(encoder, out, table, _LENGTH + length, more)
        length += more
    node = int64(1)
    for place in range(length - 1, -1, -1):
        bit = (rest >> place) & 1
        if node < 8:
            encoder = write_bit(encoder, out, table, _LEADING + 8 * length + node, bit)
            node = 2 * node + bit
        else:
            encoder = put(encoder, out, _EVEN, bit)
    return encoder


@njit(cache=True, nogil=True)
def read_magnitude(decoder: tuple[int, int, int], data: np.ndarray, table: np.ndarray) -> tuple[tuple[int, int, int], int]:
    """The inverse of `write_magnitude`; −1 for what it never writes."""
    for unit in range(_UNARY_BOUND):
        decoder, more = read_bit(decoder, data, table, _UNARY + unit)
        if more == 0:
            return decoder, int64(unit)
    length, more = 0, 1
    while more == 1 and length < 63:
        decoder, more = read_bit(decoder, data, table, _LENGTH + length)
        length += more
    if length == 63:
        return decoder, int64(-1)
    rest = int64(1)
    for _ in range(length):
        if rest < 8:
            decoder, bit = read_bit(decoder, data, table, _LEADING + 8 * length + rest)
        else:
            decoder, bit = get(decoder, data, _EVEN)
        rest = (rest << 1) | bit
    if rest > _LARGEST - (_UNARY_BOUND - 1):
        return decoder, int64(-1)
    return decoder, rest + (_UNARY_BOUND - 1)
