"""Data: the splits of a problem, in memory, with their preprocessing and their provenance."""

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from laconic.base.errors import DataError
from laconic.base.preprocessing import Preprocessing
from laconic.datasets.checks import check_split, oddities


@dataclass(frozen=True, eq=False)
class Split:
    """Raw samples and their targets.

    Args:
        inputs: `(n, *sample_shape)`, as stored (8-bit pixels stay 8-bit).
        targets: `(n, …)`; class numbers `(n,)` int64 for classification.
    """

    inputs: np.ndarray
    targets: np.ndarray

    def __post_init__(self) -> None:
        if not (self.inputs.ndim and self.targets.ndim):
            raise DataError("a single number where a split has one entry per sample", hint="inputs and targets are arrays, samples first")
        if len(self.inputs) != len(self.targets):
            raise DataError(f"{len(self.inputs)} inputs but {len(self.targets)} targets in one split", hint="every sample has one target")

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, rows: np.ndarray) -> "Split":
        """The split of these rows (indices or a mask)."""
        return Split(self.inputs[rows], self.targets[rows])


@dataclass(frozen=True, eq=False)
class Data:
    """The splits of a problem.

    Args:
        name: what the user called it, e.g. `mnist:DIR`.
        train: for training.
        validation: for choices; no sample of it is in `train` or `test`.
        test: for the verdict; read once, by the final measurement.
        preprocessing: from raw samples to the network's input.
        classes: the names of the classes; empty where the task has none.
        provenance: where the data came from and how it was split, in a sentence.

    Raises:
        DataError: a split that is empty, of another shape than the preprocessing, not numeric, with values that are not finite,
            or, where classes are named, with targets that are not class numbers; with the name of the split and the row.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    preprocessing: Preprocessing
    classes: tuple[str, ...] = ()
    provenance: str = ""

    def __post_init__(self) -> None:
        twice = next((name for name, times in Counter(self.classes).items() if times > 1), None)
        if twice is not None:
            raise DataError(f"the class name {twice!r} stands twice", where=self.name, hint="give every class a name of its own")
        for name, split in (("train", self.train), ("validation", self.validation), ("test", self.test)):
            check_split(name, split.inputs, split.targets, shape=self.preprocessing.shape, classes=len(self.classes))

    def digest(self) -> str:
        """SHA-256 of all that training and choosing can see of these data; the test split is left unread."""
        found = hashlib.sha256(repr((self.preprocessing, self.classes)).encode())
        for split in (self.train, self.validation):
            for array in (split.inputs, split.targets):
                found.update(f"{array.dtype} {array.shape}".encode())
                found.update(np.ascontiguousarray(array).data)
        return found.hexdigest()

    @property
    def labelled(self) -> bool:
        """Whether the targets to learn from are more than a stand-in (all zero)."""
        return bool(np.any(self.train.targets))

    def oddities(self) -> tuple[str, ...]:
        """What can be worked with, but is seldom meant (see `checks.oddities`)."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return oddities({name: (s.inputs, s.targets) for name, s in named.items()}, self.preprocessing, self.classes)

    def calibration(self, samples: int = 512) -> np.ndarray:
        """So many raw training inputs, evenly spread (many data lie class by class), for steps that need no labels."""
        count = min(samples, len(self.train))
        return self.train.inputs[np.arange(count) * len(self.train) // count]

    def normalised(self, mean: tuple[float, ...], std: tuple[float, ...]) -> "Data":
        """These data with another mean and deviation, in units of the scaled inputs: those that a checkpoint was trained with."""
        return replace(self, preprocessing=replace(self.preprocessing, mean=mean, std=std))

    def for_checkpoint(self) -> "Data":
        """These data as a *public checkpoint* must see them.

        Such a model has seen the whole training set, so no honest validation split is left in it: the test samples are split
        once, by a hash of their content, into one half for choices (`validation`) and the other for the verdict (`test`).
        """
        choice = half_by_hash(self.test.inputs)
        return replace(
            self,
            validation=self.test.take(choice),
            test=self.test.take(~choice),
            provenance=self.provenance + " Checkpoint: choices on one half of the test samples (by content hash), verdict on the other.",
        )


def half_by_hash(inputs: np.ndarray) -> np.ndarray:
    """Mask `(n,)` of about half the samples, decided by each sample's own bytes and by nothing else."""
    digests = (hashlib.sha256(np.ascontiguousarray(sample).tobytes()).digest()[0] for sample in inputs)
    return np.fromiter((d % 2 == 0 for d in digests), dtype=bool, count=len(inputs))


def hold_out(train: Split, samples: int, seed: int = 0) -> tuple[Split, Split]:
    """`train` without `samples` of its rows, and those rows as a validation split; drawn once with a fixed seed."""
    if not 0 < samples < len(train):
        raise DataError(
            f"cannot hold out {samples} of {len(train)} training samples for validation", hint="give more samples, or a validation split"
        )
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(train))
    return train.take(np.sort(order[samples:])), train.take(np.sort(order[:samples]))


def hold_out_tenth(train: Split) -> tuple[Split, Split]:
    """`hold_out` of one sample in ten, at most 5 000: the validation split of training data that came without one."""
    return hold_out(train, max(1, min(5000, len(train) // 10)))


def split_in_three(whole: Split) -> tuple[Split, Split, Split]:
    """Train, validation and test of samples that came without any split: a fifth to test, then a tenth of the rest to validate."""
    rest, test = hold_out(whole, max(1, len(whole) // 5))
    train, validation = hold_out_tenth(rest)
    return train, validation, test


def measured(inputs: np.ndarray, scale: float = 1 / 255) -> Preprocessing:
    """Preprocessing whose mean and deviation are measured on `inputs` `(n, *shape)`, in chunks, in float64.

    Images `(n, channels, height, width)` are measured channel by channel, all else as one. Where nothing varies, the deviation
    is taken as 1.
    """
    axes = (0, 2, 3) if inputs.ndim == 4 else tuple(range(inputs.ndim))
    total: Any = 0.0
    squares: Any = 0.0
    for start in range(0, len(inputs), 1024):
        chunk = inputs[start : start + 1024].astype(np.float64) * scale
        total, squares = total + chunk.sum(axes), squares + (chunk**2).sum(axes)
    count = inputs.size / np.size(total)
    mean = np.atleast_1d(total / count)
    variance = np.atleast_1d(squares / count) - mean**2
    std = np.where(variance > 1e-12, np.sqrt(np.maximum(variance, 1e-12)), 1.0)
    return Preprocessing(inputs.shape[1:], scale, tuple(map(float, mean)), tuple(map(float, std)))
