"""A price that rises while the size is above its schedule, and falls while it is below."""

import itertools
import math

import pytest

from laconic.methods.squeeze.steering import BELOW, DEAD_ZONES, HIGHEST, LOWEST, MOST, REST, START, WIDER, Schedule, gain_of


def test_the_schedule_falls_by_equal_shares_and_is_held_after_the_ramp() -> None:
    schedule = Schedule(start=16_000, target=1_000, ramp=0.5)
    sizes = [schedule.wanted(t) for t in (0.0, 0.125, 0.25, 0.375, 0.5, 0.75, 1.0)]
    ratios = [b / a for a, b in itertools.pairwise(sizes)]
    assert sizes[0] == 16_000
    assert ratios[:4] == pytest.approx([ratios[0]] * 4)
    assert sizes[4:] == pytest.approx([BELOW * 1_000] * 3)


def test_a_target_above_the_start_lets_the_size_grow() -> None:
    schedule = Schedule(start=1_000, target=5_000, ramp=0.5)
    assert schedule.wanted(0.0) == 1_000
    assert schedule.wanted(1.0) == pytest.approx(BELOW * 5_000)
    assert schedule.dead_zone(DEAD_ZONES[0], 4_000, 1.0) == DEAD_ZONES[0]


def test_too_large_makes_bytes_dearer_and_too_small_cheaper_within_limits() -> None:
    schedule = Schedule(16_000, 1_000, 0.5)
    for of in (schedule.level, schedule.price):
        assert of(0.01, 20_000, 0.0) > 0.01 > of(0.01, 10_000, 0.0)
    assert schedule.level(HIGHEST, 1e9, 1.0) == HIGHEST
    assert schedule.level(LOWEST, 1.0, 0.0) == LOWEST
    assert schedule.price(0.01, 1e9, 0.0) == pytest.approx(0.01 * math.exp(MOST))


def test_where_the_size_is_held_the_price_answers_to_less() -> None:
    schedule = Schedule(16_000, 1_000, 0.5)
    held, falling = schedule.level(0.01, 1.01 * BELOW * 1_000, 0.6), schedule.level(0.01, 1.01 * schedule.wanted(0.25), 0.25)
    assert held > falling > 0.01


def test_at_first_all_bytes_together_cost_a_tenth() -> None:
    assert Schedule(16_000, 1_000, 0.5).first() * 16_000 / 1_000 == pytest.approx(START)
    assert Schedule(1_000, 5_000, 0.5).first() == START


def test_the_dead_zone_waits_for_the_ramp_then_follows_the_size_within_limits() -> None:
    schedule = Schedule(16_000, 1_000, 0.5)
    assert schedule.dead_zone(0.6, 9_000, 0.49) == 0.6
    assert schedule.dead_zone(0.6, BELOW * 1_000, 0.5) == pytest.approx(0.6 - REST)
    assert schedule.dead_zone(0.6, 1.004 * BELOW * 1_000, 0.5) == pytest.approx(0.6 - REST)
    assert 0.6 < schedule.dead_zone(0.6, 1_001, 0.5) < 0.6 + WIDER
    assert schedule.dead_zone(0.6, 9_000, 0.5) == pytest.approx(0.6 + WIDER)
    assert schedule.dead_zone(0.6, 900, 1.0) == pytest.approx(0.6 - WIDER)
    assert schedule.dead_zone(DEAD_ZONES[1], 9_000, 1.0) == DEAD_ZONES[1]
    assert schedule.dead_zone(DEAD_ZONES[0], 900, 1.0) == DEAD_ZONES[0]


@pytest.mark.parametrize(("halving", "steps"), [(20, 400), (50, 400), (400, 4_000), (2_000, 40_000)])
@pytest.mark.parametrize("yields", [10, 100, 300])
def test_a_size_that_follows_the_price_arrives_at_the_target(halving: int, steps: int, yields: int) -> None:
    """Of a network whose size goes, with a lag, to start / (1 + yields · λ)."""
    schedule, every = Schedule(100_000, 10_000, 0.6, gain_of(10, steps)), 10
    size, level, price = 100_000.0, schedule.first(), schedule.first()
    for step in range(0, steps, every):
        size += (100_000 / (1 + yields * price) - size) * (1 - 0.5 ** (every / halving))
        level = schedule.level(level, size, step / steps)
        price = schedule.price(level, size, step / steps)
    assert size == pytest.approx(10_000, rel=0.15)
