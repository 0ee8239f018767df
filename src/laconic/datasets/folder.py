"""`folder:DIR`: image files in one folder per class."""

from pathlib import Path

import numpy as np

from laconic.base.errors import DataError
from laconic.base.images import SUFFIXES, decode_all, natural_shape
from laconic.datasets.data import Data, Split, hold_out_tenth, measured, split_in_three

_VALIDATION = ("validation", "val")


def load_folder(folder: Path, sample_shape: tuple[int, ...] | None = None) -> Data:
    """Images from `DIR/{train,test}/CLASS/*` and, where there is one, `DIR/{validation,val}/CLASS/*`; or from `DIR/CLASS/*`.

    Classes are numbered in alphabetical order, images are taken in the order of their names, decoded once and kept as 8-bit pixels.
    Without a validation folder, one training image in ten, at most 5 000, is held out; without any split, one image in five
    goes to test first. Mean and deviation are measured on the training split.

    Args:
        folder: DIR.
        sample_shape: `(channels, height, width)` to bring the images to; `None`: that of the first training image.

    Raises:
        DataError: no such folder, no classes, a class without images, a test class that training lacks, or a broken image, by name.
    """
    if not folder.is_dir():
        raise DataError("there is no such folder", where=str(folder))
    own_splits = (folder / "train").is_dir()
    home = folder / "train" if own_splits else folder
    classes = _subfolders(home)
    shape = natural_shape(_images(home / classes[0])[0]) if sample_shape is None else _image_shape(sample_shape)
    whole = _split(home, classes, shape)
    train, validation, test = _own_splits(folder, whole, classes, shape) if own_splits else split_in_three(whole)
    return Data(
        f"folder:{folder}",
        train,
        validation,
        test,
        measured(train.inputs),
        classes,
        f"image files as {' × '.join(map(str, shape))}; {len(train)} to train, {len(validation)} to validate, {len(test)} to test; "
        f"what had no folder of its own was held out by seed 0.",
    )


def _own_splits(folder: Path, whole: Split, classes: tuple[str, ...], shape: tuple[int, int, int]) -> tuple[Split, Split, Split]:
    test = _split(folder / "test", classes, shape)
    own = next((folder / name for name in _VALIDATION if (folder / name).is_dir()), None)
    train, validation = hold_out_tenth(whole) if own is None else (whole, _split(own, classes, shape))
    return train, validation, test


def _split(home: Path, classes: tuple[str, ...], shape: tuple[int, int, int]) -> Split:
    strangers = set(_subfolders(home)) - set(classes)
    if strangers:
        raise DataError(f"class {min(strangers)!r} has no training images", where=str(home), hint=f"classes: {', '.join(classes[:12])}")
    images = [(path, number) for number, name in enumerate(classes) if (home / name).is_dir() for path in _images(home / name)]
    return Split(decode_all([path for path, _ in images], shape), np.array([number for _, number in images], np.int64))


def _subfolders(home: Path) -> tuple[str, ...]:
    if not home.is_dir():
        raise DataError("there is no such folder", where=str(home), hint="expected DIR/train/CLASS and DIR/test/CLASS, or DIR/CLASS")
    names = tuple(sorted(entry.name for entry in home.iterdir() if entry.is_dir() and not entry.name.startswith(".")))
    if not names:
        raise DataError("no folders of classes here", where=str(home), hint="expected one folder per class, with image files in it")
    return names


def _images(home: Path) -> list[Path]:
    paths = sorted(path for path in home.iterdir() if path.suffix.lower() in SUFFIXES and not path.name.startswith("."))
    if not paths:
        raise DataError("a class without images", where=str(home), hint=f"files that end in {', '.join(SUFFIXES)}")
    return paths


def _image_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise DataError(f"images do not fit a network that takes samples of shape {shape}", hint="(channels, height, width)")
    return shape[0], shape[1], shape[2]
