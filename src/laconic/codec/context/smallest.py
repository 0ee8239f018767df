"""The smallest profile: two linear predictions say what to expect, and logistic mixing weighs six contexts at each decision.

The *value* is predicted from the eight values before it in its kernel (in its row, where kernels have one tap), its *magnitude* from
means and from neighbours; both predictors learn as they go, each tap of a kernel with weights of its own. What they expect is the
strongest context. The others are the means of row, column and kernel, and the neighbours as they are. What the columns
are expected to be at first, the rows of an earlier tensor tell (links.py).
"""

from typing import NamedTuple

import numpy as np
from numba import int64, njit

from laconic.codec.adaptive import contexts, roomy
from laconic.codec.context.buckets import LAST_BUCKET, bucket_of, code_offset
from laconic.codec.context.levels import LARGEST, LEVELS, ONE, five, level, limited
from laconic.codec.context.linear import UNIT, correct, predicted
from laconic.codec.context.links import EVEN, Links
from laconic.codec.context.mixing import INPUTS, Mixer, decide, mixer

DECISIONS = 32
_SOME, _SIGN, _UNARY = 0, 1, 2
_CONTEXTS = 9 * 16 * 32
_TAPS = 32
_HISTORY = 8
_FINEST = 15
_LEAST = ONE >> 12
_COLUMN_START = 2  # rows that a column is taken to have had already
_LARGEST_INT64 = (1 << 63) - 1


class Model(NamedTuple):
    """What has been learnt, and where the coder stands.

    Args:
        mixed: the probabilities.
        offsets: a context of `codec.adaptive` for each bucket.
        value_weights, magnitude_weights: of the linear predictors, int64 `(taps, inputs)`.
        rates: of the two, int64 `(2,)`, in units of 2⁻¹⁶.
        means: int64 `(2,)`: mean magnitude of the tensor, running mean of the error of the predicted value; in units of 2⁻¹⁴.
        keep: int64 `(2, inputs)`: 0 shuts a context out, of the decisions on magnitude and on sign.
        choose: int64 `(2,)`: 0 makes the second or third set of weights one for all sizes or sides.
        history: scratch: the last values of the kernel.
        around: scratch: the inputs of the predicted magnitude.
        at: scratch: the contexts of a decision on magnitude and on sign, int64 `(2, inputs)`.
    """

    mixed: Mixer
    offsets: np.ndarray
    value_weights: np.ndarray
    magnitude_weights: np.ndarray
    rates: np.ndarray
    means: np.ndarray
    keep: np.ndarray
    choose: np.ndarray
    history: np.ndarray
    around: np.ndarray
    at: np.ndarray


def model() -> Model:
    """A model that has seen nothing. Before it learns, the predicted magnitude is a mix that served many networks."""
    trust = np.array([28, 34, 0, 30, 0, 12, 0, 0], np.int64) * UNIT // 100
    return Model(
        mixed=mixer(_CONTEXTS * DECISIONS, sets=3, choices=LEVELS * DECISIONS, weight=1 << 14, rate=3),
        offsets=contexts(LAST_BUCKET + 1),
        value_weights=np.zeros((_TAPS, _HISTORY), np.int64),
        magnitude_weights=np.tile(trust, (_TAPS, 1)),
        rates=np.array([655, 328]),
        means=np.array([ONE // 2, ONE // 2]),
        keep=np.ones((2, INPUTS), np.int64),
        choose=np.ones(2, np.int64),
        history=np.zeros(_HISTORY, np.int64),
        around=np.zeros(len(trust), np.int64),
        at=np.zeros((2, INPUTS), np.int64),
    )


class Memory(NamedTuple):
    """What one tensor leaves for the next: what its values taught, and how large its rows were."""

    model: Model
    links: Links


def memory() -> Memory:
    """The memory before the first tensor."""
    return Memory(model(), Links())


def write(encoder: tuple[int, int, int], out: np.ndarray, values: np.ndarray, learnt: Memory) -> tuple[tuple[int, int, int], np.ndarray]:
    """Code `values` `(rows, columns, taps)`; the encoder, and `out` or a longer copy of it."""
    encoder, out, _ = code_tensor(encoder, out, values, learnt.model, *_columns(values, learnt), False)
    learnt.links.note(values)
    return encoder, out


def read(decoder: tuple[int, int, int], data: np.ndarray, values: np.ndarray, learnt: Memory) -> tuple[tuple[int, int, int], bool]:
    """Fill `values`; the decoder, and whether the data hold such values."""
    decoder, _, well = code_tensor(decoder, data, values, learnt.model, *_columns(values, learnt), True)
    learnt.links.note(values)
    return decoder, well


def _columns(values: np.ndarray, learnt: Memory) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is expected of each column, and zeros for the sums of columns and cells."""
    return learnt.links.columns(values.shape[1]), np.zeros(values.shape[1], np.int64), np.zeros(values.shape[1:], np.int64)


@njit(cache=True, nogil=True, error_model="numpy")
def code_tensor(
    coder: tuple[int, int, int],
    data: np.ndarray,
    values: np.ndarray,
    learnt: Model,
    linked: np.ndarray,
    columns: np.ndarray,
    cells: np.ndarray,
    reading: bool,
) -> tuple[tuple[int, int, int], np.ndarray, bool]:
    """Write all of `values` `(rows, columns, taps)`, or fill them; the coder, the data (longer, perhaps) and whether all went well.

    Args:
        linked: how large each column may be, as `Links.columns` says.
        columns: zeros, int64 `(columns,)`, for the sum of magnitudes in each column.
        cells: zeros, int64 `(columns, taps)`, for the sum of magnitudes in each tap of each column.
    """
    taps = values.shape[2]
    history, around = learnt.history, learnt.around
    before, total, seen = max(learnt.means[0], _LEAST), int64(0), int64(0)
    for row in range(values.shape[0]):
        row_total, tensor_mean = int64(0), max((total + 32 * before) // (seen + 32), _LEAST)
        learnt.means[1] = tensor_mean
        forget(history)
        for column in range(columns.size):
            if reading and coder[2] > data.size:
                return coder, data, False
            tensor_mean = max((total + 32 * before) // (seen + 32), _LEAST)
            row_mean = (row_total + 8 * tensor_mean) // (column * taps + 8)
            start = _COLUMN_START * ((taps * tensor_mean * linked[column]) // EVEN)
            column_mean = (columns[column] + start) // ((row + _COLUMN_START) * taps)
            both = min(row_mean * column_mean // tensor_mean, LARGEST * ONE)
            kernel_total = int64(0)
            if taps > 1:
                forget(history)
            for tap in range(taps):
                if not reading:
                    data = roomy(data, coder[2])
                cell_mean = (cells[column, tap] + column_mean) // (row + 1)
                kernel_mean = (kernel_total + 2 * both) // (tap + 2)
                aside = limited(values[row, column - 1, tap]) if column > 0 else 0
                above = limited(values[row - 1, column, tap]) if row > 0 else 0
                around[0], around[1], around[2] = both, kernel_mean, cell_mean
                around[3], around[4], around[5] = abs(history[0]), abs(history[1]), abs(history[2])
                around[6], around[7] = abs(aside), abs(above)
                place = min(tap, _TAPS - 1)
                expected = predicted(history, learnt.value_weights[place])
                magnitude = max(predicted(around, learnt.magnitude_weights[place]), _LEAST)
                scale = (magnitude + tensor_mean) >> 1
                leaning = min(max((16 * expected + scale) // (2 * scale), -_FINEST), _FINEST)
                size = level(magnitude)
                look(learnt, place, size, row_mean, column_mean, kernel_mean, cell_mean)
                look_at_signs(learnt, place, column, leaning, size, aside, above)
                coder, value, well = code_value(coder, data, learnt, size, leaning, values[row, column, tap], reading)
                if reading:
                    if not well:
                        return coder, data, False
                    values[row, column, tap] = value
                found = limited(value)
                remember(learnt, place, found, expected, magnitude)
                cells[column, tap] += abs(found)
                kernel_total += abs(found)
            columns[column] += kernel_total
            row_total += kernel_total
            total += kernel_total
            seen += taps
    learnt.means[0] = (total + 32 * before) // (seen + 32)
    return coder, data, True


@njit(inline="always")
def remember(learnt: Model, tap: int, found: int, expected: int, magnitude: int) -> None:
    """Let both predictors learn from the value found, and put it at the front of the history."""
    history = learnt.history
    correct(history, learnt.value_weights[tap], found - expected, learnt.rates[0])
    correct(learnt.around, learnt.magnitude_weights[tap], abs(found) - magnitude, learnt.rates[1])
    learnt.means[1] += (abs(found - expected) - learnt.means[1]) >> 3
    for i in range(_HISTORY - 1, 0, -1):
        history[i] = history[i - 1]
    history[0] = found


@njit(inline="always")
def forget(history: np.ndarray) -> None:
    for i in range(_HISTORY):
        history[i] = 0


@njit(inline="always")
def look(learnt: Model, tap: int, size: int, row_mean: int, column_mean: int, kernel_mean: int, cell_mean: int) -> None:
    """The contexts of decisions on magnitude, but for the leaning."""
    at, history = learnt.at, learnt.history
    surprise = min(max((level(learnt.means[1]) >> 1) - 4, 0), 15)
    at[0, 0] = size >> 1
    at[0, 1] = surprise * 32 + (size >> 1)
    at[0, 2] = level(kernel_mean) * _TAPS + tap
    at[0, 3] = (level(cell_mean) >> 1) * 32 + (level(row_mean) >> 1)
    at[0, 4] = (level(column_mean) >> 1) * 32 + (level(row_mean) >> 1)
    at[0, 5] = min(abs(history[0]), 3 * ONE) // ONE * 4 + min(abs(history[1]), 3 * ONE) // ONE


@njit(inline="always")
def lean(learnt: Model, leaning: int) -> None:
    """How far the value is expected on the side that is being asked about goes into the two contexts that know of it."""
    learnt.at[0, 0] = (leaning + _FINEST) * 32 + learnt.at[0, 0] % 32
    learnt.at[0, 1] = ((leaning + 18) >> 2) * 512 + learnt.at[0, 1] % 512


@njit(inline="always")
def look_at_signs(learnt: Model, tap: int, column: int, leaning: int, size: int, aside: int, above: int) -> None:
    """The contexts of the decision on the sign."""
    at, history = learnt.at, learnt.history
    last, third = history[0], history[2]
    at[1, 0] = (leaning + _FINEST) * 32 + (size >> 1)
    at[1, 1] = (sign(third) * 3 + sign(aside)) * 3 + sign(last)
    at[1, 2] = ((five(last) * 5 + five(third)) * 5 + five(aside)) * _TAPS + tap
    at[1, 3] = (column * 3 + sign(above)) % _CONTEXTS
    at[1, 4] = (leaning + _FINEST) * _TAPS + tap
    at[1, 5] = ((leaning + _FINEST) * 3 + sign(above)) * 3 + sign(aside)


@njit
def sign(value: int) -> int:
    """0, 1, 2 for below, at, above zero."""
    return 1 + int64(value > 0) - int64(value < 0)


@njit(inline="always")
def code_value(
    coder: tuple[int, int, int], data: np.ndarray, learnt: Model, size: int, leaning: int, value: int, reading: bool
) -> tuple[tuple[int, int, int], int, bool]:
    """One value as a row of answers: is there some, is it negative, is its bucket beyond 0, beyond 1 … up to the first no; then the offset.

    Not well if the value lies beyond int64. One loop, because a second call of `decide` would cost a second of compiling.
    """
    magnitude = ~value if value < 0 else value - 1
    goal = int64(0) if reading or value == 0 else bucket_of(magnitude)
    step, negative, side = int64(0), int64(0), abs(leaning)
    while step < _UNARY + LAST_BUCKET:
        kind = int64(step == _SIGN)
        bit = int64(value != 0) if step == _SOME else int64(value < 0) if step == _SIGN else int64(goal > step - _UNARY)
        side = leaning if step == _SIGN else side
        lean(learnt, side)
        decision = min(step, DECISIONS - 1)
        for i in range(INPUTS):
            learnt.mixed.at[i] = learnt.at[kind, i] * learnt.keep[kind, i] * DECISIONS + decision
        by_size = size * learnt.choose[0] * DECISIONS + decision
        by_side = (side + _FINEST) * learnt.choose[1] * DECISIONS + decision
        coder, bit = decide(coder, data, learnt.mixed, (decision, by_size, by_side), bit, reading)
        if step == _SIGN:
            negative = bit
            side = -leaning if negative else leaning
        elif bit == 0:
            break
        step += 1
    if step == _SOME:
        return coder, int64(0), True
    coder, magnitude = code_offset(coder, data, learnt.offsets, step - _UNARY, magnitude, reading)
    if negative == 0 and magnitude == _LARGEST_INT64:
        return coder, int64(0), False
    return coder, ~magnitude if negative else magnitude + 1, True
