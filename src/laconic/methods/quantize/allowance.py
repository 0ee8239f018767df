"""How coarse the grids may be, where every trial has its luck.

A score on some thousand samples is off by a few tenths of a point, and a search that takes the coarsest grid that happened to pass picks
luck: on other samples the score falls by more. So the trials are read together. For small errors the drop follows a power law of the
coarseness; it is fitted to all of them, each weighed by its standard error, and the coarsest grid is taken of which the law says
that it drops by less than was allowed, with one standard error to spare.
"""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from laconic.methods.quantize.search import NEAR, strides

REFINEMENTS = 8  # trials, at most, after the target lies between two
SLACK = 1e-9  # of a score, which is a mean of many numbers
MOST_SPARED = 0.5  # of what is allowed, where so few samples judge that a standard error is more
LEAST = 0.25  # of a standard error: no drop can be told from none below
POWERS = np.arange(1, 6.01, 0.25)
TRUST = 0.25  # the law holds to about so much of a drop, and no trial is surer than so much of the least sure one


class Drop(NamedTuple):
    """How far a score fell.

    Args:
        mean: over the samples, in the metric's unit; above 0 where it is worse.
        error: standard error of the mean; each sample is compared with itself.
    """

    mean: float
    error: float

    @classmethod
    def of(cls, samples: np.ndarray) -> "Drop":
        """From the drop of each sample `(n,)`."""
        return cls(float(samples.mean()), float(samples.std()) / len(samples) ** 0.5)


def coarsest(tried: Callable[[float], Drop], most: float, start: float, finest: float, end: float) -> tuple[float | None, float]:
    """The coarsest at which the score may be expected to fall by at most `most`, and did so when it was tried.

    Args:
        tried: what happens at a coarseness; asked once for each.
        start: the first trial, brought between `finest` and `end`.

    Returns:
        The coarseness, None where there is none; and the least drop that was seen.

    >>> found, _ = coarsest(lambda coarseness: Drop(0.1 * coarseness**2, 0.01), 0.5, 1.0, 0.01, 100.0)
    >>> round(0.1 * found**2, 1)
    0.5
    """
    trials: dict[float, Drop] = {}
    start = min(max(start, finest), end)
    trials[start] = tried(start)
    first_held = _holds(trials[start], most)
    for at in strides(start, end if first_held else finest):
        trials[at] = tried(at)
        if _holds(trials[at], most) != first_held:
            break
    limit = _limit(trials, most)
    for _ in range(REFINEMENTS):
        at = min(max(limit, finest), max(trials))
        if any(max(at / other, other / at) < NEAR for other in trials):
            break
        trials[at] = tried(at)
        limit = _limit(trials, most)
    held = [at for at, drop in trials.items() if _holds(drop, most)]
    expected = [at for at in held if at <= NEAR * limit]
    return max(expected) if expected else min(held, default=None), min(drop.mean for drop in trials.values())


def _holds(drop: Drop, most: float) -> bool:
    return drop.mean <= most + SLACK


def _limit(trials: Mapping[float, Drop], most: float) -> float:
    """The coarseness at which the law of the trials reaches what is allowed, less what is spared; infinite where nothing drops."""
    factor, power = law(trials)
    error = min(trials.values(), key=lambda drop: abs(drop.mean - most)).error
    wanted = max(most - error, MOST_SPARED * most, LEAST * error)
    return (wanted / factor) ** (1 / power) if factor > 0 else math.inf


def law(trials: Mapping[float, Drop]) -> tuple[float, float]:
    """a and p of drop = a · coarseness^p, a ≥ 0.

    >>> a, p = law({at: Drop(0.2 * at**3, 0.1) for at in (0.5, 1.0, 2.0)})
    >>> round(a, 3), float(p)
    (0.2, 3.0)
    """
    at = np.array(list(trials))
    drops, errors = np.array(list(trials.values())).T
    doubt = np.maximum(errors, TRUST * errors.max()) ** 2 + (TRUST * drops) ** 2
    weight = 1 / np.maximum(doubt, np.finfo(float).tiny ** 0.5)
    powers = at[:, None] ** POWERS
    factors = np.maximum((weight * drops) @ powers / (weight @ powers**2), 0)
    misses = weight @ (drops[:, None] - factors * powers) ** 2
    best = int(misses.argmin())
    return float(factors[best]), float(POWERS[best])
