"""The greatest magnitudes, exactly as many as asked for, ties or not."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from laconic.forms import Codebook, Dense, Masked
from laconic.forms.magnitude import greatest, magnitude, threshold

VALUES = hnp.arrays(np.float32, hnp.array_shapes(max_dims=2, max_side=8), elements=st.sampled_from([-1, 0, 0.5, 0.5, 1, 7]))


@given(VALUES, st.floats(0, 1))
def test_as_many_as_asked_and_none_is_less_than_one_that_is_left_out(values: np.ndarray, share: float) -> None:
    count = round(share * values.size)
    mask = greatest(values, count)
    assert mask.shape == values.shape
    assert np.count_nonzero(mask) == count
    if 0 < count < values.size:
        assert values[mask].min() >= values[~mask].max()
        assert threshold(values, count) == values[mask].min()


@given(VALUES)
def test_of_equals_the_first_stay(values: np.ndarray) -> None:
    order = np.argsort(-values.reshape(-1), kind="stable")
    for count in range(values.size + 1):
        assert np.flatnonzero(greatest(values, count)).tolist() == sorted(order[:count].tolist())


def test_threshold_of_none_is_finite() -> None:
    assert threshold(np.float32([1, 3, 2]), 0) == 3


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ml_dtypes.bfloat16])
def test_magnitudes_are_absolute_and_gone_weights_are_below_all(dtype: type) -> None:
    weight = np.array([-2, 0, 1], dtype)
    assert magnitude(Dense.of(weight)).tolist() == [2, 0, 1]
    assert magnitude(Masked.of(weight, np.array([True, True, False]))).tolist() == [2, 0, -1]
    assert magnitude(Codebook.of(np.array([1, 0, 2]), np.array([0, -2, 1], dtype))).tolist() == [2, -1, 1]


def test_magnitudes_of_doubles_stay_double() -> None:
    assert magnitude(Dense.of(np.array([1e300]))).tolist() == [1e300]
