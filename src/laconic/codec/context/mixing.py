"""Logistic mixing (Mahoney 2005, the PAQ family): many probabilities of one decision into one.

Every context of a decision has a probability; a weighted sum of the stretched ones is the stretched mix. Three sets of weights are at
work at once, each chosen by something else that is known, and their mixes are averaged on the logistic scale. Weights move along the
gradient of the cost of the bit just seen: by rate · error · input.

A context's probability is held with the number of bits it has seen, in one int32: 21 bits, and 10 bits. It moves by
1 / (seen + 3/2), so it is the frequency of the first thousand bits, and forgets slowly from then on.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from laconic.codec.context.duplex import code
from laconic.codec.context.logistic import squash, stretch

INPUTS = 6
_SEEN_BITS = 10
_MOST_SEEN = (1 << _SEEN_BITS) - 1
_FINE = 21
_STEPS = np.array([(1 << 17) // (2 * seen + 3) for seen in range(_MOST_SEEN + 1)], np.int64)
_FULL = (1 << _FINE) - 1


class Mixer(NamedTuple):
    """What has been learnt, and where the decision at hand stands.

    Args:
        counters: int32 `(INPUTS, contexts)`.
        weights: int64 `(sets, choices, INPUTS)` in units of 2⁻¹⁶.
        rate: of the weights, int64 `(1,)`, in units of 1/256.
        stretched: scratch, int64 `(INPUTS,)`.
    """

    counters: np.ndarray
    weights: np.ndarray
    rate: np.ndarray
    stretched: np.ndarray
    at: np.ndarray


def mixer(contexts: int, sets: int, choices: int, weight: int, rate: int) -> Mixer:
    """A mixer that has seen nothing, and trusts every input with the same `weight`."""
    counters = np.full((INPUTS, contexts), 1 << (_FINE - 1 + _SEEN_BITS), np.int32)
    return Mixer(
        counters,
        np.full((sets, choices, INPUTS), weight, np.int64),
        np.array([rate]),
        np.zeros(INPUTS, np.int64),
        np.zeros(INPUTS, np.int64),
    )


@njit(inline="always")
def decide(
    coder: tuple[int, int, int], data: np.ndarray, mixed: Mixer, chosen: tuple[int, int, int], bit: int, reading: bool
) -> tuple[tuple[int, int, int], int]:
    """Code one decision, and learn from it.

    Args:
        at: the context of each input, int64 `(INPUTS,)`.
        chosen: the choice of weights in each set.
    """
    for i in range(INPUTS):
        mixed.stretched[i] = stretch(mixed.counters[i, mixed.at[i]] >> (_SEEN_BITS + _FINE - 12))
    first, second, third = dot(mixed, 0, chosen[0]), dot(mixed, 1, chosen[1]), dot(mixed, 2, chosen[2])
    coder, bit = code(coder, data, squash((first + second + third) // 3), bit, reading)
    reward(mixed, 0, chosen[0], first, bit)
    reward(mixed, 1, chosen[1], second, bit)
    reward(mixed, 2, chosen[2], third, bit)
    for i in range(INPUTS):
        count(mixed.counters, i, mixed.at[i], bit)
    return coder, bit


@njit
def dot(mixed: Mixer, group: int, choice: int) -> int:
    """The mix of one set of weights, stretched."""
    total = 0
    for i in range(INPUTS):
        total += mixed.weights[group, choice, i] * mixed.stretched[i]
    return total >> 16


@njit
def reward(mixed: Mixer, group: int, choice: int, mix: int, bit: int) -> None:
    """Move the weights of one set towards what would have predicted `bit` better."""
    step = ((bit << 16) - squash(mix)) * mixed.rate[0]
    for i in range(INPUTS):
        mixed.weights[group, choice, i] += (step * mixed.stretched[i]) >> 16


@njit
def count(counters: np.ndarray, group: int, context: int, bit: int) -> None:
    """Move a context's probability towards `bit`."""
    state = np.int64(counters[group, context])
    probability, seen = state >> _SEEN_BITS, state & _MOST_SEEN
    probability += ((bit * _FULL - probability) * _STEPS[seen]) >> 16
    counters[group, context] = probability << _SEEN_BITS | min(seen + 1, _MOST_SEEN)
