"""Find the steps of values that somebody rounded: each run of them is integers times a step that nobody told.

The least magnitude of a run is some integer k times its step, so k = 1, 2, … is tried until all values of the run are near multiples of
least / k. The step itself is then the float32 that gives every value back bit for bit.
"""

import numpy as np

from laconic.base.dtypes import bits

MOST_LEAST = 127  # steps that the least magnitude of a run may have: any that 8 bits hold
LARGEST = 1 << 12  # integers beyond are none that a quantiser leaves
ROUNDING = 2.0**-22  # relative error of a quotient of two float32
PROBED = 4  # runs that are looked at before all are


def common_steps(runs: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Integers int16 `(runs, n)` and steps float32 `(runs,)` whose products are `runs`, float32 `(runs, n)`, bit for bit; or None.

    >>> integers, steps = common_steps(np.float32([[0.2, -0.3, 0.5], [7, 14, 0]])) or (None, None)
    >>> integers.tolist(), steps.tolist()
    ([[2, -3, 5], [1, 2, 0]], [0.10000000149011612, 7.0])
    """
    if len(runs) > PROBED and common_steps(runs[:PROBED]) is None:
        return None
    steps = _near(runs)
    return None if steps is None else _exact(runs, np.rint(runs / steps[:, None]).astype(np.int16))


def _near(runs: np.ndarray) -> np.ndarray | None:
    """Steps of which all values are multiples, up to rounding; float64 `(runs,)`, 1 for a run of zeros."""
    size = np.abs(runs).astype(np.float64)
    largest = size.max(1)
    if not np.isfinite(largest).all():
        return None
    least = np.where(size > 0, size, np.inf).min(1)
    steps, left = np.ones(len(runs)), np.flatnonzero(largest)
    for k in range(1, MOST_LEAST + 1):
        step = least[left] / k
        reach = largest[left] / step
        if (reach > LARGEST).any():
            return None
        multiples = size[left] / step[:, None]
        fits = np.abs(multiples - np.rint(multiples)).max(1) <= ROUNDING * reach
        steps[left[fits]] = step[fits]
        left = left[~fits]
        if not len(left):
            return steps
    return None


def _exact(runs: np.ndarray, integers: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """The float32 steps that give every value back, looked for around what the largest multiple of each run says."""
    place = np.abs(integers).argmax(1)[:, None]
    multiple = np.take_along_axis(integers, place, 1)[:, 0]
    says = np.take_along_axis(runs, place, 1)[:, 0] / np.where(multiple == 0, 1, multiple).astype(np.float32)
    steps = np.where(multiple == 0, np.float32(1), says)
    left = np.arange(len(runs))
    for ulps in (0, 1, -1, 2, -2):
        tried = (steps[left].view(np.int32) + np.int32(ulps)).view(np.float32)
        same = (bits(integers[left].astype(np.float32) * tried[:, None]) == bits(runs[left])).all(1)
        steps[left[same]] = tried[same]
        left = left[~same]
        if not len(left):
            return integers, steps
    return None
