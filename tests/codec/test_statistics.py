import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laconic.codec import entropy


@pytest.mark.parametrize("bits", range(9))
def test_equally_frequent_values_have_the_logarithm_of_their_number(bits: int) -> None:
    assert entropy(np.tile(np.arange(2**bits) * 1000 - 7, 3)) == pytest.approx(bits)


def test_a_biased_coin() -> None:
    assert entropy(np.repeat([0, 1], [9, 1])) == pytest.approx(0.468995593589281)  # −0.9 log₂ 0.9 − 0.1 log₂ 0.1


def test_an_empty_array_says_nothing() -> None:
    assert entropy(np.empty((0, 4), np.int64)) == 0


@given(st.lists(st.integers(-5, 5), min_size=1), st.randoms())
def test_neither_order_nor_names_matter(values: list[int], random: object) -> None:
    shuffled = sorted(values, key=lambda _: random.random())  # type: ignore[attr-defined]
    assert entropy(np.array(values)) == pytest.approx(entropy(np.array(shuffled) * 17 + 3))
