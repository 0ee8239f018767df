"""Weights on symmetric grids, one for each row: what an integer kernel multiplies without a correction for zero points."""

import numpy as np

from laconic.forms.form import Form, Grid, narrow

GROUPS = (16, 32, 64, 128, 256)  # weights with a step of their own, as kernels for 4 bits know them
SHARES = np.linspace(1, 0.5, 26)  # of the largest weight that are tried as the end of the grid


def levels(bits: int) -> int:
    """The largest integer of so many bits, the same on either side of zero.

    >>> levels(8), levels(4)
    (127, 7)
    """
    return (1 << (bits - 1)) - 1


def row_steps(weight: np.ndarray, most: int) -> np.ndarray:
    """The steps of least squared error.

    Args:
        weight: of shape `(rows, …)`.
        most: the largest integer.

    Returns:
        float32 `(rows,)`; 1 for a row of zeros, or of numbers that float32 can hardly tell from them.
    """
    rows = weight.reshape(len(weight), -1).astype(np.float64)
    largest = np.abs(rows).max(1)
    alive = largest > 2 * most * np.finfo(np.float32).tiny
    best, least = np.where(alive, largest / most, 1.0), np.full(len(rows), np.inf)
    for share in SHARES:
        steps = np.where(alive, share * largest / most, 1.0).astype(np.float32).astype(np.float64)[:, None]
        error = np.square(rows - steps * np.clip(np.rint(rows / steps), -most, most)).sum(1)
        best, least = np.where(error < least, steps[:, 0], best), np.minimum(error, least)
    return best.astype(np.float32)


def nearest(weight: np.ndarray, steps: np.ndarray, most: int) -> Grid:
    """The weight rounded to the nearest point of each row's grid."""
    wide = steps.astype(np.float64).reshape(-1, *[1] * (weight.ndim - 1))
    return Grid(weight.shape, narrow(np.clip(np.rint(weight / wide), -most, most).astype(np.int64)), steps.astype(weight.dtype))


def runs_as_it_is(form: Form) -> bool:
    """Whether a weight is on a grid that an integer kernel takes: at most 8 bits, whole rows with a step."""
    if not isinstance(form, Grid) or not form.size:
        return False
    assert form.integers is not None
    return form.shape[0] % len(form.table) == 0 and int(np.abs(form.integers.astype(np.int64)).max()) <= levels(8)


def in_groups(form: Form) -> bool:
    """Whether several steps share out each row of a weight: that is for kernels of their own."""
    return isinstance(form, Grid) and bool(form.shape) and len(form.table) > form.shape[0]
