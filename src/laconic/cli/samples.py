"""INPUT of `laconic run`, from an image or a `.npy` file to what the network takes. No torch."""

from pathlib import Path

import numpy as np

from laconic.base.errors import DataError, UsageError
from laconic.base.images import MODES, decode
from laconic.base.preprocessing import Preprocessing


def read_samples(path: Path, preprocessing: Preprocessing | None, shape: tuple[int | str, ...]) -> np.ndarray:
    """Network input `(n, *shape)`, float32.

    Args:
        path: an image, which is converted and resized; or a `.npy` file of raw samples `(n, *shape)`, or of one `(*shape)`.
        preprocessing: what the file stores; without it, arrays are taken for inputs as they are, and images refused.
        shape: of one sample.

    Raises:
        UsageError: no such file, or an image where no preprocessing is known. DataError: it cannot be read, or has another shape.
    """
    if not path.is_file():
        raise UsageError("a folder stands where the input should be" if path.is_dir() else "there is no such file", where=str(path))
    if path.suffix != ".npy" and preprocessing is None:
        raise UsageError("the file does not say how an image becomes an input", where=str(path), hint="give a .npy file of inputs")
    if path.suffix != ".npy" and preprocessing is not None:
        return preprocessing.apply(read_image(path, preprocessing.shape)[None])
    raw = _read_npy(path)
    batch = raw[None] if raw.ndim == len(shape) else raw
    return batch if preprocessing is None else preprocessing.apply(batch)


def read_image(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """An image file as 8-bit `(channels, height, width)`: grey or RGB, resized bilinearly where its size differs.

    Raises:
        DataError: the network takes no such images, or the file is no image.
    """
    if len(shape) != 3 or shape[0] not in MODES:
        raise DataError(f"the network takes samples of shape {shape}, which no image has", where=str(path), hint="give a .npy file")
    return decode(path, (shape[0], shape[1], shape[2]))


def _read_npy(path: Path) -> np.ndarray:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as cause:
        raise DataError(f"the array cannot be read: {cause}", where=str(path), hint="write it with numpy.save, numbers only") from cause
    if not isinstance(array, np.ndarray):
        array.close()
        raise DataError("an archive of arrays where one array should be", where=str(path), hint="write it with numpy.save")
    if array.dtype.kind not in "biuf":
        raise DataError(f"the array is of type {array.dtype}", where=str(path), hint="8-bit pixels or floats")
    return array
