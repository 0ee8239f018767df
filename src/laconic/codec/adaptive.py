"""Adaptive probability of a bit: the mean of a quick and a slow estimate, both learning from every bit they see.

A context is a row `(quick, slow, seen)` of an int64 table: two probabilities of a 1 in units of 2⁻³² and the number of bits seen.
An estimate moves towards each bit by `1 / (seen + 3/2)`, which counts frequencies while little is known, until the step has
fallen to the estimate's floor; from then on it forgets exponentially and follows data that change. Averaging two windows beats
either alone on such data (as in lossless video and the PAQ coders), and costs little on data that do not change.
"""

import numpy as np
from numba import njit

from laconic.codec.arithmetic import get, put
from laconic.codec.limits import LEAST_PROBABILITY

_QUICK, _SLOW, _SEEN = 0, 1, 2
_QUICK_SEEN, _SLOW_SEEN = 40, 1000
_STEPS = np.array([(1 << 17) // (2 * seen + 3) for seen in range(_SLOW_SEEN + 1)], np.int64)

_ROOM = 1 << 10


@njit(cache=True)
def contexts(number: int) -> np.ndarray:
    """A table of `number` contexts that have seen nothing."""
    table = np.empty((number, 3), np.int64)
    for context in range(number):
        table[context, _QUICK] = table[context, _SLOW] = 1 << 31
        table[context, _SEEN] = 0
    return table


@njit
def estimate(table: np.ndarray, context: int) -> int:
    """Probability of a 1 in units of 2⁻¹⁶, kept away from 0 and 1 by `LEAST_PROBABILITY`."""
    probability = (table[context, _QUICK] + table[context, _SLOW]) >> 17
    return min(max(probability, LEAST_PROBABILITY), (1 << 16) - LEAST_PROBABILITY)


@njit
def learn(table: np.ndarray, context: int, bit: int) -> None:
    """Move both estimates towards `bit`."""
    quick, slow, seen = table[context, _QUICK], table[context, _SLOW], table[context, _SEEN]
    goal = bit << 32
    table[context, _QUICK] = quick + (((goal - quick) * _STEPS[min(seen, _QUICK_SEEN)]) >> 16)
    table[context, _SLOW] = slow + (((goal - slow) * _STEPS[seen]) >> 16)
    table[context, _SEEN] = min(seen + 1, _SLOW_SEEN)


@njit
def write_bit(encoder: tuple[int, int, int], out: np.ndarray, table: np.ndarray, context: int, bit: int) -> tuple[int, int, int]:
    """Code `bit` as its context expects it, and learn from it."""
    encoder = put(encoder, out, estimate(table, context), bit)
    learn(table, context, bit)
    return encoder


@njit
def read_bit(decoder: tuple[int, int, int], data: np.ndarray, table: np.ndarray, context: int) -> tuple[tuple[int, int, int], int]:
    """The inverse of `write_bit`."""
    decoder, bit = get(decoder, data, estimate(table, context))
    learn(table, context, bit)
    return decoder, bit


@njit
def roomy(out: np.ndarray, end: int) -> np.ndarray:
    """`out`, or a copy twice as long, with room behind `end` for all the bits of one value: no bit takes more than two bytes."""
    if end + _ROOM <= out.size:
        return out
    longer = np.empty(2 * out.size + _ROOM, np.uint8)
    for at in range(end):  # in numba, a slice would cost a second of compiling
        longer[at] = out[at]
    return longer
