"""Zeros in patterns: the pattern holds everywhere, and what stays is the greatest that it allows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laconic.base.errors import UsageError
from laconic.forms.patterns import parsed, patterned


def weight(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.abs(np.random.default_rng(seed).standard_normal(shape))


@given(st.integers(1, 9), st.integers(1, 30), st.integers(1, 3), st.integers(4, 8), st.integers(0, 99))
def test_of_every_few_so_many_stay_and_they_are_the_greatest(rows: int, columns: int, stay: int, every: int, seed: int) -> None:
    magnitudes = weight((rows, columns), seed)
    mask = patterned(magnitudes, f"{stay}:{every}")
    for row, kept in zip(magnitudes, mask, strict=True):
        for start in range(0, columns, every):
            own, left = row[start : start + every], kept[start : start + every]
            assert left.sum() == min(stay, len(own))
            assert set(np.flatnonzero(left)) == set(np.argsort(-own, kind="stable")[:stay])


def test_neighbours_are_those_along_the_inputs() -> None:
    magnitudes = weight((8, 4, 3, 3))
    assert (patterned(magnitudes, "2:4").reshape(8, 9, 4).sum(2) == 2).all()


@pytest.mark.parametrize(("pattern", "high", "wide"), [("4x1", 4, 1), ("2x3", 2, 3), ("1x8", 1, 8)])
def test_blocks_go_whole_and_the_greatest_stay(pattern: str, high: int, wide: int) -> None:
    magnitudes = weight((8, 24))
    mask = patterned(magnitudes, pattern, count=96)
    blocks = mask.reshape(8 // high, high, 24 // wide, wide).sum((1, 3))
    assert set(np.unique(blocks)) == {0, high * wide}
    assert mask.sum() == 96
    means = magnitudes.reshape(8 // high, high, 24 // wide, wide).mean((1, 3))
    assert means[blocks > 0].min() >= means[blocks == 0].max()


def test_blocks_at_the_edges_are_smaller() -> None:
    magnitudes = weight((5, 7))
    magnitudes[4, 6] = 100
    mask = patterned(magnitudes, "4x4", count=16)
    assert mask[4, 6]
    assert mask.sum() in (3, 12, 16)


def test_what_was_pruned_does_not_come_back() -> None:
    magnitudes = weight((4, 8))
    magnitudes[0] = -1
    for pattern in ("2:4", "2x2"):
        assert not patterned(magnitudes, pattern, count=32)[0].any()


@pytest.mark.parametrize("pattern", ["", "2", "4:2", "2:2", "0:4", "x", "0x4", "2:4:8", "axb", "-1x2"])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(UsageError, match="no pattern"):
        parsed(pattern)
