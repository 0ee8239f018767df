"""Symbol coder: an adaptive binary tree over `2^width` symbols, coded arithmetically.

A symbol is coded bit by bit from the top; the context of a bit is the bits above it, so each node of the tree learns how often
its branches are taken. Best for small alphabets whose frequencies are anything at all. Stream: window, then the coded bits.
"""

from collections.abc import Iterator

import numpy as np
from numba import int64, njit
from numpy.typing import DTypeLike

from laconic.base.errors import CodecError
from laconic.codec.adaptive import contexts, read_bit, roomy, write_bit
from laconic.codec.arithmetic import ENCODER, close, ended, start
from laconic.codec.chunks import gather, pieces
from laconic.codec.limits import MAX_ALPHABET_BITS, check_count
from laconic.codec.window import lower, read_window


def encode(values: np.ndarray) -> bytes:
    """Bytes of int64 `values` `(n,)`, n > 0, that reach over less than `2^MAX_ALPHABET_BITS`."""
    header, width, above = lower(values)
    return header + encode_symbols(above, width)


def decode(stream: bytes | memoryview, count: int, dtype: DTypeLike = np.int64) -> np.ndarray:
    """The inverse of `encode`: `(count,)` of `dtype`.

    Raises:
        CodecError: the stream is too short for `count`, not what `encode` writes, or holds a value that `dtype` does not.
    """
    low, width, body = read_window(memoryview(stream), MAX_ALPHABET_BITS)
    check_count(len(body), count)
    return gather((symbols + low for symbols in _chunks(body, width, count)), count, dtype)


def encode_symbols(symbols: np.ndarray, width: int) -> bytes:
    """Bytes of int64 `symbols` `(n,)` in `[0, 2^width)`, without a window."""
    coded: bytes = write_symbols(symbols, width).tobytes()
    return coded


def decode_symbols(stream: bytes | memoryview, width: int, count: int) -> np.ndarray:
    """The inverse of `encode_symbols`: int64 `(count,)`, each in `[0, 2^width)`.

    Raises:
        CodecError: the stream is too short for `count`, or not what `encode_symbols` writes.
    """
    check_count(len(stream), count)
    return gather(_chunks(stream, width, count), count, np.int64)


def _chunks(stream: bytes | memoryview, width: int, count: int) -> Iterator[np.ndarray]:
    data = np.frombuffer(stream, np.uint8)
    table, decoder, sound = contexts(1 << width), start(data), True
    for piece in pieces(count):
        symbols = np.empty(piece.stop - piece.start, np.int64)
        decoder, sound = read_symbols(data, width, table, decoder, symbols)
        if not sound or (piece.stop == count and not ended(decoder, data)):
            raise CodecError(f"the stream is not that of {count} symbols of {width} bits")
        yield symbols


@njit(cache=True, nogil=True)
def write_symbols(symbols: np.ndarray, width: int) -> np.ndarray:
    """The coded bytes, uint8."""
    table = contexts(1 << width)
    out = np.empty(symbols.size // 2, np.uint8)
    encoder = ENCODER
    for symbol in symbols:
        out = roomy(out, encoder[2])
        node = int64(1)
        for place in range(width - 1, -1, -1):
            bit = (symbol >> place) & 1
            encoder = write_bit(encoder, out, table, node, bit)
            node = 2 * node + bit
    out = roomy(out, encoder[2])
    return out[: close(encoder, out)]


@njit(cache=True, nogil=True)
def read_symbols(
    data: np.ndarray, width: int, table: np.ndarray, decoder: tuple[int, int, int], symbols: np.ndarray
) -> tuple[tuple[int, int, int], bool]:
    """Fill `symbols` from where `decoder` stands; where it stands then, and whether `data` reached so far."""
    for i in range(symbols.size):
        if decoder[2] > data.size:
            return decoder, False
        node = int64(1)
        for _ in range(width):
            decoder, bit = read_bit(decoder, data, table, node)
            node = 2 * node + bit
        symbols[i] = node - (1 << width)
    return decoder, True
