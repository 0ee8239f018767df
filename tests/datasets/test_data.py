"""Splits and what is measured on them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laconic.base.errors import DataError
from laconic.base.preprocessing import Preprocessing
from laconic.datasets.data import Data, Split, half_by_hash, hold_out, hold_out_tenth, measured, split_in_three


def _numbered(n):
    return Split(np.arange(n)[:, None].astype(np.float32), np.arange(n))


def _rows(*splits):
    return sorted(int(t) for split in splits for t in split.targets)


@given(n=st.integers(2, 300), share=st.floats(0.01, 0.99), seed=st.integers(0, 9))
def test_holding_out_neither_loses_nor_repeats_a_row(n, share, seed):
    samples = min(n - 1, max(1, round(share * n)))
    train, held = hold_out(_numbered(n), samples, seed)
    assert len(held) == samples
    assert _rows(train, held) == list(range(n))
    assert (train.inputs[:, 0] == train.targets).all()
    assert (held.inputs[:, 0] == held.targets).all()


def test_holding_out_is_the_same_each_time_and_another_with_another_seed():
    first, again, other = (hold_out(_numbered(100), 10, seed)[1].targets.tolist() for seed in (0, 0, 1))
    assert first == again != other


@pytest.mark.parametrize("samples", [0, 5, 6, -1])
def test_holding_out_none_or_all_is_refused(samples):
    with pytest.raises(DataError, match="cannot hold out"):
        hold_out(_numbered(5), samples)


@pytest.mark.parametrize(("n", "expected"), [(2, 1), (99, 9), (50_000, 5000), (60_000, 5000)])
def test_a_tenth_is_bounded(n, expected):
    assert len(hold_out_tenth(_numbered(n))[1]) == expected


def test_three_ways():
    parts = split_in_three(_numbered(100))
    assert [len(part) for part in parts] == [72, 8, 20]
    assert _rows(*parts) == list(range(100))


def test_half_by_hash_depends_on_each_sample_alone():
    inputs = np.random.default_rng(0).integers(0, 256, (2000, 1, 4, 4), np.uint8)
    mask, order = half_by_hash(inputs), np.random.default_rng(1).permutation(2000)
    assert (half_by_hash(inputs[order]) == mask[order]).all()
    assert 0.45 < mask.mean() < 0.55


def test_a_checkpoint_sees_half_of_the_test_samples_for_choices_and_half_for_the_verdict():
    inputs = np.random.default_rng(0).integers(0, 256, (200, 1, 4, 4), np.uint8)
    split = Split(inputs, np.arange(200))
    data = Data("x", split, split.take(np.arange(3)), split, Preprocessing((1, 4, 4)), provenance="Here.").for_checkpoint()
    assert _rows(data.validation, data.test) == list(range(200))
    assert "verdict" in data.provenance


def test_lengths_that_differ_are_refused():
    with pytest.raises(DataError, match="3 inputs but 2 targets"):
        Split(np.zeros((3, 1)), np.zeros(2))
    with pytest.raises(DataError, match="single number"):
        Split(np.float32(3), np.float32(2))


@pytest.mark.parametrize("n", [1, 7, 1024, 2500])
def test_images_are_measured_by_channel(n):
    inputs = np.random.default_rng(n).integers(0, 256, (n, 3, 4, 5), np.uint8)
    found = measured(inputs)
    np.testing.assert_allclose(found.mean, (inputs / 255).mean((0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(found.std, (inputs / 255).std((0, 2, 3)), rtol=1e-9)
    assert found.shape == (3, 4, 5)


def test_all_else_is_measured_as_one():
    inputs = np.random.default_rng(0).normal(3, 2, (50, 7))
    found = measured(inputs, scale=1.0)
    np.testing.assert_allclose([*found.mean, *found.std], [inputs.mean(), inputs.std()], rtol=1e-12)


def test_a_channel_that_never_varies_is_not_blown_up():
    inputs = np.full((5, 2, 3, 3), 51, np.uint8)
    inputs[0, 1, 0, 0] = 60
    found = measured(inputs)
    assert found.std[0] == 1.0
    assert found.std[1] < 0.01


def test_another_normalisation():
    split = Split(np.zeros((4, 3, 2, 2), np.uint8), np.arange(4))
    data = Data("x", split, split, split, Preprocessing((3, 2, 2)))
    other = data.normalised((0.1, 0.2, 0.3), (0.4, 0.5, 0.6)).preprocessing
    assert other == Preprocessing((3, 2, 2), mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))


def test_calibration_samples_are_spread_over_the_training_samples():
    split = _numbered(20)
    data = Data("x", split, split, split, Preprocessing((1,)))
    assert data.calibration(3).tolist() == [[0], [6], [13]]
    assert len(data.calibration()) == 20
