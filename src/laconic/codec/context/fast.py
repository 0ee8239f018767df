"""The fast profile: every decision has one context, made of a few neighbours, and one adaptive probability.

How large a value will be is guessed from the three values before it in its kernel, from the moving mean of its row and from that
of its column (in a convolution, the filter and the input channel); its sign, from the values one and three before it, which touch
it in a 3 × 3 kernel.

A probability moves by 1/64 of its distance to each bit, and starts at what a geometric law of the guessed mean m says: m / (m + 1)
for one step more.
"""

from typing import NamedTuple

import numpy as np
from numba import int64, njit

from laconic.codec.adaptive import contexts, roomy
from laconic.codec.context.buckets import LAST_BUCKET, LONE, bucket_of, code_offset
from laconic.codec.context.duplex import code
from laconic.codec.context.levels import ONE, five, level, limited, lowest
from laconic.codec.limits import LEAST_PROBABILITY

_DECISIONS = 32
_UNARY = 1
_TAPS = 16
_SURELY = (1 << 16) - LEAST_PROBABILITY
_LARGEST_INT64 = (1 << 63) - 1
_MISSING = np.array([10, 7, 6, 5], np.int64)
"""Weight of the means at the first taps of a kernel, for the values before it that are not there."""


class Model(NamedTuple):
    """What has been learnt.

    Args:
        magnitudes: probability of one step more, in units of 2⁻¹⁶: int64 `(levels · decisions,)`.
        signs: probability of a negative value.
        offsets: a context of `codec.adaptive` for each bucket.
    """

    magnitudes: np.ndarray
    signs: np.ndarray
    offsets: np.ndarray


def model() -> Model:
    """A model that has seen nothing."""
    means = lowest()
    more = np.clip((means << 16) // (means + ONE), LEAST_PROBABILITY, _SURELY)
    return Model(np.repeat(more, _DECISIONS), np.full(25 * _TAPS, 1 << 15, np.int64), contexts(LAST_BUCKET + 1))


def write(encoder: tuple[int, int, int], out: np.ndarray, values: np.ndarray, learnt: Model) -> tuple[tuple[int, int, int], np.ndarray]:
    """Code `values` `(rows, columns, taps)`; the encoder, and `out` or a longer copy of it."""
    encoder, out, _ = write_tensor(encoder, out, values, learnt, np.full(values.shape[1], ONE, np.int64))
    return encoder, out


def read(decoder: tuple[int, int, int], data: np.ndarray, values: np.ndarray, learnt: Model) -> tuple[tuple[int, int, int], bool]:
    """Fill `values`; the decoder, and whether the data hold such values."""
    decoder, _, well = read_tensor(decoder, data, values, learnt, np.full(values.shape[1], ONE, np.int64))
    return decoder, well


@njit(cache=True, nogil=True, error_model="numpy")
def write_tensor(
    encoder: tuple[int, int, int], out: np.ndarray, values: np.ndarray, learnt: Model, columns: np.ndarray
) -> tuple[tuple[int, int, int], np.ndarray, bool]:
    """`code_tensor` for one direction alone: a tenth faster than with the choice made at each bit."""
    return code_tensor(encoder, out, values, learnt, columns, False)


@njit(cache=True, nogil=True, error_model="numpy")
def read_tensor(
    decoder: tuple[int, int, int], data: np.ndarray, values: np.ndarray, learnt: Model, columns: np.ndarray
) -> tuple[tuple[int, int, int], np.ndarray, bool]:
    """`code_tensor` for the other direction."""
    return code_tensor(decoder, data, values, learnt, columns, True)


@njit(inline="always")
def code_tensor(
    coder: tuple[int, int, int], data: np.ndarray, values: np.ndarray, learnt: Model, columns: np.ndarray, reading: bool
) -> tuple[tuple[int, int, int], np.ndarray, bool]:
    """Write all of `values`, or fill them; the coder, the data (longer, perhaps) and whether all went well.

    Args:
        columns: the moving mean magnitude of each column, in units of 2⁻¹⁴.
    """
    taps = values.shape[2]
    share = (1 << 16) // taps
    row_mean = int64(ONE)
    for row in range(values.shape[0]):
        first, second, third = int64(0), int64(0), int64(0)
        for column in range(columns.size):
            if reading and coder[2] > data.size:
                return coder, data, False
            if taps > 1:
                first, second, third = int64(0), int64(0), int64(0)
            column_mean, total = columns[column], int64(0)
            for tap in range(taps):
                if not reading:
                    data = roomy(data, coder[2])
                missing = _MISSING[min(tap, 3) if taps > 1 else 3]
                guess = (5 * abs(first) + 2 * abs(second) + 2 * abs(third) + missing * (row_mean + column_mean)) >> 4
                sign_context = (five(first) * 5 + five(third)) * _TAPS + min(tap, _TAPS - 1)
                coder, value, well = code_value(
                    coder, data, learnt, level(guess) * _DECISIONS, sign_context, values[row, column, tap], reading
                )
                if reading:
                    if not well:
                        return coder, data, False
                    values[row, column, tap] = value
                third, second, first = second, first, limited(value)
                total += abs(first)
                row_mean += (abs(first) - row_mean) >> 5
            columns[column] += (((total * share) >> 16) - column_mean) >> 3
    return coder, data, True


@njit(inline="always")
def code_value(
    coder: tuple[int, int, int], data: np.ndarray, learnt: Model, context: int, sign_context: int, value: int, reading: bool
) -> tuple[tuple[int, int, int], int, bool]:
    """One value: is it zero, its sign, the bucket of its magnitude, the offset. Not well if it lies beyond int64."""
    coder, some = decide(coder, data, learnt.magnitudes, context, int64(value != 0), reading)
    if some == 0:
        return coder, int64(0), True
    coder, negative = decide(coder, data, learnt.signs, sign_context, int64(value < 0), reading)
    magnitude = ~value if negative else value - 1
    goal = int64(0) if reading else bucket_of(magnitude)
    bucket = int64(0)
    while bucket < LAST_BUCKET:
        coder, more = decide(coder, data, learnt.magnitudes, context + min(bucket + _UNARY, _DECISIONS - 1), int64(goal > bucket), reading)
        if more == 0:
            break
        bucket += 1
    found = bucket
    if bucket >= LONE:
        coder, found = code_offset(coder, data, learnt.offsets, bucket, magnitude, reading)
    if negative == 0 and found == _LARGEST_INT64:
        return coder, int64(0), False
    return coder, ~found if negative else found + 1, True


@njit
def decide(
    coder: tuple[int, int, int], data: np.ndarray, table: np.ndarray, context: int, bit: int, reading: bool
) -> tuple[tuple[int, int, int], int]:
    """Code one decision, and learn from it. No probability leaves [`LEAST_PROBABILITY`, 1 − `LEAST_PROBABILITY`]."""
    probability = table[context]
    coder, bit = code(coder, data, probability, bit, reading)
    goal = LEAST_PROBABILITY + (-bit & (_SURELY - LEAST_PROBABILITY))
    table[context] = probability + ((goal - probability) >> 6)
    return coder, bit
