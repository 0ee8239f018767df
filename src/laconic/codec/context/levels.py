"""Magnitudes on a scale of ratios, so that a few hundred contexts tell apart what matters from 1/64 up to 4096.

Mean magnitudes are held in units of 1/256. Level 0 is below 1/64; from there on, three levels make an octave.
"""

import numpy as np
from numba import njit

ONE = 256
"""A magnitude of 1."""

LARGEST = 4095
"""Neighbours count with at most this magnitude, so that sums stay far inside int64."""

LEVELS = 64
"""Every level is below; the highest that occurs is 54."""

_HALFWAY = 4096
_OCTAVES = 6
_TABLE = np.array([(parts**3).bit_length() for parts in range(_HALFWAY)], np.int64)


def lowest() -> np.ndarray:
    """The lowest magnitude of each level, int64 `(55,)`."""
    fine = np.searchsorted(_TABLE, np.arange(_TABLE[-1] + 1))
    coarse = fine[fine >= _HALFWAY >> _OCTAVES] << _OCTAVES
    return np.concatenate([fine, coarse[coarse >= _HALFWAY]]) << 2


@njit
def level(magnitude: int) -> int:
    """The level of a `magnitude` from 0 on, in units of 1/256; beyond `LARGEST`, where sums of several can be, that of `LARGEST`."""
    parts = magnitude >> 2
    if parts < _HALFWAY:
        return _TABLE[parts]
    return _TABLE[min(parts >> _OCTAVES, _HALFWAY - 1)] + 3 * _OCTAVES


@njit
def limited(value: int) -> int:
    """`value` in units of 1/256, after it was brought between −`LARGEST` and `LARGEST`."""
    return min(max(value, -LARGEST), LARGEST) * ONE


@njit
def five(value: int) -> int:
    """Sign and rough size of a `value` in units of 1/256: 0 … 4 for −2 and below, −1, 0, 1, 2 and above."""
    return min(max(value >> 8, -2), 2) + 2
