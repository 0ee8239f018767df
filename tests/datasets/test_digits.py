"""The embedded digits, and their enlargement against torch's."""

import numpy as np
import pytest
import torch

from laconic.base.errors import DataError
from laconic.datasets.digits import load_digits, resized


@pytest.mark.parametrize("size", [(8, 8), (28, 28), (32, 20), (5, 3), (1, 1)])
def test_resizing_is_torch_s_bilinear(size):
    images = np.random.default_rng(0).uniform(0, 16, (4, 8, 8))
    expected = torch.nn.functional.interpolate(torch.from_numpy(images)[:, None], size, mode="bilinear", align_corners=False)[:, 0]
    np.testing.assert_allclose(resized(images, *size), expected.numpy(), rtol=0, atol=1e-12)


def test_splits_share_no_image_with_another_row():
    import sklearn.datasets

    data = load_digits()
    assert [len(split) for split in (data.train, data.validation, data.test)] == [1197, 300, 300]
    found = np.concatenate([split.inputs[:, 0] for split in (data.train, data.validation, data.test)])
    labels = np.concatenate([split.targets for split in (data.train, data.validation, data.test)])
    bunch = sklearn.datasets.load_digits()
    ours = sorted((np.rint(image / 255.0 * 16).astype(np.uint8).tobytes(), int(label)) for image, label in zip(found, labels, strict=True))
    theirs = sorted((image.astype(np.uint8).tobytes(), int(label)) for image, label in zip(bunch.images, bunch.target, strict=True))
    assert ours == theirs


def test_pixels_use_all_eight_bits_at_the_network_s_size():
    data = load_digits((3, 28, 28))
    assert data.train.inputs.shape == (1197, 3, 28, 28)
    assert data.train.inputs.dtype == np.uint8
    assert (data.train.inputs.min(), data.train.inputs.max()) == (0, 255)
    assert (data.train.inputs[:, 0] == data.train.inputs[:, 2]).all()
    assert data.classes == tuple("0123456789")


def test_shapes_that_are_no_images_are_refused():
    with pytest.raises(DataError, match="cannot be given the shape"):
        load_digits((784,))
