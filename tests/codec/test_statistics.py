import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laconic.codec import entropy
from laconic.codec.statistics import local_entropy


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


def test_local_entropy_is_that_of_the_law_where_values_are_drawn_alike() -> None:
    rng = np.random.Generator(np.random.PCG64(0))
    for law in (rng.dirichlet(np.ones(32)), np.full(256, 1 / 256), np.array([0.999, 0.001])):
        exact = float(law @ -np.log2(law))
        for count in (1 << 12, 1 << 20):
            assert local_entropy(rng.choice(len(law), count, p=law)) == pytest.approx(exact, rel=0.03, abs=0.01)


def test_local_entropy_sees_no_further_than_a_run() -> None:
    assert local_entropy(np.repeat(np.arange(16), 1 << 12)) < 0.1
    assert local_entropy(np.array([7])) == 0
