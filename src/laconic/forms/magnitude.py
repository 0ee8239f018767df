"""The magnitudes of weights, and the greatest of them: what pruning goes by."""

import numpy as np

from laconic.forms.form import Codebook, Form, Masked


def magnitude(form: Form) -> np.ndarray:
    """|w| in float32 or wider, of the weight's shape; -1 where it was pruned before, so that it goes first and never comes back.

    >>> magnitude(Masked.of(np.float32([0, -3, 2]), np.array([False, True, True])))
    array([-1.,  3.,  2.], dtype=float32)
    """
    weight = form.array()
    found = np.abs(weight.astype(np.promote_types(weight.dtype, np.float32), copy=False))
    if isinstance(form, Masked):
        found[~form.mask] = -1
    if isinstance(form, Codebook):
        found[weight == 0] = -1
    return found


def threshold(values: np.ndarray, count: int) -> float:
    """The least of the `count` greatest values; the greatest of all where `count` is 0."""
    place = -max(count, 1)
    return float(np.partition(values, place, axis=None)[place])


def greatest(values: np.ndarray, count: int) -> np.ndarray:
    """Mask of the `count` greatest values; of those that are equal, the first.

    >>> greatest(np.array([3, 1, 1, 2]), 3)
    array([ True,  True, False,  True])
    """
    least = threshold(values, count)
    mask = values > least
    mask.flat[np.flatnonzero(values == least)[: count - np.count_nonzero(mask)]] = True
    return mask
