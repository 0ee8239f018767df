"""How dear a byte is: a price λ that a controller moves so that the size falls on a schedule and arrives where it should.

Over the first part of the training the size falls by the same share with every step, then it is held; while it is above what the schedule
allows at the moment, λ grows.
"""

import math
from dataclasses import dataclass

START, LOWEST, HIGHEST = 1e-2, 1e-6, 1.0
GAIN, TRAVEL = 0.005, 8.0  # how much ln λ moves at most, in a step of training; how much in a whole training if it must
SLOPE = 4.0  # by how much more it moves the further off the size is
BELOW = 0.99  # of the target is aimed at: what the estimate misses would otherwise miss the target as well


@dataclass(frozen=True)
class Schedule:
    """The size that is wanted at every moment.

    Args:
        start: bytes before the first step.
        target: bytes at the end.
        ramp: share of the training after which the target is to be reached.
        gain: how much ln λ moves at most in one of them.

    >>> Schedule(1e6, 1e4, 0.5, 0.1).wanted(0.25)
    99498.74371066199
    """

    start: float
    target: float
    ramp: float
    gain: float = GAIN

    def wanted(self, progress: float) -> float:
        """Bytes, after this share of the training."""
        target = BELOW * self.target
        return self.start * (min(target / self.start, 1.0)) ** min(progress / self.ramp, 1.0)

    def steer(self, price: float, bytes_now: float, progress: float) -> float:
        """The next λ, given the one that led to a size of `bytes_now`."""
        off = SLOPE * math.log(bytes_now / self.wanted(progress))
        return min(max(price * math.exp(self.gain * min(max(off, -1.0), 1.0)), LOWEST), HIGHEST)


def gain_of(every: int, steps: int) -> float:
    """How much ln λ may move at a time, where that happens every so many of all steps."""
    return every * max(GAIN, TRAVEL / max(steps, 1))
