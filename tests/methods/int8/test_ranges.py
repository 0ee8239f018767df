"""Where grids end: against published clipping points, brute force, and what each criterion promises."""

from collections.abc import Callable

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from laconic.base.errors import ModelError
from laconic.graph.rounding import Points
from laconic.methods.int8.ranges import BINS, Histogram, criterion, ends, entropy, grid_between, minmax, mse, percentile, seen

FINITE = st.floats(-(2.0**60), 2.0**60, width=32)


def histogram(density: Callable[[np.ndarray], np.ndarray], low: float, high: float, bins: int = BINS) -> Histogram:
    """A density, finely sampled."""
    empty = Histogram(np.zeros(bins), low, high)
    return Histogram(density(empty.centres), low, high)


def uniform(low: float, high: float) -> Histogram:
    return histogram(lambda x: np.full(x.shape, 100.0), low, high)


@given(low=FINITE, high=FINITE)
def test_a_grid_has_zero_on_it_and_covers_the_range_to_half_a_step(low: float, high: float) -> None:
    low, high = min(low, high), max(low, high)
    scale, zero_point = grid_between(low, high)
    assert 0 <= zero_point <= 255
    assert scale > 0
    assert scale == np.float32(scale)
    slack = 0.5001 * scale
    assert (0 - zero_point) * scale <= min(low, 0) + slack
    assert (255 - zero_point) * scale >= max(high, 0) - slack


def test_a_grid_of_one_side_has_zero_at_its_end() -> None:
    assert grid_between(0.0, 2.55).zero_point == 0
    assert grid_between(-2.55, 0.0).zero_point == 255
    assert grid_between(1.0, 2.55) == grid_between(0.0, 2.55)


@pytest.mark.parametrize("end", [0.0, 1e-46, 1e-44])
def test_a_dead_value_has_steps_of_one(end: float) -> None:
    assert grid_between(-end, end) == (1.0, 0)


def test_minmax_clips_nothing() -> None:
    found = uniform(-1.0, 3.0)
    assert minmax(found) == (-1.0, 3.0)
    assert found.clipped(-1.0, 3.0) == 0


@pytest.mark.parametrize("inside", [50.0, 90.0, 99.0, 99.9])
def test_a_percentile_leaves_so_many_outside(inside: float) -> None:
    gauss = histogram(lambda x: np.exp(-(x**2) / 2), -6.0, 6.0)
    low, high = percentile(gauss, inside)
    assert low == pytest.approx(-high, abs=0.01)
    assert 100 * gauss.clipped(low, high) == pytest.approx(100 - inside, abs=0.4)  # a bin
    exact = {50.0: 0.6745, 90.0: 1.6449, 99.0: 2.5758, 99.9: 3.2905}[inside]
    assert high == pytest.approx(exact, abs=0.012)


def test_a_percentile_of_one_side_is_all_on_that_side() -> None:
    low, high = percentile(uniform(0.0, 1.0), 90.0)
    assert (low, high) == (0.0, pytest.approx(0.9, abs=0.001))
    low, high = percentile(uniform(-1.0, 0.0), 90.0)
    assert (low, high) == (pytest.approx(-0.9, abs=0.001), 0.0)


def test_all_per_cent_clip_nothing() -> None:
    assert percentile(uniform(-1.0, 3.0), 100.0) == (-1.0, 3.0)


@given(
    counts=arrays.arrays(np.int64, 40, elements=st.integers(0, 9)), low=st.floats(-5, 0), high=st.floats(0, 5), inside=st.floats(50, 100)
)
def test_a_percentile_never_clips_more_than_it_may(counts: np.ndarray, low: float, high: float, inside: float) -> None:
    found = Histogram(counts.astype(np.float64), low, high)
    chosen = percentile(found, inside)
    assert low <= chosen[0] <= 0 <= chosen[1] <= high
    assert 100 * found.clipped(*chosen) <= 100 - inside + 1e-9


@pytest.mark.parametrize(
    ("density", "reach", "published"),
    [(lambda x: np.exp(-(x**2) / 2), 6.0, 3.92), (lambda x: np.exp(-np.abs(x)), 15.0, 9.89)],
    ids=["Gauss", "Laplace"],
)
def test_least_squared_error_clips_where_aciq_does(density: Callable[[np.ndarray], np.ndarray], reach: float, published: float) -> None:
    """Banner et al. 2019, α* of 8 bits, in standard deviations and in units of b."""
    low, high = mse(histogram(density, -reach, reach, 16 * BINS))
    assert high == pytest.approx(published, rel=0.04)
    assert low == pytest.approx(-published, rel=0.04)


def squared_error(found: Histogram, low: float, high: float) -> float:
    """By numpy alone, value by value."""
    scale = (high - low) / 255
    zero = round(-low / scale)
    points = (np.arange(256) - zero) * scale
    nearest = np.abs(found.centres[:, None] - points).min(1)
    return float(found.counts @ nearest**2)


@pytest.mark.parametrize("low", [-3.0, -0.3, 0.0])
def test_least_squared_error_is_that_of_no_other_range(low: float) -> None:
    rng = np.random.default_rng(0)
    bins = np.clip(rng.gamma(2, 25, 20000), 0, 511).astype(int)
    found = Histogram(np.bincount(bins, minlength=512).astype(float), low, 9.0)
    least = squared_error(found, *mse(found))
    shares = np.linspace(1, 0.1, 13)
    grid = [squared_error(found, low * down, 9.0 * up) for up in shares for down in (shares if low else [1.0])]
    assert least <= 1.02 * min(grid)
    assert least < 0.9 * squared_error(found, low, 9.0)


def test_the_first_end_is_chosen_again_after_the_second() -> None:
    """A far end at which nearly nothing is makes steps coarse: until it is gone, the other would be clipped too much."""
    counts = histogram(lambda x: 1e6 * np.exp(-np.abs(x) / 0.05) * (np.abs(x) < 1), -40.0, 1.0, 8 * BINS).counts
    counts[0] = 1e-3
    found = Histogram(counts, -40.0, 1.0)
    low, high = mse(found)
    least = min(squared_error(found, low, share) for share in np.linspace(1, 0.1, 91))
    assert squared_error(found, low, high) <= 1.001 * least


def with_outlier(share: float = 1e-7) -> Histogram:
    """Of so much mass, ten times as far out as all else."""
    counts = 1e6 * np.exp(-np.arange(BINS) / 20)
    counts[400:] = 0
    counts[-1] = share * counts.sum()
    return Histogram(counts, 0.0, 10.0)


def mirrored(found: Histogram) -> Histogram:
    return Histogram(found.counts[::-1].copy(), -found.high, -found.low)


def test_entropy_cuts_a_far_outlier_off_and_not_what_is_too_much_for_one() -> None:
    assert entropy(with_outlier())[1] < 2.0
    assert entropy(mirrored(with_outlier()))[0] > -2.0
    assert entropy(with_outlier(0.2))[1] == 10.0
    assert entropy(mirrored(with_outlier(0.2)))[0] == -10.0


def test_entropy_has_a_price_for_what_it_cuts_off() -> None:
    tail = histogram(lambda x: np.exp(-3 * x), 0.0, 1.0)
    assert entropy(tail)[1] > 0.6
    assert entropy(mirrored(tail))[0] < -0.6


def test_entropy_leaves_what_is_uniform() -> None:
    assert entropy(uniform(-1.0, 3.0)) == (-1.0, 3.0)
    assert entropy(uniform(0.0, 3.0)) == (0.0, 3.0)


def test_entropy_shrinks_both_ends_alike() -> None:
    bulk = histogram(lambda x: 1e6 * np.exp(-np.abs(x) / 0.1) * (np.abs(x) < 2), -8.0, 4.0)
    bulk.counts[0] = 1
    low, high = entropy(bulk)
    assert low > -3.0
    assert low == pytest.approx(-2 * high)


def test_each_criterion_goes_by_its_name() -> None:
    found = with_outlier()
    chosen = {name: criterion(name, 99.0)(found)[1] for name in ("minmax", "percentile", "mse", "entropy")}
    assert chosen == {"minmax": 10.0, "percentile": percentile(found, 99.0)[1], "mse": mse(found)[1], "entropy": entropy(found)[1]}
    assert len(set(chosen.values())) == 4
    with pytest.raises(KeyError):
        criterion("hope", 99.0)


@pytest.mark.parametrize("name", ["minmax", "percentile", "mse", "entropy"])
def test_what_was_never_seen_has_no_range(name: str) -> None:
    assert ends([Histogram(np.zeros(BINS), 0.0, 0.0)], criterion(name, 99.0)) == [(0.0, 0.0)]


def points() -> Points:
    return Points(nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2)).requires_grad_(False), (3,))


def test_every_number_of_all_samples_is_seen_in_its_bin() -> None:
    x = torch.randn(150, 3, generator=torch.Generator().manual_seed(0))
    found = seen(points(), x)
    assert list(found) == ["x", "relu"]
    assert (found["x"].low, found["x"].high) == (float(x.min()), float(x.max()))
    expected = np.histogram(x.numpy(), BINS, (float(x.min()), float(x.max())))[0]
    assert found["x"].counts.sum() == 450
    assert np.abs(found["x"].counts - expected).sum() <= 4  # on a border
    assert found["relu"].low == 0
    assert found["relu"].counts.sum() == 450


def test_a_range_has_zero_in_it_whatever_was_seen() -> None:
    found = seen(points(), torch.full((4, 3), 7.0) + torch.arange(3.0))["x"]
    assert (found.low, found.high) == (0.0, 9.0)
    assert seen(points(), -1 - torch.rand(4, 3))["x"].high == 0


def test_a_value_that_is_always_zero_has_no_counts() -> None:
    assert not seen(points(), torch.zeros(4, 3))["x"].counts.any()


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("sample", [0, 99])
def test_a_value_that_is_not_finite_is_named(number: float, sample: int) -> None:
    x = torch.ones(100, 3)
    x[sample, 1] = number
    with pytest.raises(ModelError, match="not finite") as caught:
        seen(points(), x)
    assert caught.value.where == "x"


def test_a_value_that_overflows_on_the_way_is_named() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2)).requires_grad_(False)
    model[0].weight.fill_(3e38)
    with pytest.raises(ModelError) as caught:
        seen(Points(model, (3,)), torch.ones(4, 3))
    assert caught.value.where == "relu"
