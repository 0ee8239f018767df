"""This machine's ceilings, measured: how fast it can multiply and how fast it can fetch, on one thread.

S. Williams, A. Waterman, D. Patterson, "Roofline: An Insightful Visual Performance Model for Multicore Architectures", CACM 52 (4), 2009: a
kernel that does I operations for each byte that it moves runs at min(peak, I · bandwidth) at best.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import torch

from laconic.base.measures import Measure, timing

SIDE = 768  # of the matrices that are multiplied: large enough for full speed
COPIED = 64 << 20  # bytes of the array that is copied: more than caches hold
REPEATS = 9


@dataclass(frozen=True)
class Roofline:
    """Two ceilings of this machine.

    Args:
        compute: GFLOP/s of a large float32 product; a multiply-add is two operations.
        bandwidth: GB/s of a large copy, bytes read and written.

    >>> roof = Roofline(Measure(100, "GFLOP/s", "said"), Measure(20, "GB/s", "said"))
    >>> roof.attainable(1), roof.attainable(50)
    (20, 100)
    """

    compute: Measure
    bandwidth: Measure

    def attainable(self, intensity: float) -> float:
        """GFLOP/s at best, of what does so many operations for each byte."""
        return min(self.compute.value, intensity * self.bandwidth.value)

    @property
    def ridge(self) -> float:
        """Operations a byte from which on the multiplier is the limit, and not the memory."""
        return self.compute.value / self.bandwidth.value


@functools.cache
def roofline() -> Roofline:
    """Measured once in a process, on one thread, in about a second. Call it where torch has one thread."""
    left, right, product = torch.rand(SIDE, SIDE), torch.rand(SIDE, SIDE), torch.empty(SIDE, SIDE)
    source, target = torch.ones(COPIED // 4), torch.ones(COPIED // 4)
    return Roofline(
        _rate(lambda: torch.mm(left, right, out=product), 2 * SIDE**3, "GFLOP/s", "float32 product of large matrices, one thread"),
        _rate(lambda: target.copy_(source), 2 * COPIED, "GB/s", "copy of a large array, read and written, one thread"),
    )


def _rate(work: Callable[[], object], amount: int, unit: str, how: str) -> Measure:
    work()
    rates = []
    for _ in range(REPEATS):
        start = perf_counter()
        work()
        rates.append(amount / (perf_counter() - start) / 1e9)
    return timing(rates, unit, how)
