"""Data that are wrong in some way, one row each: how they are made, and what is said of them. A new case is a new row."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from laconic import Data, from_arrays, load_data
from laconic.base.preprocessing import Preprocessing

Array = np.ndarray


@dataclass(frozen=True)
class Wrong:
    """One row.

    Args:
        name: of the case.
        make: makes the data, given a folder to write in.
        says: words of the refusal, or of the warning where `warns`; empty where nothing is wrong.
        where: what must be named: split, row.
        warns: the data can be worked with.
    """

    name: str
    make: Callable[[Path], Data]
    says: str = ""
    where: str = ""
    warns: bool = False


def pixels(samples: int = 12, seed: int = 0, shape: tuple[int, ...] = (1, 8, 8)) -> Array:
    return np.random.Generator(np.random.PCG64(seed)).integers(0, 256, (samples, *shape)).astype(np.uint8)


def floats(samples: int = 12, seed: int = 0) -> Array:
    return np.random.Generator(np.random.PCG64(seed)).normal(size=(samples, 1, 8, 8)).astype(np.float32)


def labels(samples: int = 12) -> Array:
    return np.arange(samples, dtype=np.int64) % 4


def data(
    x: Any = None, y: Any = None, *, test_x: Any = None, test_y: Any = None, validation_x: Any = None, **more: Any
) -> Callable[[Path], Data]:
    """Three sound splits but for what is given; those of `x` and `y` are for training."""

    def make(_: Path) -> Data:
        train = (pixels() if x is None else x, labels() if y is None else y)
        test = (pixels(seed=1) if test_x is None else test_x, labels() if test_y is None else test_y)
        validation = (pixels(seed=2).astype(np.asarray(train[0]).dtype) if validation_x is None else validation_x, labels())
        return from_arrays(train, test, validation, **more)

    return make


def with_preprocessing(**said: Any) -> Callable[[Path], Data]:
    def make(folder: Path) -> Data:
        return data(preprocessing=Preprocessing((1, 8, 8), **said))(folder)

    return make


def put(array: Array, row: int | tuple[int, ...], value: float) -> Array:
    changed = array.copy()
    changed[row] = value
    return changed


def repeated(array: Array, row: int, of: Array, other: int) -> Array:
    changed = array.copy()
    changed[row] = of[other]
    return changed


class Samples:
    """A dataset whose sample is made by a function of its number."""

    def __init__(self, sample: Callable[[int], Any], length: int = 12) -> None:
        self.sample, self.length = sample, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Any:
        return self.sample(index)


class Stream:
    """An iterable without a length."""

    def __iter__(self) -> Iterator[tuple[Array, int]]:
        return zip(pixels(), range(12), strict=True)


def of_dataset(samples: Any) -> Callable[[Path], Data]:
    return lambda _: from_arrays(samples, (pixels(seed=1), labels()), (pixels(seed=2), labels()))


def crashing(index: int) -> tuple[Array, int]:
    if index == 7:
        raise OSError("truncated image 7.png")
    return pixels()[index], index % 4


def npz(**arrays: Any) -> Callable[[Path], Data]:
    def make(folder: Path) -> Data:
        np.savez(folder / "d.npz", **arrays)
        return load_data(f"npz:{folder / 'd.npz'}")

    return make


def mapped(folder: Path) -> Data:
    """Arrays on disk that may not be written."""
    np.save(folder / "x.npy", pixels(20))
    np.save(folder / "y.npy", labels(20))
    x, y = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in "xy")
    return from_arrays((x, y), (pixels(seed=1), labels()), (pixels(seed=2), labels()))


BYTES = Preprocessing((1, 8, 8), mean=(0.5,), std=(0.25,))
PLAIN = partial(data, preprocessing=BYTES)

WRONG = (
    Wrong("sound data", data()),
    Wrong("tensors", data(torch.from_numpy(pixels()), torch.from_numpy(labels()))),
    Wrong("memory-mapped arrays that may not be written", mapped),
    Wrong("arrays that are not contiguous", data(pixels()[::-1], labels()[::-1])),
    Wrong("labels of eight bits", data(y=labels().astype(np.uint8))),
    Wrong("another byte order", data(floats().astype(">f4"), test_x=floats(seed=1), validation_x=floats(seed=2))),
    Wrong(
        "three channels for one",
        lambda _: load_data("digits", sample_shape=(3, 8, 8)),
        "does not run on a batch of shape (2, 3, 8, 8)",
        "0",
    ),
    Wrong(
        "channels last",
        data(pixels(shape=(8, 8, 1)), test_x=pixels(shape=(8, 8, 1)), validation_x=pixels(shape=(8, 8, 1))),
        "does not run on a batch of shape (2, 8, 8, 1)",
        "0",
    ),
    Wrong("images without channels", npz(inputs=pixels(shape=(8, 8)), targets=labels()), "does not run on a batch of shape (2, 8, 8)"),
    Wrong("Python objects", data(pixels().astype(object)), "inputs of dtype object", "train split"),
    Wrong("complex numbers", data(pixels().astype(complex)), "inputs of dtype complex128", "train split"),
    Wrong("words for pixels", data(pixels().astype("U3")), "inputs of dtype <U3", "train split"),
    Wrong("dates for pixels", data(pixels().astype("M8[s]")), "inputs of dtype datetime64", "train split"),
    Wrong("32-bit pixels", data(pixels().astype(np.int32)), "where 0 and 1 are usual", "preprocessing", warns=True),
    Wrong("pixels as floats up to 255", data(pixels().astype(np.float32)), "where 0 and 1 are usual", "preprocessing", warns=True),
    Wrong("pixels scaled twice", data(floats() / 10, preprocessing=BYTES), "where 0 and 1 are usual", "preprocessing", warns=True),
    Wrong("means in pixels", data(preprocessing=Preprocessing((1, 8, 8), mean=(128.0,), std=(64.0,))), "0 and 1 are usual", warns=True),
    Wrong("a mean too many", with_preprocessing(mean=(0.5, 0.5)), "mean has 2 values for 1 channels"),
    Wrong("a deviation of zero", with_preprocessing(std=(0.0,)), "std positive"),
    Wrong("a mean that is NaN", with_preprocessing(mean=(np.nan,)), "must be finite"),
    Wrong(
        "a class number too high",
        data(y=put(labels(), 5, 9), classes=tuple("abcd")),
        "class number 9 where there are 4",
        "train split, row 5",
    ),
    Wrong("a class number that the network lacks", data(y=put(labels(), 5, 4)), "the labels reach 4"),
    Wrong("a class of the test split that the network lacks", data(test_y=put(labels(), 5, 4)), "the labels reach 4"),
    Wrong("classes that count from 1", data(y=labels() + 1, test_y=labels() + 1), "labels reach 4"),
    Wrong("a class number below zero", data(y=put(labels(), 3, -1)), "class number -1", "train split, row 3"),
    Wrong("labels as floats", data(y=labels().astype(float), test_y=labels().astype(float)), "no class numbers", "train split"),
    Wrong("labels as rows of one-hot", data(y=np.eye(4)[labels()], test_y=np.eye(4)[labels()]), "no class numbers", "train split"),
    Wrong(
        "labels as integer one-hot", data(y=np.eye(4, dtype=int)[labels()], classes=tuple("abcd")), "where classes are named", "train split"
    ),
    Wrong("labels in a column", data(y=labels()[:, None], classes=tuple("abcd")), "where classes are named", "train split"),
    Wrong("labels in words", data(y=np.array(["cat", "dog"] * 6)), "targets of dtype <U3", "train split"),
    Wrong("true and false for labels", data(y=labels() > 1, test_y=labels() > 1), "no class numbers", "train split"),
    Wrong("labels that are NaN", data(y=put(labels().astype(float), 2, np.nan)), "targets that are not finite", "train split, row 2"),
    Wrong("fewer labels than samples", data(y=labels(11)), "12 inputs but 11 targets"),
    Wrong("samples and labels swapped", data(labels(), pixels()), "shape", "split"),
    Wrong("a NaN", data(put(floats(), 4, np.nan)), "inputs that are not finite", "train split, row 4"),
    Wrong("an infinity", data(test_x=put(floats(), 6, np.inf), x=floats(), validation_x=floats(seed=2)), "not finite", "test split, row 6"),
    Wrong("a value beyond 32 bits", data(put(floats().astype(float), 4, 1e39)), "beyond the range of float32", "train split, row 4"),
    Wrong("huge values", data(put(floats(), (4, 0, 2), 1e30)), "where 0 and 1 are usual", "preprocessing", warns=True),
    Wrong("one class only", data(y=labels() * 0), "every sample is of class 0", "train split", warns=True),
    Wrong("a class that is never shown", data(y=labels() % 3, test_y=labels()), "no sample of 1 of 4 classes", "train split", warns=True),
    Wrong("a class name twice", data(classes=("cat", "dog", "cat", "cow")), "the class name 'cat' stands twice"),
    Wrong("an empty split", data(test_x=pixels(0), test_y=labels(0)), "a split without samples", "test split"),
    Wrong("no samples at all", lambda _: from_arrays((pixels(0), labels(0)), (pixels(1), labels(1))), "cannot hold out"),
    Wrong("one sample", lambda _: from_arrays((pixels(1), labels(1)), (pixels(1), labels(1))), "cannot hold out 1 of 1"),
    Wrong("a constant image", data(put(pixels(), 3, 0)), "1 samples in which nothing varies (row 3", "train split", warns=True),
    Wrong(
        "a test sample that was trained on",
        PLAIN(test_x=repeated(pixels(seed=1), 2, pixels(), 5)),
        "1 samples are in the train split too (row 2 is row 5 there)",
        "test split",
        warns=True,
    ),
    Wrong(
        "a validation sample that was trained on",
        PLAIN(validation_x=repeated(pixels(seed=2), 4, pixels(), 1)),
        "1 samples are in the train split too (row 4 is row 1 there)",
        "validation split",
        warns=True,
    ),
    Wrong("a test split of another shape", data(test_x=pixels(shape=(1, 9, 9))), "shape (1, 9, 9) where (1, 8, 8)", "test split"),
    Wrong("a single number", data(np.float32(3), np.int64(1)), "a single number"),
    Wrong("an iterable without a length", of_dataset(Stream()), "has no length"),
    Wrong("a generator", of_dataset(zip(pixels(), labels(), strict=True)), "has no length"),
    Wrong("a dataset that fails in the middle", of_dataset(Samples(crashing)), "truncated image 7.png", "sample 7"),
    Wrong("samples of several shapes", of_dataset(Samples(lambda i: (np.zeros((1, 8, 8 + i % 2)), 0))), "of one shape", "sample 1"),
    Wrong("samples that are single numbers", of_dataset(Samples(lambda i: (np.float32(i), i % 4))), "shape", "split"),
    Wrong("samples without labels", of_dataset(Samples(lambda i: pixels()[i])), "(sample, target)", "sample 0"),
    Wrong("samples with three parts", of_dataset(Samples(lambda i: (pixels()[i], 0, "id"))), "(sample, target)", "sample 0"),
    Wrong("samples in dicts", of_dataset(Samples(lambda i: {"image": pixels()[i], "label": 0})), "(sample, target)", "sample 0"),
    Wrong("samples that are nothing", of_dataset(Samples(lambda i: (None, 0))), "inputs of dtype object", "train split"),
    Wrong("ragged lists", data([[1, 2], [3]], [0, 1], validation_x=pixels()), "this is no array"),
    Wrong("an archive with other names", npz(images=pixels(), labels=labels()), "the archive holds images, labels", "d.npz"),
    Wrong("an archive of Python objects", npz(inputs=np.array([{}, {}]), targets=labels(2)), "cannot be read", "d.npz"),
)
