"""One function for both directions, so that a model is told once and encoder and decoder cannot drift apart."""

import numpy as np
from numba import njit

from laconic.codec.arithmetic import get, put


@njit
def code(coder: tuple[int, int, int], data: np.ndarray, probability: int, bit: int, reading: bool) -> tuple[tuple[int, int, int], int]:
    """Write `bit` into `data` and return it; or read it from `data`, and then the argument means nothing.

    Args:
        coder: an encoder or a decoder of `codec.arithmetic`.
        probability: of a 1, in units of 2⁻¹⁶.
    """
    if reading:
        return get(coder, data, probability)
    return put(coder, data, probability, bit), bit
