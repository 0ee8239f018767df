"""Faults in data, found when the data are made and not in the middle of training."""

import hashlib
from collections.abc import Mapping

import numpy as np

from laconic.base.errors import DataError
from laconic.base.preprocessing import Preprocessing

_CHUNK = 1024
_FEW = 5000  # samples tell enough of a distribution
_FAR = 4.0  # mean from 0, or deviation from 1 as a factor: [0, 1] pixels without normalisation stay inside


def check_split(name: str, inputs: np.ndarray, targets: np.ndarray, *, shape: tuple[int, ...], classes: int) -> None:
    """Refuse a split that no network could learn from or be judged by.

    Args:
        name: what the split is called, for the message.
        inputs: `(n, *shape)`, real numbers.
        targets: `(n, …)`; where `classes` is not 0, class numbers `(n,)` from 0 to `classes - 1`.
        shape: one sample as the preprocessing takes it.
        classes: number of named classes; 0 where the task has none.

    Raises:
        DataError: the first fault found, with the name of the split and, where there is one, the row.
    """
    where = f"{name} split"
    if not len(inputs):
        raise DataError("a split without samples", where=where, hint="give it at least one, or leave the splitting to laconic")
    if inputs.dtype.kind not in "biuf":
        raise DataError(f"inputs of dtype {inputs.dtype}", where=where, hint="give real numbers: 8-bit pixels or floats")
    if inputs.shape[1:] != shape:
        raise DataError(
            f"samples of shape {inputs.shape[1:]} where {shape} was expected",
            where=where,
            hint="all splits share one shape, written channels first, without the batch axis",
        )
    if targets.dtype.kind not in "biuf":
        hint = "number the classes: labels = np.unique(words, return_inverse=True)[1]"
        raise DataError(f"targets of dtype {targets.dtype}", where=where, hint=hint)
    _check_finite(inputs, "inputs", where)
    _check_finite(targets, "targets", where)
    if classes:
        _check_labels(targets, classes, where)


def _check_finite(values: np.ndarray, name: str, where: str) -> None:
    if values.dtype.kind != "f":
        return
    for start in range(0, len(values), _CHUNK):
        chunk = values[start : start + _CHUNK]
        sound = np.isfinite(chunk).reshape(len(chunk), -1).all(axis=1)
        if not sound.all():
            row = start + int(np.argmin(sound))
            raise DataError(f"{name} that are not finite (NaN or infinity)", where=f"{where}, row {row}", hint="mend or drop the sample")
        small = (np.abs(chunk) <= np.finfo(np.float32).max).reshape(len(chunk), -1).all(axis=1)
        if not small.all():
            row = start + int(np.argmin(small))
            raise DataError(f"{name} beyond the range of float32", where=f"{where}, row {row}", hint="scale them: networks take 32 bits")


def _check_labels(targets: np.ndarray, classes: int, where: str) -> None:
    if targets.ndim != 1 or targets.dtype.kind not in "iu":
        raise DataError(
            f"targets of dtype {targets.dtype} and shape {targets.shape} where classes are named",
            where=where,
            hint="give one integer per sample, not one-hot rows: targets.argmax(1).astype('int64')",
        )
    outside = np.flatnonzero((targets < 0) | (targets >= classes))
    if outside.size:
        row = int(outside[0])
        raise DataError(
            f"class number {targets[row]} where there are {classes} classes",
            where=f"{where}, row {row}",
            hint=f"class numbers run from 0 to {classes - 1}",
        )


def oddities(
    splits: Mapping[str, tuple[np.ndarray, np.ndarray]], preprocessing: Preprocessing, classes: tuple[str, ...]
) -> tuple[str, ...]:
    """What can be worked with, but is seldom meant: one sentence each.

    Samples that stand in two splits, classes that training never shows, samples in which nothing varies, inputs that the
    preprocessing leaves far from mean 0 and deviation 1. Looks at no more than 5 000 samples of a split for the last two.

    Args:
        splits: name → inputs `(n, *shape)` and targets `(n, …)`; "train" among them.
        preprocessing: from raw samples to inputs.
        classes: their names; empty where the task has none.
    """
    found = [*_seen_twice(splits), *_unseen(splits["train"][1], classes)]
    for name, (inputs, _) in splits.items():
        few = inputs[:_FEW].reshape(min(len(inputs), _FEW), -1)
        flat = np.flatnonzero((few == few[:, :1]).all(1)) if few.shape[1] > 1 else np.zeros(0, int)
        if flat.size:
            found.append(f"{name} split: {flat.size} samples in which nothing varies (row {flat[0]} is the first)")
    if preprocessing.dtype == "float32":
        found += _far_from_normal(preprocessing.apply(splits["train"][0][:_FEW]))
    return tuple(found)


def _seen_twice(splits: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> list[str]:
    """Equal samples in different splits: what is scored on them was learnt by heart."""
    seen: dict[bytes, tuple[str, int]] = {}
    found = []
    for name, (inputs, _) in splits.items():
        digests = [hashlib.blake2b(np.ascontiguousarray(sample).tobytes(), digest_size=16).digest() for sample in inputs]
        twice = [(row, seen[digest]) for row, digest in enumerate(digests) if digest in seen]
        if twice:
            row, (other, first) = twice[0]
            found.append(f"{name} split: {len(twice)} samples are in the {other} split too (row {row} is row {first} there)")
        for row, digest in enumerate(digests):
            seen.setdefault(digest, (name, row))
    return found


def _unseen(targets: np.ndarray, classes: tuple[str, ...]) -> list[str]:
    shown = np.unique(targets) if classes else np.zeros(0)
    if len(shown) == 1:
        return [f"train split: every sample is of class {shown[0]}"]
    missing = [name for number, name in enumerate(classes) if number not in set(shown.tolist())]
    return [f"train split: no sample of {len(missing)} of {len(classes)} classes, the first is {missing[0]!r}"] if missing else []


def _far_from_normal(inputs: np.ndarray) -> list[str]:
    axes = (0, *range(2, inputs.ndim)) if inputs.ndim > 2 else None
    mean, std = np.abs(inputs.mean(axes, np.float64)).max(), inputs.std(axes, np.float64)
    if mean <= _FAR and (std < _FAR).all() and (std > 1 / _FAR).all():
        return []
    told = f"mean up to {mean:.3g} and deviation {std.min():.3g} … {std.max():.3g}"
    return [f"preprocessing: inputs have {told} where 0 and 1 are usual; check mean, std and scale"]
