"""Magnitudes on a scale of ratios, so that a few dozen contexts tell apart what matters, from 1/4096 up to 400.

Means and neighbours are held in units of 2⁻¹⁴: in a network of which one weight in a thousand is left, mean magnitudes are as small as
that, and still differ from row to row. Level 0 is below 1/4096; from there on, three levels make an octave.
"""

from bisect import bisect_left
from functools import cache

import numpy as np
from numba import njit

BITS = 14
ONE = 1 << BITS
"""A magnitude of 1."""

LARGEST = 4095
"""Neighbours count with at most this magnitude, so that sums stay far inside int64."""

LEVELS = 64
"""Every level is below; the last holds magnitudes from 408 on."""

_OCTAVE = 3
_HALFWAY = 4096
_LEAST = _OCTAVE * (BITS - 12)
_BEYOND = 1 << 24  # a magnitude of the last level
_TABLE = np.array([(magnitude**_OCTAVE).bit_length() for magnitude in range(_HALFWAY)], np.int64)


@cache
def lowest() -> np.ndarray:
    """The lowest magnitude of each level, int64 `(LEVELS,)`."""
    return np.array([bisect_left(range(_BEYOND), wanted, key=level) for wanted in range(LEVELS)], np.int64)


@njit
def level(magnitude: int) -> int:
    """The level of `magnitude`, in units of 2⁻¹⁴, from 0 on; sums of several can lie beyond `LARGEST`."""
    if magnitude < _HALFWAY:
        found = _TABLE[magnitude]
    elif magnitude < _HALFWAY << 8:
        found = _TABLE[magnitude >> 8] + 8 * _OCTAVE
    else:
        found = _TABLE[min(magnitude >> 16, _HALFWAY - 1)] + 16 * _OCTAVE
    return min(max(found - _LEAST, 0), LEVELS - 1)


@njit
def limited(value: int) -> int:
    """`value` in units of 2⁻¹⁴, after it was brought between −`LARGEST` and `LARGEST`."""
    return min(max(value, -LARGEST), LARGEST) * ONE


@njit
def five(value: int) -> int:
    """Sign and rough size of a `value` in units of 2⁻¹⁴: 0 … 4 for −2 and below, −1, 0, 1, 2 and above."""
    return min(max(value >> BITS, -2), 2) + 2
