"""Steps that nobody told are found again, and nothing that was not rounded is taken for rounded."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laconic.forms.steps import LARGEST, common_steps


def rounded(seed: int, runs: int, n: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Integers of ±`most` and a step for each run, as a quantiser leaves them."""
    rng = np.random.Generator(np.random.PCG64(seed))
    weight = rng.standard_normal((runs, n)) * np.exp(rng.standard_normal((runs, 1)))
    steps = (np.abs(weight).max(1) / most).astype(np.float32)
    return np.rint(weight / steps[:, None]), steps


@given(st.integers(0, 2**32), st.integers(1, 40), st.sampled_from([2, 16, 64, 576]), st.sampled_from([1, 7, 127]))
def test_what_a_quantiser_rounded_is_found_bit_for_bit(seed: int, runs: int, n: int, most: int) -> None:
    integers, steps = rounded(seed, runs, n, most)
    values = (integers.astype(np.float32) * steps[:, None]).astype(np.float32) + np.float32(0)  # + 0: no negative zeros
    found = common_steps(values)
    assert found is not None
    assert found[0].dtype == np.int16
    assert (found[0].astype(np.float32) * found[1][:, None]).tobytes() == values.tobytes()
    shared = np.gcd.reduce(np.abs(integers.astype(np.int64)), axis=1)
    assert (found[0] * np.maximum(shared, 1)[:, None] == integers).all()


def test_runs_of_zeros_have_a_step_too() -> None:
    values = np.zeros((3, 16), np.float32)
    values[1, 3] = 0.3
    found = common_steps(values)
    assert found is not None
    assert found[0].sum() == 1
    assert np.isfinite(found[1]).all()


def test_one_run_that_was_not_rounded_is_enough_to_refuse() -> None:
    integers, steps = rounded(0, 20, 64, 127)
    values = (integers.astype(np.float32) * steps[:, None]).astype(np.float32) + np.float32(0)
    assert common_steps(values) is not None
    for run in (0, 3, 4, 19):
        spoilt = values.copy()
        spoilt[run, 5] = np.nextafter(spoilt[run, 5], np.float32(9))
        assert common_steps(spoilt) is None


@pytest.mark.parametrize("seed", range(20))
def test_weights_that_were_never_rounded_are_refused(seed: int) -> None:
    assert common_steps(np.random.Generator(np.random.PCG64(seed)).standard_normal((8, 16)).astype(np.float32)) is None


@pytest.mark.parametrize("odd", [np.inf, -np.inf, np.nan, -0.0, np.float32(1e-45), np.float32(3e38)])
def test_odd_values_are_refused_or_given_back(odd: float) -> None:
    values = np.tile(np.float32([1, 2, 3, 4]), (6, 4))
    values[5, 7] = odd
    found = common_steps(values)
    assert found is None or (found[0].astype(np.float32) * found[1][:, None]).tobytes() == values.tobytes()


def test_integers_that_no_quantiser_leaves_are_refused() -> None:
    values = np.float32([[1, LARGEST + 1] * 8])
    assert common_steps(values) is None
