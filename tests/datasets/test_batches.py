"""Batches: every sample once, as the stored preprocessing would have it, moved and mirrored as drawn."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from laconic.base.errors import DataError, UsageError
from laconic.base.preprocessing import Preprocessing
from laconic.datasets.batches import Augmentation, batches
from laconic.datasets.data import Split

_PLAIN = Preprocessing((1, 4, 6), scale=1.0)


def _generator(seed=0):
    return torch.Generator().manual_seed(seed)


def _images(n=50, channels=1):
    return np.random.default_rng(0).integers(1, 256, (n, channels, 4, 6), np.uint8)


def _joined(iterator):
    inputs, targets = zip(*iterator, strict=True)
    return torch.cat(inputs), torch.cat(targets)


@given(
    raw=arrays.arrays(
        st.sampled_from([np.uint8, np.float32, np.float64, np.int16, np.bool_]), (7, 3, 2, 4), elements={"min_value": 0, "max_value": 100}
    ),
    mean=st.tuples(*[st.floats(-1, 1)] * 3) | st.tuples(st.floats(-1, 1)),
    std=st.tuples(*[st.floats(0.1, 2)] * 3) | st.tuples(st.floats(0.1, 2)),
    size=st.integers(1, 9),
)
def test_inputs_equal_the_stored_preprocessing(raw, mean, std, size):
    preprocessing = Preprocessing((3, 2, 4), 1 / 255, mean, std)
    inputs, _ = _joined(batches(Split(raw, np.arange(7)), preprocessing, size))
    assert inputs.dtype == torch.float32
    np.testing.assert_allclose(inputs.numpy(), preprocessing.apply(raw), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (1, 2, 2, 2)])
def test_samples_of_any_rank(shape):
    raw = np.random.default_rng(0).normal(size=(9, *shape))
    preprocessing = Preprocessing(shape, 2.0, (0.5,), (0.25,))
    inputs, _ = _joined(batches(Split(raw, np.arange(9)), preprocessing, 4))
    np.testing.assert_allclose(inputs.numpy(), preprocessing.apply(raw), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_the_data_are_left_alone(dtype):
    raw = _images().astype(dtype)
    before = raw.copy()
    for inputs, _ in batches(Split(raw, np.arange(50)), Preprocessing((1, 4, 6), mean=(0.5,)), 50):
        inputs.zero_()
    assert (raw == before).all()


def test_without_a_seed_samples_come_in_their_order():
    sizes = [len(targets) for _, targets in batches(Split(_images(), np.arange(50)), _PLAIN, 16)]
    assert sizes == [16, 16, 16, 2]
    assert _joined(batches(Split(_images(), np.arange(50)), _PLAIN, 16))[1].tolist() == list(range(50))


def test_a_seed_shuffles_and_keeps_pairs_together():
    split = Split(_images(), np.arange(50))
    inputs, targets = _joined(batches(split, _PLAIN, 16, seed=0))
    assert sorted(targets.tolist()) == list(range(50)) != targets.tolist()
    assert (inputs.numpy() == split.inputs[targets.numpy()]).all()


def test_one_seed_one_order():
    split = Split(_images(), np.arange(50))
    first, again, other = (_joined(batches(split, _PLAIN, 16, seed=seed))[1].tolist() for seed in (3, 3, 4))
    assert first == again != other


def test_a_pass_can_begin_at_any_batch():
    split, draws = Split(_images(), np.arange(50)), {"seed": 5, "augment": Augmentation(1, flip=True)}
    whole = list(batches(split, _PLAIN, 16, **draws))
    late = list(batches(split, _PLAIN, 16, first=2, **draws))
    assert len(late) == 2
    for (inputs, targets), (same_inputs, same_targets) in zip(whole[2:], late, strict=True):
        assert torch.equal(inputs, same_inputs)
        assert torch.equal(targets, same_targets)


@pytest.mark.parametrize(
    ("targets", "dtype"),
    [(np.arange(50, dtype=np.uint8), torch.int64), (np.ones((50, 2)), torch.float32), (np.ones(50, np.float32), torch.float32)],
)
def test_targets_are_what_losses_take(targets, dtype):
    _, found = next(iter(batches(Split(_images(), targets), _PLAIN, 50)))
    assert found.dtype == dtype
    assert found.tolist() == targets.tolist()


def _placements(image, shift):
    """Every picture that shifting and mirroring can make of one, by brute force."""
    height, width = image.shape[1:]
    padded = np.pad(image, ((0, 0), (shift, shift), (shift, shift)))
    for down in range(2 * shift + 1):
        for right in range(2 * shift + 1):
            window = padded[:, down : down + height, right : right + width]
            yield (down, right, False), window
            yield (down, right, True), window[:, :, ::-1]


@pytest.mark.parametrize("channels", [1, 3])
def test_each_image_is_one_of_its_own_placements_and_all_of_them_occur(channels):
    image = _images(1, channels)[0]
    images = torch.from_numpy(np.repeat(image[None], 600, 0).astype(np.float32))
    known = {window.tobytes(): place for place, window in ((p, w.astype(np.float32)) for p, w in _placements(image, 1))}
    seen = [known[np.ascontiguousarray(moved).tobytes()] for moved in Augmentation(1, flip=True)(images, _generator()).numpy()]
    assert set(seen) == set(known.values())
    assert 0.4 < np.mean([mirrored for _, _, mirrored in seen]) < 0.6


def test_channels_of_an_image_move_together():
    images = torch.from_numpy(np.repeat(_images(40), 3, axis=1).astype(np.float32))
    moved = Augmentation(2, flip=True)(images, _generator())
    assert torch.equal(moved[:, 0], moved[:, 1])
    assert torch.equal(moved[:, 0], moved[:, 2])


def test_the_border_is_raw_zero_so_normalised_it_is_minus_mean_over_std():
    split = Split(np.full((40, 1, 4, 6), 255, np.uint8), np.zeros(40, np.int64))
    preprocessing = Preprocessing((1, 4, 6), mean=(0.25,), std=(0.5,))
    inputs, _ = next(batches(split, preprocessing, 40, seed=0, augment=Augmentation(2)))
    np.testing.assert_allclose(np.unique(inputs.numpy()), [-0.5, 1.5])


def test_a_view_shows_a_sample_alike_in_whatever_batch_it_comes():
    split = Split(_images(), np.arange(50))

    def shown(seed, size, view):
        drawn = batches(split, _PLAIN, size, seed=seed, augment=Augmentation(1, flip=True), view=view)
        return {int(row): image.tobytes() for inputs, rows in drawn for row, image in zip(rows, inputs.numpy(), strict=True)}

    assert shown(0, 7, view=3) == shown(1, 20, view=3)
    assert shown(0, 7, view=3) != shown(0, 7, view=4)
    assert len(set(shown(0, 7, view=3).values())) == 50


def test_no_augmentation_changes_nothing_and_draws_nothing():
    images, generator = torch.rand(5, 1, 4, 4), _generator()
    before = generator.get_state()
    assert torch.equal(Augmentation()(images, generator), images)
    assert torch.equal(generator.get_state(), before)


def test_wrong_calls_are_refused_at_once():
    split = Split(_images(), np.arange(50))
    with pytest.raises(UsageError, match="a batch of 0"):
        batches(split, _PLAIN, 0)
    with pytest.raises(UsageError, match="no seed"):
        batches(split, _PLAIN, 4, augment=Augmentation(1))
    with pytest.raises(DataError, match="where the network takes"):
        batches(split, Preprocessing((1, 6, 4)), 4)
    with pytest.raises(DataError, match="no images"):
        batches(Split(np.zeros((3, 5)), np.arange(3)), Preprocessing((5,)), 4, seed=0, augment=Augmentation(1))
    with pytest.raises(UsageError, match="up to -1"):
        Augmentation(shift=-1)
