"""Contestants that take turns, under two clocks: the wall's, which counts, and the processor's, which tells when not to trust it."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from laconic.base.latency import WARM_UP, clock, ratio
from laconic.base.measures import Measure, timing

if TYPE_CHECKING:
    from laconic.runtime import Session

Contestant = tuple[str, Callable[[], Any]]
"""Its name, and one call."""


@dataclass(frozen=True)
class Timed:
    """What one contestant took: milliseconds of wall clock and of this process's processors, round by round."""

    name: str
    wall: list[float]
    cpu: list[float]

    @property
    def measure(self) -> Measure:
        """The median call."""
        return timing(self.wall, "ms", "wall clock of one call")

    @property
    def cpu_ms(self) -> float:
        """Processor time of the median call."""
        return timing(self.cpu, "ms", "").value

    @property
    def calm(self) -> float:
        """Processor time as a share of the wall clock: 1 for one thread that nobody disturbs."""
        return sum(self.cpu) / sum(self.wall)


def take_turns(contestants: Sequence[Contestant], repeats: int) -> list[Timed]:
    """Each contestant once a round; the first rounds are not counted."""
    cpu: list[list[float]] = [[] for _ in contestants]

    def counted(place: int) -> Callable[[], None]:
        def call() -> None:
            start = time.process_time()
            contestants[place][1]()
            cpu[place].append((time.process_time() - start) * 1000)

        return call

    wall = clock({str(place): counted(place) for place in range(len(contestants))}, repeats)
    return [Timed(name, wall[str(place)], cpu[place][WARM_UP:]) for place, (name, _) in enumerate(contestants)]


def random_inputs(session: "Session", batch: int) -> np.ndarray:
    """Of the session's shape and type, `(batch, *shape)`; sides that are free are 1, tokens 0 or 1."""
    rng, shape = np.random.Generator(np.random.PCG64(0)), (batch, *(side or 1 for side in session.sample_shape))
    return rng.integers(0, 2, shape) if session.takes_tokens else rng.standard_normal(shape, np.float32)


def ratios(ours: Timed, theirs: Timed) -> tuple[Measure, float]:
    """How many times as fast ours is: by the wall clock, pair by pair, and by processor time (NaN where its clock is too coarse)."""
    cpu = sum(theirs.cpu) / sum(ours.cpu) if sum(ours.cpu) else math.nan
    return ratio(theirs.wall, ours.wall, "pairs that took turns, wall clock"), cpu
