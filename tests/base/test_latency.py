"""Clocking, against a clock of our own: what is measured, in which order, and how it is summed up."""

from collections.abc import Callable

import pytest

from laconic.base.latency import WARM_UP, clock, interleave, ratio


class Clock:
    """Stands still until something takes its time."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.log: list[str] = []

    def work(self, name: str, *seconds: float) -> Callable[[], None]:
        """A run that takes these times in turn, the last one ever after."""
        left = list(seconds)

        def run() -> None:
            self.log.append(name)
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return run


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("laconic.base.latency.time.perf_counter", lambda: clock.now)
    return clock


def test_runs_take_turns_after_warming_up(fake: Clock) -> None:
    clock({"a": fake.work("a", 1), "b": fake.work("b", 1)}, repeats=4)
    assert fake.log == ["a"] * WARM_UP + ["b"] * WARM_UP + ["a", "b"] * 4


def test_every_run_is_clocked_by_itself_in_milliseconds(fake: Clock) -> None:
    warm = (9.0,) * WARM_UP
    times = clock({"a": fake.work("a", *warm, 0.25, 0.5, 1.0), "b": fake.work("b", *warm, 0.125)}, repeats=3)
    assert times == {"a": [250.0, 500.0, 1000.0], "b": [125.0, 125.0, 125.0]}


def test_a_measure_is_the_median_with_half_the_quartiles_distance(fake: Clock) -> None:
    warm = (9.0,) * WARM_UP
    found = interleave({"a": fake.work("a", *warm, 0.5, 0.25, 64.0, 0.375, 0.125)}, repeats=5, how="two threads")["a"]
    assert (found.value, found.unit, found.n) == (375.0, "ms", 5)
    assert found.spread == (32250.0 - 187.5) / 2  # quartiles of 125, 250, 375, 500, 64 000
    assert found.how == "wall clock, two threads"


def test_a_ratio_is_that_of_pairs() -> None:
    """Drift that meets both alike cancels in pairs; the ratio of the medians would say 1.5."""
    found = ratio([2.0, 20.0, 3.0], [1.0, 10.0, 2.0], "paired")
    assert (found.value, found.unit, found.n, found.how) == (2.0, "x", 3, "paired")


def test_pairs_must_be_pairs() -> None:
    with pytest.raises(ValueError, match="zip"):
        ratio([1.0, 2.0], [1.0], "paired")
