"""Faults in data, found when the data are made and not in the middle of training."""

import numpy as np

from laconic.base.errors import DataError

_CHUNK = 1024


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
