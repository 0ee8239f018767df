"""A plain array is given a Form that gives it back bit for bit, and the one that suits it."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from laconic.forms import Codebook, Dense, Form, Grid, Masked, recognise
from laconic.forms.recognise import MOST_SHARED_VALUES, SAMPLE

DTYPES = [np.dtype(np.float32), np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16), np.dtype(np.float64)]
ODD = [0.0, -0.0, np.nan, -np.nan, np.inf, -np.inf, 1.0, -1.0, 2.0, 5e-324, 1e-45, -1e-45, 1e-40, 6e-8, 65504.0, 3e38]


def rng() -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(0))


def same_bits(form: Form, array: np.ndarray) -> bool:
    back = form.array()
    return back.dtype == array.dtype and back.shape == array.shape and back.tobytes() == array.tobytes()


@given(st.sampled_from(DTYPES), st.lists(st.sampled_from(ODD), max_size=40), st.floats(0, 1))
def test_arrays_of_odd_values_survive(dtype: np.dtype, values: list[float], zeros: float) -> None:
    with np.errstate(over="ignore"):
        array = np.array(values, np.float64).astype(dtype)
    array[rng().random(len(array)) < zeros] = 0
    assert same_bits(recognise(array), array)


@given(st.sampled_from([np.uint16, np.uint32]), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=6))
def test_arrays_of_any_bits_survive(width: type, shape: tuple[int, ...]) -> None:
    patterns = rng().integers(0, np.iinfo(width).max, shape, width, endpoint=True)
    for dtype in DTYPES:
        if dtype.itemsize == np.dtype(width).itemsize:
            array = np.ascontiguousarray(patterns).view(dtype).reshape(shape)
            assert same_bits(recognise(array), array)


@given(hnp.arrays(np.int32, hnp.array_shapes(min_side=0), elements=st.integers(-300, 300)), st.floats(2**-140, 2**100, width=32))
def test_multiples_of_any_step_survive(integers: np.ndarray, step: float) -> None:
    array = integers.astype(np.float32) * np.float32(step)
    assert same_bits(recognise(array), array)


def test_shared_values_are_a_codebook_in_ascending_order() -> None:
    values = np.float32([0.3, -1.7, 0.0, 2.9])
    array = values[rng().integers(0, 4, (50, 3))]
    form = recognise(array)
    assert isinstance(form, Codebook)
    assert form.table.tolist() == sorted(values.tolist())
    assert form.integers is not None
    assert form.integers.itemsize == 1
    assert same_bits(form, array)


def test_zero_and_negative_zero_are_two_values() -> None:
    array = np.tile(np.float32([0.0, -0.0, np.nan, 1.5]), 10)
    form = recognise(array)
    assert isinstance(form, Codebook)
    assert len(form.table) == 4
    assert same_bits(form, array)


def test_many_multiples_of_a_step_are_a_grid() -> None:
    integers = rng().permutation(np.arange(-6000, 6000))
    form = recognise(integers.astype(np.float32) * np.float32(0.0037))
    assert isinstance(form, Grid)
    assert form.integers is not None
    assert sorted(form.integers.tolist()) == list(range(-6000, 6000))
    assert form.table.tolist() == [np.float32(0.0037)]


def test_a_grid_has_no_negative_zero() -> None:
    array = np.concatenate((rng().permutation(np.arange(-6000.0, 6000.0)), [-0.0])).astype(np.float32)
    form = recognise(array)
    assert form.kind == "dense"
    assert same_bits(form, array)


def test_a_step_so_small_that_quotients_overflow_is_no_grid() -> None:
    array = np.concatenate((np.float32([1e-45]), np.linspace(1e30, 3e38, 9000, dtype=np.float32)))
    assert recognise(array).kind == "dense"


def test_an_eighth_of_zeros_is_masked_and_less_is_dense() -> None:
    array = rng().standard_normal(8000).astype(np.float32)
    array[:1000] = 0
    assert isinstance(recognise(array), Masked)
    array[999] = 1.2345
    assert isinstance(recognise(array), Dense)


def test_a_table_is_worth_it_only_for_few_values_that_stand_often() -> None:
    array = rng().standard_normal(MOST_SHARED_VALUES).astype(np.float32)
    assert recognise(np.repeat(array, 2)).kind == "codebook"
    assert recognise(np.concatenate((array, array[:-1]))).kind == "dense"  # fewer than two of each
    more = rng().standard_normal(MOST_SHARED_VALUES + 1).astype(np.float32)
    assert recognise(np.repeat(more, 2)).kind == "dense"


@pytest.mark.parametrize(
    ("dtype", "most"), [(ml_dtypes.bfloat16, 512), (np.float16, 4096), (np.float32, 4096), (ml_dtypes.float8_e5m2, 256)]
)
def test_a_table_is_not_wider_than_the_floats_themselves(dtype: type, most: int) -> None:
    width = np.dtype(dtype).itemsize
    patterns = np.arange(most, dtype=f"u{width}") + (0x3F800001 if width == 4 else 0)  # no multiples of the least
    patterns = patterns.astype(f"u{width}")
    assert recognise(np.repeat(patterns.view(dtype), 4)).kind == "codebook"
    if width > 1:
        more = np.arange(1 << 8, most + 1 + (1 << 8), dtype=patterns.dtype)
        assert recognise(np.repeat(more.view(dtype), 4)).kind == "dense"


def test_different_values_behind_the_sample_are_seen() -> None:
    array = np.concatenate((np.ones(SAMPLE, np.float32), rng().standard_normal(SAMPLE).astype(np.float32)))
    assert recognise(array).kind == "dense"


@pytest.mark.parametrize("array", [np.arange(100), np.zeros(100, bool), np.zeros(7, np.float32), np.zeros((), np.float32)], ids=str)
def test_integers_and_the_very_small_stay_dense(array: np.ndarray) -> None:
    assert isinstance(recognise(array), Dense)


def test_an_array_of_the_other_byte_order_is_brought_to_this_machine_s() -> None:
    array = (np.arange(10) / 7).astype(">f4")
    form = recognise(array)
    assert form.dtype == np.float32 != array.dtype
    assert form.array().tolist() == array.tolist()


def quantised(shape: tuple[int, ...], run: int, most: int) -> np.ndarray:
    """What a quantiser leaves that gives every `run` values a step of their own."""
    weight = rng().standard_normal(shape).reshape(-1, run) * np.exp(rng().standard_normal((np.prod(shape) // run, 1)))
    steps = (np.abs(weight).max(1, keepdims=True) / most).astype(np.float32)
    return ((np.rint(weight / steps) + 0.0).astype(np.float32) * steps).reshape(shape)


@pytest.mark.parametrize(
    ("shape", "run", "most"), [((64, 32, 3, 3), 288, 127), ((64, 256), 256, 7), ((48, 512), 128, 7), ((40, 96), 32, 7)]
)
def test_what_a_quantiser_of_rows_or_groups_left_is_a_grid_of_as_many_steps(shape: tuple[int, ...], run: int, most: int) -> None:
    array = quantised(shape, run, most)
    form = recognise(array)
    assert isinstance(form, Grid)
    assert len(form.table) == array.size // run
    assert form.integers is not None
    assert np.abs(form.integers).max() == most
    assert same_bits(form, array)


def test_few_values_are_a_grid_where_they_are_neighbours_and_a_codebook_where_they_are_far_apart() -> None:
    near, far = (rng().choice(np.float32(values), (50, 30)) for values in ([-0.5, 0.0, 0.25], [0.001, 0.0, 7.0]))
    assert recognise(near).kind == "grid"
    assert recognise(far).kind == "codebook"


def test_a_value_a_row_is_no_grid_of_rows() -> None:
    array = np.zeros((50, 64), np.float32)
    array[np.arange(50), rng().integers(0, 64, 50)] = rng().standard_normal(50)
    assert recognise(array).kind != "grid"
