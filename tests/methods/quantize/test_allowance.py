"""How coarse the grids may be when every trial has its luck: the search must not pick the trials that had it."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from laconic.methods.quantize.allowance import Drop, coarsest, law
from laconic.methods.quantize.search import boundary

FINEST, COARSEST = 0.01, 50.0
SAMPLES = 5_000


def true_drop(coarseness: float) -> float:
    """As that of ResNet-20 on CIFAR-10: 0.6 points at 2.2."""
    return 0.6 * (coarseness / 2.2) ** 2.75


def trials_of(seed: int, asked: list[float]) -> Callable[[float], Drop]:
    """Half of what a trial is off by is in the samples, and the same in all trials of one search."""
    rng = np.random.default_rng(seed)
    shared = rng.normal()

    def tried(coarseness: float) -> Drop:
        asked.append(coarseness)
        error = 0.27 * (coarseness / 2.2) ** 0.5
        off = error * (shared + rng.normal()) / math.sqrt(2)
        return Drop(round((true_drop(coarseness) + off) * SAMPLES / 100) * 100 / SAMPLES, error)

    return tried


@pytest.mark.parametrize("most", [0.5, 1.0, 3.0])
def test_what_is_allowed_holds_on_other_samples_too(most: float) -> None:
    found, luckiest, numbers = [], [], []
    for seed in range(100):
        asked: list[float] = []
        coarseness, _ = coarsest(trials_of(seed, asked), most, 1.0, FINEST, COARSEST)
        assert coarseness in asked
        assert len(set(asked)) == len(asked)
        found.append(true_drop(coarseness))
        numbers.append(len(asked))
        tried = trials_of(seed, [])
        passed, _ = boundary(lambda at, tried=tried: tried(at).mean <= most, 1.0, FINEST, COARSEST)  # type: ignore[misc]
        luckiest.append(true_drop(passed or FINEST))
    assert np.mean(np.array(found) <= most) > 0.75 > np.mean(np.array(luckiest) <= most)
    assert np.mean(found) > 0.5 * most
    assert np.mean(numbers) < 7


def test_the_drop_of_the_grids_that_are_taken_was_seen_to_be_allowed() -> None:
    for seed in range(100):
        seen: dict[float, Drop] = {}
        tried = trials_of(seed, [])
        found, least = coarsest(lambda at, seen=seen, tried=tried: seen.setdefault(at, tried(at)), 0.5, 1.0, FINEST, COARSEST)  # type: ignore[misc]
        assert found is not None
        assert seen[found].mean <= 0.5 + 1e-9
        assert least == min(drop.mean for drop in seen.values())


def test_no_more_than_half_is_spared_where_few_samples_judge() -> None:
    found, _ = coarsest(lambda at: Drop(true_drop(at), 1.5), 1.0, 1.0, FINEST, COARSEST)
    assert found is not None
    assert true_drop(found) == pytest.approx(0.5, rel=0.1)


def test_where_nothing_drops_the_coarsest_is_taken_and_where_everything_does_none() -> None:
    for mean, expected in ((0.0, COARSEST), (-1.0, COARSEST), (7.0, None)):
        for drop in (Drop(mean, 0.0), Drop(mean, 0.3)):
            assert coarsest(lambda _, drop=drop: drop, 0.5, 1.0, FINEST, COARSEST) == (expected, mean)  # type: ignore[misc]


@pytest.mark.parametrize("start", [1e-9, FINEST, 1.0, COARSEST, 1e9])
def test_trials_stay_in_their_range(start: float) -> None:
    for seed in range(20):
        asked: list[float] = []
        coarsest(trials_of(seed, asked), 0.5, start, FINEST, COARSEST)
        assert all(FINEST <= at <= COARSEST for at in asked)


def test_an_unsure_trial_far_off_hardly_bends_the_law() -> None:
    trials = {at: Drop(0.2 * at**2, 0.02) for at in (0.5, 1.0, 1.5, 2.0)}
    factor, power = law({**trials, 8.0: Drop(60.0, 1.0)})
    assert factor * 2**power == pytest.approx(0.8, rel=0.15)


def test_a_drop_is_told_from_each_sample_by_itself() -> None:
    before, after = np.tile([0.0, 100.0], 500), np.tile([0.0, 100.0], 500)
    after[:10] = 0
    assert Drop.of(before - after) == (pytest.approx(0.5), pytest.approx(100 * math.sqrt(0.005 * 0.995 / 1000)))
