"""Canonical Huffman coder (Huffman 1952; canonical: Schwartz & Kallick 1964), for up to `2^MAX_ALPHABET_BITS` neighbouring values.

A code is canonical when words of one length are consecutive numbers in the order of their symbols, and longer words follow
shorter ones: the lengths alone then tell the code. Lengths are the best within `MAX_CODE_BITS` (package-merge, Larmore &
Hirschberg 1990), which is Huffman's own code wherever that is no longer. Decoding looks a whole word up at once.

Stream: window; length of the table; the code lengths of all symbols in the window, 0 for those that do not occur, as a symbol
stream; the words, most significant bit first, the last byte filled with zeros.
"""

from collections.abc import Iterator

import numpy as np
from numba import int64, njit
from numpy.typing import DTypeLike

from laconic.base.errors import CodecError
from laconic.codec.chunks import gather, pieces
from laconic.codec.limits import MAX_ALPHABET_BITS, MAX_CODE_BITS
from laconic.codec.symbols import decode_symbols, encode_symbols
from laconic.codec.varint import read_varint, write_varint
from laconic.codec.window import lower, read_window

_LENGTH_BITS = 5


def encode(values: np.ndarray) -> bytes:
    """Bytes of int64 `values` `(n,)`, n > 0, that reach over less than `2^MAX_ALPHABET_BITS`."""
    header, width, symbols = lower(values)
    weights = np.bincount(symbols, minlength=1 << max(width, 1))
    lengths = code_lengths(weights)
    table = encode_symbols(lengths, _LENGTH_BITS)
    words: bytes = write_words(symbols, code_words(lengths), lengths, int(weights @ lengths)).tobytes()
    return header + write_varint(len(table)) + table + words


def decode(stream: bytes | memoryview, count: int, dtype: DTypeLike = np.int64) -> np.ndarray:
    """The inverse of `encode`: `(count,)` of `dtype`.

    Raises:
        CodecError: the lengths make no code, the words do not end where the stream does, or a value is none that `dtype` holds.
    """
    low, width, body = read_window(memoryview(stream), MAX_ALPHABET_BITS)
    size, at = read_varint(body, 0)
    lengths = decode_symbols(body[at : at + size], _LENGTH_BITS, 1 << max(width, 1))
    words = body[at + size :]
    if count > 8 * len(words):
        raise CodecError(f"{len(words)} bytes cannot hold {count} code words")
    return gather((symbols + low for symbols in _chunks(words, lengths, count)), count, dtype)


def _chunks(words: memoryview, lengths: np.ndarray, count: int) -> Iterator[np.ndarray]:
    data, bits, at = np.frombuffer(b"".join((words, bytes(3))), np.uint8), 8 * len(words), 0
    lookup, longest = lookup_table(lengths), int(lengths.max())
    for piece in pieces(count):
        symbols = np.empty(piece.stop - piece.start, np.int64)
        at = read_words(data, bits, lookup, longest, at, symbols)
        if at > bits or (piece.stop == count and not _ends(data, bits, at)):
            raise CodecError(f"the stream is not that of {count} code words")
        yield symbols


def _ends(data: np.ndarray, bits: int, at: int) -> bool:
    """Whether the words that end at bit `at` are all there is, filled with zeros."""
    return bits - at < 8 and int(data[at >> 3]) & (255 >> (at & 7)) == 0


def code_lengths(weights: np.ndarray, limit: int = MAX_CODE_BITS) -> np.ndarray:
    """Bits of each symbol's word, int64 `(n,)`, 0 where its weight is 0; `Σ weight · bits` is the least that `limit` allows.

    A code of a single word would have no bits: then a symbol of no weight takes the other word.

    Args:
        weights: how often each symbol occurs, int64 `(n,)`, n > 1.
        limit: the most bits of a word; `2^limit` is at least the number of symbols that occur.

    >>> code_lengths(np.array([4, 2, 1, 1])), code_lengths(np.array([0, 9]))
    (array([1, 2, 3, 3]), array([1, 1]))
    """
    occurring = np.flatnonzero(weights)
    if len(occurring) < 2:
        occurring = np.array([0, max(1, *occurring)])
    order = occurring[np.argsort(weights[occurring], kind="stable")]
    lengths = np.zeros(len(weights), np.int64)
    lengths[order] = _package_merge(weights[order], limit)
    return lengths


def _package_merge(leaves: np.ndarray, limit: int) -> np.ndarray:
    """Code lengths of ascending weights. On each level a list merges the leaves with the pairs of the level below."""
    merged, levels = leaves, [np.ones(len(leaves), bool)]
    for _ in range(limit - 1):
        pairs = merged[: len(merged) // 2 * 2].reshape(-1, 2).sum(axis=1)
        both = np.concatenate([leaves, pairs])
        order = np.argsort(both, kind="stable")
        merged = both[order]
        levels.append(order < len(leaves))
    lengths = np.zeros(len(leaves), np.int64)
    taken = 2 * len(leaves) - 2
    for is_leaf in reversed(levels):
        chosen = int(np.count_nonzero(is_leaf[:taken]))
        lengths[:chosen] += 1
        taken = 2 * (taken - chosen)
    return lengths


def code_words(lengths: np.ndarray) -> np.ndarray:
    """The canonical code: one word for each symbol, int64 `(n,)`; 0 where the length is 0.

    >>> [f"{word:0{bits}b}" for word, bits in zip(code_words(np.array([2, 1, 3, 3])), [2, 1, 3, 3])]
    ['10', '0', '110', '111']
    """
    order, longest = _canonical_order(lengths), int(lengths.max())
    shares = 1 << (longest - lengths[order])
    words = np.zeros(len(lengths), np.int64)
    words[order] = (np.cumsum(shares) - shares) >> (longest - lengths[order])
    return words


def lookup_table(lengths: np.ndarray) -> np.ndarray:
    """For every possible next `max(lengths)` bits: the symbol whose word they begin with, times 32, plus the word's length.

    Raises:
        CodecError: the lengths break Kraft's equality `Σ 2^-length = 1`, so that some bits mean nothing or two things.
    """
    order, longest = _canonical_order(lengths), int(lengths.max())
    shares = 1 << np.maximum(longest - lengths[order], 0)
    if longest not in range(1, MAX_CODE_BITS + 1) or shares.sum() != 1 << longest:
        raise CodecError("the code lengths make no complete prefix code")
    return np.repeat(order << _LENGTH_BITS | lengths[order], shares)


def _canonical_order(lengths: np.ndarray) -> np.ndarray:
    order = np.argsort(lengths, kind="stable")
    return order[np.count_nonzero(lengths == 0) :]


@njit(cache=True, nogil=True)
def write_words(symbols: np.ndarray, words: np.ndarray, lengths: np.ndarray, bits: int) -> np.ndarray:
    """The word of each symbol, one after the other: `bits` bits, as uint8."""
    out = np.empty((bits + 7) // 8, np.uint8)
    waiting, held, end = int64(0), int64(0), 0
    for symbol in symbols:
        waiting = (waiting << lengths[symbol]) | words[symbol]
        held += lengths[symbol]
        while held >= 8:
            held -= 8
            out[end] = waiting >> held
            waiting &= (1 << held) - 1
            end += 1
    if held > 0:
        out[end] = waiting << (8 - held)
    return out


@njit(cache=True, nogil=True)
def read_words(data: np.ndarray, bits: int, lookup: np.ndarray, longest: int, at: int, symbols: np.ndarray) -> int:
    """Fill `symbols` from bit `at` on of the first `bits` bits of uint8 `data` (three bytes longer); the bit behind the last word."""
    for i in range(symbols.size):
        byte = at >> 3
        window = (int64(data[byte]) << 16) | (int64(data[byte + 1]) << 8) | int64(data[byte + 2])
        entry = lookup[(window >> (24 - longest - (at & 7))) & ((1 << longest) - 1)]
        symbols[i] = entry >> 5
        at += entry & 31
        if at > bits:
            return at
    return at
