"""The pieces of the profiles, each against its closed form."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from laconic.codec.arithmetic import ENCODER
from laconic.codec.context import mixing
from laconic.codec.context.buckets import LAST_BUCKET, LONE, bucket_of
from laconic.codec.context.levels import LARGEST, LEVELS, ONE, five, level, limited, lowest
from laconic.codec.context.linear import UNIT, correct, predicted
from laconic.codec.context.logistic import BOUND, squash, stretch
from laconic.codec.context.mixing import INPUTS, count, mixer


def test_levels_are_thirds_of_octaves() -> None:
    for magnitude in (*range(1, 5000), *range(5000, LARGEST * ONE, 9973)):
        whole = next(magnitude >> bits << bits for bits in (0, 8, 16) if magnitude >> bits < 4096)  # larger ones are looked up coarsely
        exact = math.floor(3 * math.log2(whole * 4096 / ONE) + 1e-12) + 1
        assert level(magnitude) == min(max(exact, 0), LEVELS - 1)
    assert [level(magnitude) for magnitude in (0, 3, 4, LARGEST * ONE)] == [0, 0, 1, LEVELS - 1]
    assert {level(magnitude) for magnitude in (LARGEST * ONE + 255, 2 * LARGEST * ONE, 1 << 40)} == {LEVELS - 1}


def test_lowest_magnitudes_start_their_levels() -> None:
    starts = lowest().tolist()
    assert [level(magnitude) for magnitude in starts] == list(range(LEVELS))
    assert [level(magnitude - 1) for magnitude in starts[1:]] == list(range(LEVELS - 1))


def test_neighbours_count_with_bounded_magnitudes() -> None:
    assert [limited(value) for value in (-(2**63), -3, 0, 2**63 - 1)] == [-LARGEST * ONE, -3 * ONE, 0, LARGEST * ONE]
    assert [five(value * ONE) for value in (-7, -2, -1, 0, 1, 2, 7)] == [0, 0, 1, 2, 3, 4, 4]


def test_buckets_cover_the_integers_in_order() -> None:
    edge, widths = 0, [0] * LONE + [place // 4 + 1 for place in range(LAST_BUCKET + 1 - LONE)]
    for bucket, width in enumerate(widths):
        assert bucket_of(edge) == bucket
        assert bucket_of(edge + 2**width - 1) == bucket
        edge += 2**width
    assert edge == 2**63


def test_squash_is_the_logistic_function() -> None:
    for stretched in range(-BOUND, BOUND + 1, 13):
        exact = 2**16 / (1 + math.exp(-stretched / 256))
        assert abs(squash(stretched) - min(max(exact, 32), 2**16 - 32)) <= 1
    assert squash(-(10**9)) == squash(-BOUND)
    assert squash(10**9) == squash(BOUND)


def test_stretch_is_its_inverse() -> None:
    for probability in range(8, 4096 - 8):
        middle, stretched = 16 * probability + 8, stretch(probability)  # middle: in units of 2⁻¹⁶
        assert squash(stretched - 1) < middle <= squash(stretched)


@example([ONE] + [0] * 7, ONE)
@given(st.lists(st.integers(-LARGEST * ONE, LARGEST * ONE), min_size=8, max_size=8), st.integers(-LARGEST * ONE, LARGEST * ONE))
def test_one_correction_is_the_rule_of_nagumo_and_noda(inputs: list[int], error: int) -> None:
    weights, rate = np.full(8, UNIT // 8), 655
    correct(np.array(inputs), weights, error, rate)
    power = sum((value / ONE) ** 2 for value in inputs) + 0.5
    for value, weight in zip(inputs, weights.tolist(), strict=True):
        exact = 1 / 8 + rate / 2**16 * (error / ONE) * (value / ONE) / power
        assert weight / UNIT == pytest.approx(min(max(exact, -16), 16), rel=1e-2, abs=1e-3 + abs(value / ONE) * 1e-5)


def test_the_predictor_finds_a_linear_law() -> None:
    rng = np.random.Generator(np.random.PCG64(2))
    law, weights = np.array([0.5, -0.25, 0, 0.125, 0, 0, 1, 0]), np.zeros(8, np.int64)
    for _ in range(5000):
        inputs = rng.integers(-3, 4, 8) * ONE
        correct(inputs, weights, round(float(law @ inputs)) - predicted(inputs, weights), 6550)
    np.testing.assert_allclose(weights / UNIT, law, atol=0.02)


def test_a_counter_is_the_frequency_of_its_bits() -> None:
    counters, bits = np.full((1, 1), 1 << 30, np.int32), [1, 0, 0, 1, 0, 0, 0, 0, 1, 0] * 20
    for bit in bits:
        count(counters, 0, 0, bit)
    assert (counters[0, 0] >> 10) / 2**21 == pytest.approx((sum(bits) + 0.25) / (len(bits) + 0.5), abs=0.003)
    assert counters[0, 0] & 1023 == len(bits)


def test_the_mixer_learns_whom_to_trust(to_plain_python: Callable[[], None]) -> None:
    """One input knows the bit, the others know nothing: its weight grows, and the bits become cheap."""
    to_plain_python()
    rng = np.random.Generator(np.random.PCG64(3))
    mixed, out, encoder = mixer(contexts=64, sets=3, choices=1, weight=2**16 // INPUTS, rate=3), np.empty(10_000, np.uint8), ENCODER
    for _ in range(2000):
        bit = int(rng.integers(2))
        mixed.at[:] = rng.integers(0, 64, INPUTS)
        mixed.at[2] = bit
        encoder, _ = mixing.decide(encoder, out, mixed, (0, 0, 0), bit, False)
    assert mixed.weights[:, 0, 2].min() > 2 * np.delete(mixed.weights[0, 0], 2).max()
    assert encoder[2] < 60  # bytes
