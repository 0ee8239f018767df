"""The four Forms: what goes in comes out, bit for bit, and what does not fit is refused."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from laconic.base.dtypes import bits
from laconic.base.errors import ArtifactError
from laconic.forms import Codebook, Dense, Form, Grid, Masked, rebuild
from laconic.forms.form import narrow

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)


@st.composite
def weights(draw: st.DrawFn) -> np.ndarray:
    """Arrays of any bits: NaNs with payloads, infinities, -0.0, denormals, empty ones and scalars."""
    dtype = draw(st.sampled_from([np.dtype(np.float32), np.dtype(np.float16), BFLOAT16, np.dtype(np.float64)]))
    patterns = draw(hnp.arrays(np.dtype(f"u{dtype.itemsize}"), SHAPES))
    return np.asarray(patterns).view(dtype) if patterns.ndim else np.array(patterns.reshape(1).view(dtype)[0], dtype)


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@given(weights())
def test_dense_and_masked_give_back_every_bit(array: np.ndarray) -> None:
    for form in (Dense.of(array), Masked.of(array)):
        assert same_bits(form.array(), array)
        assert (form.shape, form.size, form.dtype) == (array.shape, array.size, array.dtype)
        assert form.table.ndim == 1


@given(hnp.arrays(st.sampled_from([np.int8, np.int64, np.uint8]), SHAPES))
def test_integers_are_held_densely(array: np.ndarray) -> None:
    assert same_bits(Dense.of(array).array(), array)


def test_masked_keeps_negative_zero_and_drops_zero() -> None:
    form = Masked.of(np.float32([0.0, -0.0, 1e-45, np.nan]))
    assert form.mask.tolist() == [False, True, True, True]


def test_a_given_mask_decides() -> None:
    form = Masked.of(np.float32([[0, 2], [3, 4]]), np.array([[True, False], [False, True]]))
    assert form.array().tolist() == [[0, 0], [0, 4]]
    assert form.table.tolist() == [0, 4]


@pytest.mark.parametrize(
    "form", [Dense.of(np.ones(3)), Masked.of(np.ones(3)), Codebook.of(np.zeros(3, int), np.ones(1))], ids=lambda f: f.kind
)
def test_array_is_a_new_one(form: Form) -> None:
    form.array()[:] = 7
    assert form.array().tolist() == [1, 1, 1]


def test_grid_with_one_step_and_with_one_a_row() -> None:
    integers = np.array([[1, -2], [0, 3]])
    assert Grid((2, 2), integers, np.float32([0.5])).array().tolist() == [[0.5, -1], [0, 1.5]]
    assert Grid((2, 2), integers, np.float32([0.5, 10])).array().tolist() == [[0.5, -1], [0, 30]]


def test_a_grid_of_groups_has_a_step_for_each_run_of_its_weights() -> None:
    grid = Grid((2, 4), np.array([[1, -2, 0, 3], [1, 1, 1, 1]]), np.float32([1, 10, 0.5, 2]))
    assert grid.array().tolist() == [[1, -2, 0, 30], [0.5, 0.5, 2, 2]]


def test_a_codebook_ascends_and_means_the_same_weight() -> None:
    form = Codebook.of(np.array([[0, 1], [2, 3], [3, 4]]), np.float32([2, np.nan, -0.0, 0.0, -7]))
    assert form.table[:4].tolist() == [-7, 0, 0, 2]
    assert np.signbit(form.table[:3]).tolist() == [True, True, False]
    assert np.isnan(form.table[4])
    assert form.integers is not None
    assert form.integers.tolist() == [[3, 4], [1, 2], [2, 0]]


def test_grid_and_codebook_of_a_scalar() -> None:
    assert Grid((), np.array(3), np.float32([0.5])).array().shape == ()
    assert same_bits(Codebook.of(np.array(1), np.float32([5, 7])).array(), np.array(7, np.float32))


@given(hnp.arrays(np.int64, st.integers(0, 9), elements=st.integers(-(2**62), 2**62)))
def test_narrow_changes_no_integer(integers: np.ndarray) -> None:
    assert narrow(integers).tolist() == integers.tolist()


@pytest.mark.parametrize(
    ("values", "width"), [([0, 255], 1), ([0, 256], 2), ([-128, 127], 1), ([-1, 128], 2), ([0, 65536], 4), ([-(2**31), 0], 4), ([2**40], 8)]
)
def test_narrow_takes_no_more_bytes_than_it_needs(values: list[int], width: int) -> None:
    assert narrow(np.array(values)).itemsize == width


@given(weights())
def test_rebuild_of_its_own_parts_gives_the_same_weight(array: np.ndarray) -> None:
    for form in (Dense.of(array), Masked.of(array)):
        integers = None if form.integers is None else form.integers.reshape(-1).astype(np.int64)
        again = rebuild(form.kind, form.shape, integers, form.table)
        assert type(again) is type(form)
        assert same_bits(again.array(), array)


ZEROS, ONES = np.zeros(4, np.int64), np.ones(4, np.int64)
WRONG = {
    "no such kind": ("signs", (4,), ZEROS, np.ones(1)),
    "dense with integers": ("dense", (4,), ZEROS, np.ones(4)),
    "dense too short": ("dense", (2, 2), None, np.ones(3)),
    "dense too long": ("dense", (), None, np.ones(2)),
    "masked without a mask": ("masked", (4,), None, np.ones(4)),
    "mask too long": ("masked", (3,), ONES, np.ones(4)),
    "mask of twos": ("masked", (4,), 2 * ONES, np.ones(8)),
    "mask of minus ones": ("masked", (4,), -ONES, np.ones(0)),
    "more kept than values": ("masked", (4,), ONES, np.ones(3)),
    "fewer kept than values": ("masked", (4,), ZEROS, np.ones(1)),
    "grid without integers": ("grid", (4,), None, np.ones(1)),
    "grid without a step": ("grid", (4,), ONES, np.ones(0)),
    "grid with three steps for four weights": ("grid", (4, 1), ONES, np.ones(3)),
    "grid with more steps than weights": ("grid", (4, 1), ONES, np.ones(8)),
    "grid with two steps for a scalar": ("grid", (), np.ones(1, int), np.ones(2)),
    "codebook without integers": ("codebook", (4,), None, np.ones(1)),
    "codebook too short": ("codebook", (5,), ZEROS, np.ones(1)),
    "place beyond the table": ("codebook", (4,), 2 * ONES, np.ones(2)),
    "negative place": ("codebook", (4,), -ONES, np.ones(2)),
    "empty table": ("codebook", (4,), ZEROS, np.ones(0)),
}


@pytest.mark.parametrize("parts", WRONG.values(), ids=WRONG.keys())
def test_rebuild_refuses_parts_that_do_not_fit(parts: tuple[str, tuple[int, ...], np.ndarray | None, np.ndarray]) -> None:
    with pytest.raises(ArtifactError, match=parts[0]):
        rebuild(*parts)


@pytest.mark.parametrize("kind", ["masked", "grid", "codebook"])
def test_rebuild_takes_an_empty_weight(kind: str) -> None:
    table = np.zeros(0 if kind == "masked" else 1, np.float32)
    assert rebuild(kind, (0, 3), np.zeros(0, np.int64), table).array().shape == (0, 3)


def test_bits_are_those_of_ieee_754() -> None:
    assert [hex(pattern) for pattern in bits(np.float32([1, -0.0, np.inf]))] == ["0x3f800000", "0x80000000", "0x7f800000"]
