"""One timed run with processor time as its guard: where wall clock is ahead of it, others were at work, and the run does not count."""

import time
from collections.abc import Callable, Mapping
from typing import Any

INTERRUPTED = 1.1  # wall clock in processor times, from which on a run counts as interrupted
TRIES = 20  # then it counts as it is


def timed(run: Callable[[], Any]) -> tuple[float, float]:
    """Wall clock and processor time in ms, of the first run that was not interrupted."""
    for _ in range(TRIES):
        wall, processor = time.perf_counter(), time.process_time()
        run()
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        if wall <= INTERRUPTED * processor:
            break
    return 1000 * wall, 1000 * processor


def in_turns(runs: Mapping[str, Callable[[], Any]], rounds: int, warm_up: int = 5) -> dict[str, list[float]]:
    """Wall clock of every run in ms, round after round, all runs in each; the first rounds are not counted."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for round_ in range(-warm_up, rounds):
        for name, run in runs.items():
            wall, _ = timed(run)
            if round_ >= 0:
                found[name].append(wall)
    return found
