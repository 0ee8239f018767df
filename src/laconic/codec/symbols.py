"""Symbol coder: an adaptive binary tree over `2^width` symbols, coded arithmetically.

A symbol is coded bit by bit from the top; the context of a bit is the bits above it, so each node of the tree learns how often
its branches are taken. Best for small alphabets whose frequencies are anything at all. Stream: window, then the coded bits.
"""

import numpy as np
from numba import int64, njit

from laconic.base.errors import CodecError
from laconic.codec.adaptive import contexts, read_bit, roomy, write_bit
from laconic.codec.arithmetic import ENCODER, close, ended, start
from laconic.codec.limits import MAX_ALPHABET_BITS, check_count
from laconic.codec.window import lower, read_window


def encode(values: np.ndarray) -> bytes:
    """Bytes of int64 `values` `(n,)`, n > 0, that reach over less than `2^MAX_ALPHABET_BITS`."""
    header, width, above = lower(values)
    return header + encode_symbols(above, width)


def decode(stream: bytes, count: int) -> np.ndarray:
    """The inverse of `encode`: int64 `(count,)`.

    Raises:
        CodecError: the stream is too short for `count`, or not what `encode` writes.
    """
    low, width, body = read_window(stream, MAX_ALPHABET_BITS)
    return decode_symbols(body, width, count) + low


def encode_symbols(symbols: np.ndarray, width: int) -> bytes:
    """Bytes of int64 `symbols` `(n,)` in `[0, 2^width)`, without a window."""
    coded: bytes = write_symbols(symbols, width).tobytes()
    return coded


def decode_symbols(stream: bytes, width: int, count: int) -> np.ndarray:
    """The inverse of `encode_symbols`: int64 `(count,)`, each in `[0, 2^width)`.

    Raises:
        CodecError: the stream is too short for `count`, or not what `encode_symbols` writes.
    """
    check_count(len(stream), count)
    symbols = np.empty(count, np.int64)
    if not read_symbols(np.frombuffer(stream, np.uint8), width, symbols):
        raise CodecError(f"the stream is not that of {count} symbols of {width} bits")
    return symbols


@njit(cache=True)
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


@njit(cache=True)
def read_symbols(data: np.ndarray, width: int, symbols: np.ndarray) -> bool:
    """Fill `symbols`; whether `data` ends where they do."""
    table = contexts(1 << width)
    decoder = start(data)
    for i in range(symbols.size):
        if decoder[2] > data.size:
            return False
        node = int64(1)
        for _ in range(width):
            decoder, bit = read_bit(decoder, data, table, node)
            node = 2 * node + bit
        symbols[i] = node - (1 << width)
    return ended(decoder, data)
