"""The order of values, against Python's own numbers and against every bit pattern there is of the small types."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from laconic.base.dtypes import MANTISSA, NIBBLES, bits, dtype_of, is_floating
from laconic.forms.order import ascending, nearest_to_zero

SMALL_FLOATS = ["float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"]


def key(value: float, pattern: int) -> tuple[bool, float, bool, int]:
    """NaNs last, by their bits; −0 before +0."""
    nan = math.isnan(value)
    return nan, 0.0 if nan else value, not nan and math.copysign(1, value) > 0, pattern if nan else 0


@pytest.mark.parametrize("name", SMALL_FLOATS)
def test_every_pattern_of_a_small_float_finds_its_place(name: str) -> None:
    dtype = dtype_of(name)
    values = np.random.default_rng(0).permutation(1 << 8 * dtype.itemsize).astype(f"u{dtype.itemsize}").view(dtype)
    found = values[ascending(values)]
    keys = [key(float(value), int(pattern)) for value, pattern in zip(found, bits(found), strict=True)]
    finite = [k for k in keys if not k[0]]
    assert finite == sorted(finite)
    assert keys[len(finite) :] == sorted(keys[len(finite) :], key=lambda k: (k[3] < 1 << (8 * dtype.itemsize - 1), 0))
    assert math.isnan(float(found[-1]))


@given(hnp.arrays(st.sampled_from(["i1", "u1", "i8", "u8", "?"]), st.integers(1, 30)))
def test_integers_are_in_the_order_of_pythons(values: np.ndarray) -> None:
    assert values[ascending(values)].tolist() == sorted(values.tolist())
    nearest = min(abs(int(value)) for value in values.tolist())
    place = nearest_to_zero(values)
    assert abs(int(values[place])) == nearest
    assert all(abs(int(value)) > nearest for value in values[:place].tolist())


@pytest.mark.parametrize("name", NIBBLES)
def test_four_bits_are_values_of_their_own(name: str) -> None:
    low, high = NIBBLES[name]
    values = np.arange(low, high + 1)[::-1].astype(dtype_of(name))
    assert values[ascending(values)].astype(int).tolist() == list(range(low, high + 1))
    assert int(values[nearest_to_zero(values)]) == 0
    assert bits(np.arange(256, dtype=np.uint8).view(dtype_of(name))).max() == 15


@pytest.mark.parametrize("name", MANTISSA)
def test_the_nearest_to_zero_is_the_first_of_least_magnitude(name: str) -> None:
    dtype = dtype_of(name)
    assert is_floating(dtype)
    values = np.array([np.nan, -2, 0.5, -0.5, 2]).astype(dtype)
    assert nearest_to_zero(values) == 2
    assert nearest_to_zero(values[::-1].copy()) == 1
    assert nearest_to_zero(np.array([1, -0.0, 0.0]).astype(dtype)) == 1
    assert nearest_to_zero(np.array([np.nan]).astype(dtype)) == 0


def test_equal_values_stay_in_their_order() -> None:
    assert ascending(np.float32([1, 0, 1, 0])).tolist() == [1, 3, 0, 2]
    assert ascending(np.array([1, 0, 1, 0])).tolist() == [1, 3, 0, 2]
