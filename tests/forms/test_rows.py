"""Steps of rows against brute force."""

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laconic.forms import Codebook, Dense, Form, Grid, Masked
from laconic.forms.rows import in_groups, levels, nearest, row_steps, runs_as_it_is

WEIGHTS = arrays.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 12)), elements=st.floats(-8, 8, width=32))
BITS = st.integers(2, 8)


def error(row: np.ndarray, step: float, most: int) -> float:
    """Squared error of a row, each weight at the nearest of all points."""
    points = step * np.arange(-most, most + 1)
    return float(np.square(np.abs(row.astype(np.float64)[:, None] - points).min(1)).sum())


def test_as_many_levels_as_bits_allow_on_either_side() -> None:
    assert [levels(bits) for bits in range(2, 9)] == [1, 3, 7, 15, 31, 63, 127]


@pytest.mark.parametrize("bits", [2, 3, 4, 7])
@pytest.mark.parametrize("seed", range(3))
def test_steps_are_as_good_as_any_in_reach(bits: int, seed: int) -> None:
    """Brute force tries 500 ends from half of the largest weight to all of it; the row's own search tries 26."""
    weight = np.random.default_rng(seed).laplace(size=(4, 60)).astype(np.float32)
    for row, step in zip(weight, row_steps(weight, levels(bits)), strict=True):
        best = min(error(row, share * np.abs(row).max() / levels(bits), levels(bits)) for share in np.linspace(0.5, 1, 500))
        assert error(row, float(step), levels(bits)) <= 1.1 * best


def test_few_bits_clip_what_is_far_out() -> None:
    row = np.float32([[*np.linspace(-1, 1, 99), 2.0]])
    assert row_steps(row, levels(3))[0] < 0.8 * 2 / levels(3)
    assert row_steps(row, levels(8))[0] == pytest.approx(2 / levels(8), rel=0.05)


@given(weight=WEIGHTS, bits=BITS)
def test_no_step_is_worse_than_that_of_the_largest_weight(weight: np.ndarray, bits: int) -> None:
    most = levels(bits)
    for row, step in zip(weight, row_steps(weight, most), strict=True):
        largest = np.float32(np.abs(row).max() / most)
        if largest > 1e-30:
            assert error(row, float(step), most) <= error(row, float(largest), most) + 1e-9


def test_each_row_has_a_step_of_its_own_whatever_the_others_are() -> None:
    weight = np.random.default_rng(0).normal(size=(5, 3, 2, 2)).astype(np.float32) * np.float32([1, 10, 0.1, 3, 100]).reshape(-1, 1, 1, 1)
    steps = row_steps(weight, 63)
    assert (steps.dtype, steps.shape) == (np.dtype(np.float32), (5,))
    for place in range(5):
        assert row_steps(weight[place : place + 1], 63)[0] == steps[place]
    np.testing.assert_allclose(row_steps(8 * weight, 63), 8 * steps, rtol=1e-6)


def test_rows_of_zeros_have_a_step_of_one() -> None:
    """So have rows so small that a step of theirs is no number; weight decay leaves such."""
    weight = np.float32([[0, 0, 0], [1e-45, 0, 0], [1e-38, -1e-40, 0], [1, -2, 0.5]])
    steps = row_steps(weight, 127)
    assert steps[:3].tolist() == [1, 1, 1]
    assert not nearest(weight, steps, 127).array()[:3].any()


@given(weight=WEIGHTS, bits=BITS)
def test_the_nearest_point_is_at_most_half_a_step_away_or_the_last(weight: np.ndarray, bits: int) -> None:
    most = levels(bits)
    steps = row_steps(weight, most)
    form = nearest(weight, steps, most)
    assert form.integers is not None
    assert np.abs(form.integers.astype(int)).max() <= most
    assert (form.shape, form.dtype) == (weight.shape, np.dtype(np.float32))
    wide = steps[:, None].astype(np.float64)
    clipped = np.clip(weight.astype(np.float64), -most * wide, most * wide)
    assert (np.abs(form.integers * wide - clipped) <= 0.5001 * wide).all()
    assert not form.array()[weight == 0].any()


def grid(integers: list[list[int]], steps: int) -> Grid:
    return Grid((len(integers), len(integers[0])), np.array(integers), np.ones(steps, np.float32))


@pytest.mark.parametrize(
    ("form", "runs"),
    [
        (grid([[127, -127], [3, 0]], 2), True),
        (grid([[127, -127], [3, 0]], 1), True),
        (grid([[128, 0], [3, 0]], 2), False),
        (grid([[-128, 0], [3, 0]], 2), False),
        (grid([[127, -127], [3, 0]], 4), False),
        (Grid((2, 2), np.array([[255, 0], [0, 0]], np.uint8), np.ones(2, np.float32)), False),
        (Grid((2, 2), np.array([[-128, 0], [0, 0]], np.int8), np.ones(2, np.float32)), False),
        (Grid((0, 3), np.empty((0, 3), np.int8), np.empty(0, np.float32)), False),
        (Dense.of(np.ones((2, 2), np.float32)), False),
        (Masked.of(np.ones((2, 2), np.float32)), False),
        (Codebook.of(np.zeros((2, 2), np.uint8), np.ones(1, np.float32)), False),
    ],
)
def test_grids_of_whole_rows_and_eight_bits_run_as_they_are(form: Form, runs: bool) -> None:
    assert runs_as_it_is(form) is runs


@pytest.mark.parametrize(("steps", "grouped"), [(1, False), (2, False), (4, True)])
def test_groups_are_several_steps_a_row(steps: int, grouped: bool) -> None:
    assert in_groups(grid([[1, 2], [3, 4]], steps)) is grouped
