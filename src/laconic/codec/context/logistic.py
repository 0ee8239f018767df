"""The logistic scale, on which predictions add up: stretch(p) = ln(p / (1 − p)), and its inverse, squash.

Probabilities are in units of 2⁻¹⁶, stretched ones in units of 1/256, from −2047 to 2047. Both tables are made of whole numbers
alone, so that they are the same on every machine.
"""

import numpy as np
from numba import njit

from laconic.codec.limits import LEAST_PROBABILITY

BOUND = 2047
_UNIT = 1 << 64
_STEPS = 1 << 12


def _exponentials() -> list[int]:
    """exp(i / 256) in units of 2⁻⁶⁴, for i from 0 to `BOUND`: the series for 1 / 256, and then its powers."""
    base, term, order = 0, _UNIT, 0
    while term:
        base, order = base + term, order + 1
        term //= 256 * order
    powers = [_UNIT]
    for _ in range(BOUND):
        powers.append(powers[-1] * base // _UNIT)
    return powers


def _squashed() -> np.ndarray:
    """int64 `(2 · BOUND + 1,)`: probabilities of the stretched values from −`BOUND` on."""
    upper = [(power << 16) // (power + _UNIT) for power in _exponentials()]
    both = [(1 << 16) - p for p in reversed(upper[1:])] + upper
    return np.clip(np.array(both, np.int64), LEAST_PROBABILITY, (1 << 16) - LEAST_PROBABILITY)


def _stretched() -> np.ndarray:
    """int64 `(4096,)`: the stretched values of the middles of as many equal parts of [0, 1]."""
    middles = np.arange(_STEPS) * 16 + 8
    return np.searchsorted(_SQUASH, middles) - BOUND


_SQUASH = _squashed()
_STRETCH = np.clip(_stretched(), -BOUND, BOUND).astype(np.int64)


@njit
def squash(stretched: int) -> int:
    """The probability of any `stretched` value; values beyond the bounds count as the bounds."""
    return _SQUASH[min(max(stretched, -BOUND), BOUND) + BOUND]


@njit
def stretch(probability: int) -> int:
    """The stretched value of a `probability` in units of 2⁻¹², from 0 to 4095."""
    return _STRETCH[probability]
