"""Latency as a person would clock it: interleaved, because machines are shared and drift."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from laconic.base.measures import Measure, timing

WARM_UP = 3


def interleave(runs: Mapping[str, Callable[[], Any]], repeats: int = 50, how: str = "one thread") -> dict[str, Measure]:
    """Median wall clock of each run in ms, the runs taking turns so that drift meets all of them alike."""
    return {name: timing(times, "ms", f"wall clock, {how}") for name, times in clock(runs, repeats).items()}


def ratio(slow: list[float], fast: list[float], how: str) -> Measure:
    """How many times as fast: the median of the paired ratios slow / fast."""
    return timing([s / f for s, f in zip(slow, fast, strict=True)], "x", how)


def clock(runs: Mapping[str, Callable[[], Any]], repeats: int = 50, warm_up: int = WARM_UP) -> dict[str, list[float]]:
    """Wall clock of every single run in ms, round after round; the first of each run are not counted."""
    for run in runs.values():
        for _ in range(warm_up):
            run()
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            times[name].append((time.perf_counter() - start) * 1000)
    return times
