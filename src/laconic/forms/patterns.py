"""Zeros in a pattern that hardware likes: so many of every few neighbours (2:4), or whole blocks (4x1). What is left are the greatest."""

import re

import numpy as np

from laconic.base.errors import UsageError
from laconic.forms.magnitude import greatest


def parsed(pattern: str) -> tuple[str, int, int]:
    """`"2:4"` → (":", 2, 4), of every four neighbours along the inputs two stay; `"4x1"` → ("x", 4, 1), blocks of outputs × inputs.

    Raises:
        UsageError: neither.

    >>> parsed("2:4"), parsed("4x1")
    ((':', 2, 4), ('x', 4, 1))
    """
    found = re.fullmatch(r"(\d{1,4})([:x])(\d{1,4})", pattern)
    if found is None or int(found[1]) < 1 or int(found[3]) < 1 or (found[2] == ":" and int(found[1]) >= int(found[3])):
        raise UsageError(f"{pattern!r} is no pattern of zeros", hint="2:4 keeps two of every four, 4x1 whole blocks of four outputs")
    return found[2], int(found[1]), int(found[3])


def patterned(magnitudes: np.ndarray, pattern: str, count: int = 0) -> np.ndarray:
    """Mask of what stays of a weight `(outputs, …)`; never what has a negative magnitude.

    Args:
        magnitudes: of the weight; those along all axes but the first are neighbours in their order.
        pattern: see `parsed`.
        count: how many weights are to stay, about; with n:m the pattern says that.

    >>> patterned(np.array([[1.0, 4, 3, 2]]), "2:4")
    array([[False,  True,  True, False]])
    """
    kind, first, second = parsed(pattern)
    rows = magnitudes.reshape(len(magnitudes), -1)
    mask = _of_every(rows, first, second) if kind == ":" else _blocks(rows, first, second, count)
    return mask.reshape(magnitudes.shape) & (magnitudes >= 0)


def _of_every(rows: np.ndarray, stay: int, every: int) -> np.ndarray:
    """The greatest so many of every so many; a last few that are no whole group keep as many as they can."""
    missing = -rows.shape[1] % every
    padded = np.pad(rows, ((0, 0), (0, missing)), constant_values=-np.inf)
    groups = padded.reshape(len(rows), -1, every)
    order = np.argsort(-groups, axis=2, kind="stable")
    mask = np.zeros(groups.shape, bool)
    np.put_along_axis(mask, order[:, :, :stay], values=True, axis=2)
    return mask.reshape(len(rows), -1)[:, : rows.shape[1]]


def _blocks(rows: np.ndarray, high: int, wide: int, count: int) -> np.ndarray:
    """Whole blocks, by the mean of what is in them."""
    down, across = -(-len(rows) // high), -(-rows.shape[1] // wide)
    padded = np.full((down * high, across * wide), np.nan, rows.dtype)
    padded[: len(rows), : rows.shape[1]] = np.maximum(rows, 0)
    means = np.nanmean(padded.reshape(down, high, across, wide), axis=(1, 3))
    blocks = greatest(means, min(round(count / (high * wide)), means.size)) if round(count / (high * wide)) else np.zeros(means.shape, bool)
    whole = np.repeat(np.repeat(blocks, high, 0), wide, 1)
    return whole[: len(rows), : rows.shape[1]]
