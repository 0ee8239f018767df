"""Data: the splits of a problem, in memory, with their preprocessing and their provenance."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from laconic.base.errors import DataError
from laconic.base.preprocessing import Preprocessing


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
        if len(self.inputs) != len(self.targets):
            raise DataError(f"{len(self.inputs)} inputs but {len(self.targets)} targets in one split")

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
    """

    name: str
    train: Split
    validation: Split
    test: Split
    preprocessing: Preprocessing
    classes: tuple[str, ...] = ()
    provenance: str = ""

    def calibration(self, samples: int = 512) -> np.ndarray:
        """The first `samples` raw training inputs, without their targets, for steps that need no labels."""
        return self.train.inputs[:samples]

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
        raise DataError(f"cannot hold out {samples} of {len(train)} training samples for validation")
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(train))
    return train.take(np.sort(order[samples:])), train.take(np.sort(order[:samples]))


def measured(inputs: np.ndarray, scale: float = 1 / 255) -> Preprocessing:
    """Preprocessing whose mean and deviation are measured on `inputs` `(n, *shape)`, per channel (in chunks, float64)."""
    axes = (0, *range(2, inputs.ndim))
    total: Any = 0.0
    squares: Any = 0.0
    for start in range(0, len(inputs), 1024):
        chunk = inputs[start : start + 1024].astype(np.float64) * scale
        total, squares = total + chunk.sum(axes), squares + (chunk**2).sum(axes)
    count = inputs.size / (inputs.shape[1] if inputs.ndim > 1 else 1)
    mean = np.atleast_1d(total / count)
    std = np.sqrt(np.maximum(np.atleast_1d(squares / count) - mean**2, 1e-12))
    return Preprocessing(inputs.shape[1:], scale, tuple(map(float, mean)), tuple(map(float, std)))
