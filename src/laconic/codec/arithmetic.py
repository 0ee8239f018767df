"""Arithmetic coder for bits (Rissanen & Langdon 1979; as a range coder, Martin 1979), in integers only.

It takes a probability and a bit and knows no model. Encoder and decoder are plain values `(…)` that every call returns anew:

    encoder = (low, span, end)      the interval [low, low + span) in a 32-bit window; bytes written so far
    decoder = (offset, span, at)    where in the interval the stream's number lies; bytes that have left the window

`span` starts at 2³² and is kept at 2²⁴ or above by moving the window down a byte. A carry out of the window walks back
through the bytes already written. The stream ends with the shortest tail that names a number inside the last interval: no
byte or one. The decoder can compute that tail, too, so bytes missing or left over at the end are noticed.

Everything is int64: in numba, a uint64 beside an int64 would make a float64, and a literal a type of its own to compile for.
Numba's cache watches the text of a kernel's own file only, not what it calls: after a change here, in `adaptive.py`, or in what the
kernels of `context` call, remove the cache (`make clean`), or the old functions stay compiled into the kernels.
"""

import numpy as np
from numba import int64, njit

PROBABILITY_BITS = 16
_WINDOW = int64(1 << 32)
_SMALLEST = 1 << 24

ENCODER = (int64(0), _WINDOW, int64(0))


@njit
def put(encoder: tuple[int, int, int], out: np.ndarray, probability: int, bit: int) -> tuple[int, int, int]:
    """Code `bit`, which is 1 with `probability` / 2¹⁶ (strictly between 0 and 1), into the uint8 array `out`."""
    low, span, end = encoder
    ones = (span * probability) >> PROBABILITY_BITS
    if bit:
        span = ones
    else:
        low, span = low + ones, span - ones
        if low >= _WINDOW:
            low -= _WINDOW
            carry(out, end)
    while span < _SMALLEST:
        out[end] = low >> 24
        low, span, end = (low << 8) & (_WINDOW - 1), span << 8, end + 1
    return low, span, end


@njit
def carry(out: np.ndarray, end: int) -> None:
    """Add one to the number that `out[:end]` spells; it never outgrows its first byte, as the interval stays below 1."""
    at = end - 1
    while out[at] == 255:
        out[at] = 0
        at -= 1
    out[at] += 1


@njit
def close(encoder: tuple[int, int, int], out: np.ndarray) -> int:
    """Write the tail; the number of bytes that make the stream."""
    low, span, end = encoder
    if low == 0:
        return end
    if low + span > _WINDOW:
        carry(out, end)
        return end
    out[end] = tail(low) >> 24
    return end + 1


@njit
def tail(low: int) -> int:
    """The lowest number from `low` on whose last 24 bits are zero; below `low + span`, since a span is 2²⁴ or more."""
    return (low + _SMALLEST - 1) & -_SMALLEST


@njit(cache=True)
def start(data: np.ndarray) -> tuple[int, int, int]:
    """The decoder at the beginning of uint8 `data`."""
    return window(data, int64(0)), _WINDOW, int64(0)


@njit
def get(decoder: tuple[int, int, int], data: np.ndarray, probability: int) -> tuple[tuple[int, int, int], int]:
    """The next bit, where a 1 has `probability` / 2¹⁶. Behind the end of `data` there are zeros."""
    offset, span, at = decoder
    ones = (span * probability) >> PROBABILITY_BITS
    bit = 1
    if offset < ones:
        span = ones
    else:
        offset, span, bit = offset - ones, span - ones, 0
    while span < _SMALLEST:
        byte = int64(data[at + 4]) if at + 4 < data.size else int64(0)
        offset, span, at = (offset << 8) | byte, span << 8, at + 1
    return (offset, span, at), bit


@njit(cache=True)
def ended(decoder: tuple[int, int, int], data: np.ndarray) -> bool:
    """Whether `data` ends exactly as `close` would have ended it after the bits decoded so far."""
    offset, span, at = decoder
    seen = window(data, at)
    low = (seen - offset) & (_WINDOW - 1)
    if low == 0 or low + span > _WINDOW:
        return data.size == at and seen == 0
    return data.size == at + 1 and seen == tail(low)


@njit
def window(data: np.ndarray, at: int) -> int:
    """The 32 bits from byte `at` on; behind the end of `data` there are zeros."""
    number = int64(0)
    for i in range(at, at + 4):
        byte = int64(data[i]) if i < data.size else int64(0)
        number = (number << 8) | byte
    return number
