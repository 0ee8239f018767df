"""Non-negative integers as a bucket and an offset in it: 0 … 7 have buckets of their own; from there on, four buckets make an octave.

A bucket is coded in unary, one decision a bucket, so that each decision can be predicted; small integers, the common ones, take as
many decisions as they are large, and the largest of int64 takes 248. An offset has as many bits as its bucket is wide; the first of
them is predicted by the bucket alone, the others count as random.
"""

import numpy as np
from numba import int64, njit

from laconic.codec.adaptive import estimate, learn
from laconic.codec.context.duplex import code

LONE = 8
"""Buckets below hold one integer each."""

LAST_BUCKET = 247
_EVEN = int64(1 << 15)


@njit
def bucket_of(magnitude: int) -> int:
    """The bucket of `magnitude` in `[0, 2⁶³)`."""
    if magnitude < LONE:
        return magnitude
    width = 0
    while magnitude >> width >= LONE:
        width += 1
    return LONE + 4 * (width - 1) + (magnitude >> width) - 4


@njit
def code_offset(
    coder: tuple[int, int, int], data: np.ndarray, table: np.ndarray, bucket: int, magnitude: int, reading: bool
) -> tuple[tuple[int, int, int], int]:
    """The whole magnitude, after its bucket is known; written, or read and then the argument means nothing.

    Args:
        table: a context of `codec.adaptive` for each bucket.
    """
    if bucket < LONE:
        return coder, int64(bucket)
    width = (bucket - LONE) // 4 + 1
    known = int64(4 + (bucket - LONE) % 4)
    for place in range(width - 1, -1, -1):
        bit = (magnitude >> place) & 1
        if place == width - 1:
            coder, bit = code(coder, data, estimate(table, bucket), bit, reading)
            learn(table, bucket, bit)
        else:
            coder, bit = code(coder, data, _EVEN, bit, reading)
        known = 2 * known + bit
    return coder, known
