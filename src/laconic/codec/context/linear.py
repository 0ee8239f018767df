"""Linear prediction that learns as it goes: the normalised least-mean-squares rule (Widrow & Hoff 1960; Nagumo & Noda 1967).

Inputs and predictions are in units of 2⁻¹⁴, weights in units of 2⁻²⁰. Each weight moves by rate · error · input / (Σ input² + 1/2).
"""

import numpy as np
from numba import njit

from laconic.codec.context.levels import LARGEST, ONE

INPUTS = 8
UNIT = 1 << 20
_HEAVIEST = 16 * UNIT
_HALF = ONE * ONE // 2


@njit
def predicted(inputs: np.ndarray, weights: np.ndarray) -> int:
    """Σ weight · input, brought between −`LARGEST` and `LARGEST`."""
    total = 0
    for i in range(INPUTS):
        total += inputs[i] * weights[i]
    return min(max(total >> 20, -LARGEST * ONE), LARGEST * ONE)


@njit
def correct(inputs: np.ndarray, weights: np.ndarray, error: int, rate: int) -> None:
    """Move the weights so that the prediction would have erred less.

    Args:
        error: the true value less the prediction.
        rate: in units of 2⁻¹⁶.
    """
    power = _HALF
    for i in range(INPUTS):
        power += inputs[i] * inputs[i]
    scaled = (error << 28) // power
    for i in range(INPUTS):
        weight = weights[i] + ((scaled * inputs[i] * rate) >> 24)
        weights[i] = min(max(weight, -_HEAVIEST), _HEAVIEST)
