from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from laconic.codec.adaptive import contexts, estimate, learn, roomy
from laconic.codec.limits import LEAST_PROBABILITY

bit_lists = st.lists(st.integers(0, 1), max_size=39)


@given(bit_lists)
def test_while_little_is_known_it_moves_by_one_over_seen_and_three_halves(bits: list[int]) -> None:
    table, exact = contexts(1), Fraction(1, 2)
    for seen, bit in enumerate(bits):
        learn(table, 0, bit)
        exact += (bit - exact) / (seen + Fraction(3, 2))
    assert abs(estimate(table, 0) / 2**16 - float(min(max(exact, Fraction(1, 2048)), Fraction(2047, 2048)))) < 2**-13


@given(bit_lists)
def test_ones_and_zeros_are_treated_alike(bits: list[int]) -> None:
    table = contexts(2)
    for bit in bits:
        learn(table, 0, bit)
        learn(table, 1, 1 - bit)
    assert abs(estimate(table, 0) + estimate(table, 1) - 2**16) <= 1


def test_never_certain() -> None:
    table = contexts(2)
    for _ in range(50_000):
        learn(table, 0, 0)
        learn(table, 1, 1)
    assert estimate(table, 0) == LEAST_PROBABILITY
    assert estimate(table, 1) == 2**16 - LEAST_PROBABILITY


def test_finds_a_frequency_and_follows_when_it_changes() -> None:
    rng, table = np.random.Generator(np.random.PCG64(2)), contexts(1)
    for share, bits in ((0.8, 5000), (0.3, 5000)):
        for bit in (rng.random(bits) < share).astype(np.int64):
            learn(table, 0, bit)
        assert abs(estimate(table, 0) / 2**16 - share) < 0.08


def test_after_a_long_monotony_a_short_change_is_believed() -> None:
    table = contexts(1)
    for bit in [0] * 2000 + [1] * 120:
        learn(table, 0, bit)
    assert estimate(table, 0) > 2**15


def test_contexts_learn_apart() -> None:
    table = contexts(3)
    learn(table, 1, 1)
    assert estimate(table, 0) == estimate(table, 2) == 2**15 < estimate(table, 1)


def test_room_is_made_without_losing_a_byte() -> None:
    out = np.arange(100, dtype=np.uint8)
    longer = roomy(out, 100)
    assert longer.size >= 100 + 512
    np.testing.assert_array_equal(longer[:100], out)
    assert roomy(longer, 100) is longer
