"""A ReLU loses less of a plane the more dimensions it works in."""

import itertools

import numpy as np
import pytest

from laconic.nn.spiral import readout_error, spiral, through_relu

DIMENSIONS = (2, 3, 5, 15, 30)


def rng(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def test_a_point_is_lost_exactly_where_no_two_rows_tell_it() -> None:
    points = spiral(200)[1:]
    for seed in range(20):
        embedding = rng(seed).standard_normal((4, 2))
        _, lost = through_relu(points, 4, rng(seed))
        ranks = [np.linalg.matrix_rank(embedding[embedding @ point > 0]) if (embedding @ point > 0).any() else 0 for point in points]
        assert np.array_equal(lost, np.array(ranks) < 2)


def test_the_share_that_is_lost_is_the_binomial_one() -> None:
    """A row lets a point through with probability 1/2, so fewer than two of n do so with (n + 1) / 2ⁿ."""
    points = spiral(100)[1:]
    for dimensions in DIMENSIONS:
        lost = np.mean([through_relu(points, dimensions, rng(seed))[1].mean() for seed in range(500)])
        assert lost == pytest.approx((dimensions + 1) / 2**dimensions, abs=0.03)


def test_what_a_linear_map_misses_falls() -> None:
    errors = [np.mean([readout_error(spiral(200), n, rng(seed)) for seed in range(50)]) for n in DIMENSIONS]
    assert all(later < earlier for earlier, later in itertools.pairwise(errors))
    assert errors[0] > 0.2
    assert errors[-1] < 0.01
