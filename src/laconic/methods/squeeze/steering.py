"""How dear the file's bytes are: a price λ that a controller moves so that the size falls on a schedule and arrives where it should.

Over the first part of the training the size falls by the same share with every step, then it is held. While it is above what the schedule
allows, λ is raised: at once, in proportion (which keeps it from swinging), and bit by bit for as long as that lasts.
"""

import math
from dataclasses import dataclass

START, LOWEST, HIGHEST = 0.1, 1e-5, 3.0  # START: of the loss, at the size that there is at the start
GAIN, TRAVEL = 0.005, 8.0  # how much ln λ creeps at most, in a step of training; how much in a whole training if it must
SLOPE, HELD = 4.0, 12.0  # by how much more it creeps the further off the size is; once the size is to be held
KICK, MOST = 8.0, 1.5  # ln λ is raised at once by so many times ln(size / wanted), by that at most
WIDER, SHARP = 0.01, 50.0  # how much the dead zone grows or shrinks at most at a time, in steps; a fiftieth outside of the band it does
BAND, REST = 0.005, 0.001  # so far off, in logarithms, the price is left to itself, and the dead zone goes back by so much at a time
DEAD_ZONES = 0.5, 0.9  # in steps; the first is plain rounding
BELOW = 0.99  # of the target is aimed at: what the estimate misses would otherwise miss the target as well


@dataclass(frozen=True)
class Schedule:
    """The size that is wanted at every moment.

    Args:
        start: bytes before the first step.
        target: bytes at the end.
        ramp: share of the training after which the target is to be reached.
        gain: how much ln λ creeps at most from one correction to the next.

    >>> round(Schedule(1e6, 1e4, 0.5, 0.1).wanted(0.25))
    99499
    """

    start: float
    target: float
    ramp: float
    gain: float = GAIN

    def wanted(self, progress: float) -> float:
        """Bytes, after this share of the training."""
        target = BELOW * self.target
        return self.start * (target / self.start) ** min(progress / self.ramp, 1.0)

    def first(self) -> float:
        """λ for the first steps."""
        return START * min(self.target / self.start, 1.0)

    def level(self, level: float, bytes_now: float, progress: float) -> float:
        """Where λ creeps to from `level`."""
        slope = SLOPE if progress < self.ramp else HELD
        return _between(level * math.exp(self.gain * _between(slope * self._off(bytes_now, progress), -1, 1)), LOWEST, HIGHEST)

    def price(self, level: float, bytes_now: float, progress: float) -> float:
        """λ, given its level."""
        return level * math.exp(_between(KICK * self._off(bytes_now, progress), -MOST, MOST))

    def dead_zone(self, dead_zone: float, bytes_now: float, progress: float) -> float:
        """How wide the dead zone becomes, in steps; as it was where the size is still to fall."""
        if progress < self.ramp:
            return dead_zone
        off = self._off(bytes_now, progress)
        outside = off - _between(off, -BAND, BAND)
        return _between(dead_zone + (WIDER * _between(SHARP * outside, -1, 1) if outside else -REST), *DEAD_ZONES)

    def _off(self, bytes_now: float, progress: float) -> float:
        return math.log(bytes_now / self.wanted(progress))


def gain_of(every: int, steps: int) -> float:
    """How much ln λ may creep at a time, where that happens every so many of all steps."""
    return every * max(GAIN, TRAVEL / max(steps, 1))


def _between(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)
