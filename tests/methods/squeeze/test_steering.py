"""A price that rises while the size is above its schedule, and falls while it is below."""

import itertools

import pytest

from laconic.methods.squeeze.steering import BELOW, HIGHEST, LOWEST, START, Schedule, gain_of


def test_the_schedule_falls_by_equal_shares_and_is_held_after_the_ramp() -> None:
    schedule = Schedule(start=16_000, target=1_000, ramp=0.5)
    sizes = [schedule.wanted(t) for t in (0.0, 0.125, 0.25, 0.375, 0.5, 0.75, 1.0)]
    ratios = [b / a for a, b in itertools.pairwise(sizes)]
    assert sizes[0] == 16_000
    assert ratios[:4] == pytest.approx([ratios[0]] * 4)
    assert sizes[4:] == pytest.approx([BELOW * 1_000] * 3)


def test_a_target_above_the_start_asks_for_nothing() -> None:
    assert Schedule(start=1_000, target=5_000, ramp=0.5).wanted(1.0) == 1_000


def test_too_large_makes_bytes_dearer_and_too_small_cheaper_within_limits() -> None:
    schedule = Schedule(16_000, 1_000, 0.5)
    assert schedule.steer(START, 20_000, 0.0) > START > schedule.steer(START, 10_000, 0.0)
    assert schedule.steer(HIGHEST, 1e9, 1.0) == HIGHEST
    assert schedule.steer(LOWEST, 1.0, 0.0) == LOWEST


@pytest.mark.parametrize(("halving", "steps"), [(20, 400), (400, 4_000), (2_000, 40_000)])
def test_a_size_that_follows_the_price_arrives_at_the_target(halving: int, steps: int) -> None:
    """Of a plant whose size goes, with a lag, to start / (1 + 100 λ)."""
    schedule, size, price, every = Schedule(100_000, 10_000, 0.6, gain_of(10, steps)), 100_000.0, START, 10
    for step in range(0, steps, every):
        size += (100_000 / (1 + 100 * price) - size) * (1 - 0.5 ** (every / halving))
        price = schedule.steer(price, size, step / steps)
    assert size == pytest.approx(10_000, rel=0.1)
