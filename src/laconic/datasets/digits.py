"""`digits`: handwritten digits that come with scikit-learn; real data without a download.

E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998 (its test part):
1 797 images of 8 × 8 pixels with 17 levels of grey.
"""

import numpy as np

from laconic.base.errors import DataError
from laconic.datasets.data import Data, Split, hold_out, measured


def load_digits(sample_shape: tuple[int, ...] | None = None) -> Data:
    """1 197 digits to train, 300 to validate, 300 to test, as 8-bit pixels (0 to 255).

    Args:
        sample_shape: `(channels, height, width)` to enlarge the 8 × 8 images to, bilinearly; every channel holds the same image.

    Raises:
        DataError: `sample_shape` is not that of an image.
    """
    import sklearn.datasets

    channels, height, width = _image_shape(sample_shape)
    bunch = sklearn.datasets.load_digits()
    grey = np.rint(resized(bunch.images, height, width) * (255 / 16)).astype(np.uint8)
    whole = Split(np.repeat(grey[:, None], channels, axis=1), bunch.target.astype(np.int64))
    rest, test = hold_out(whole, 300)
    train, validation = hold_out(rest, 300)
    return Data(
        "digits",
        train,
        validation,
        test,
        measured(train.inputs),
        tuple("0123456789"),
        f"1 797 digits of 8 × 8 pixels (UCI, with scikit-learn), as {height} × {width}; 300 to test, 300 to validate, by seed 0.",
    )


def resized(images: np.ndarray, height: int, width: int) -> np.ndarray:
    """Images `(n, h, w)` as `(n, height, width)`, float64: bilinear, pixels as squares, edges repeated."""
    return _weights(images.shape[1], height) @ images @ _weights(images.shape[2], width).T


def _weights(old: int, new: int) -> np.ndarray:
    """`(new, old)`: row i holds what each old pixel gives to new pixel i; at most two are not zero and they sum to 1."""
    centre = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    distance = np.abs(centre[:, None] - np.arange(old))
    return np.maximum(0.0, 1.0 - distance)


def _image_shape(sample_shape: tuple[int, ...] | None) -> tuple[int, int, int]:
    shape = (1, 8, 8) if sample_shape is None else sample_shape
    if len(shape) != 3 or min(shape) < 1:
        raise DataError(f"the digits are images and cannot be given the shape {shape}", hint="(channels, height, width)")
    return shape[0], shape[1], shape[2]
