"""Where the grid of a value ends: the four criteria of the field, on a histogram of what calibration samples make of the value.

    minmax       nothing is clipped
    percentile   so many per cent of all numbers are inside, the rest shared out evenly over both ends where there are two
    mse          least squared error of clipping and rounding together
    entropy      least Kullback-Leibler divergence of the rounded histogram from the real one (Migacz 2017, "8-bit Inference with TensorRT")

A grid always has zero on it: padding and dead channels are exact.
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from laconic.base.errors import ModelError
from laconic.graph.rounding import Points
from laconic.nn.checks import at_home
from laconic.nn.rounded import LEVELS

BINS = 2048
SHARES = np.linspace(1, 0.1, 91)  # of a range that are tried as its end
ROUNDS = 2  # of trying one end, then the other
BATCH = 64
LEAST = 1e-10  # of the mass: stands for none, where a logarithm is taken


class Grid8(NamedTuple):
    """Scale and zero point."""

    scale: float
    zero_point: int


@dataclass(frozen=True, eq=False)
class Histogram:
    """How often numbers between `low` ≤ 0 and `high` ≥ 0 were seen, in `BINS` equal bins."""

    counts: np.ndarray
    low: float
    high: float

    @property
    def centres(self) -> np.ndarray:
        """Middles of the bins."""
        return self.low + (np.arange(len(self.counts)) + 0.5) * (self.high - self.low) / len(self.counts)

    def clipped(self, low: float, high: float) -> float:
        """Share of the numbers outside of a range."""
        outside = (self.centres < low) | (self.centres > high)
        return float(self.counts[outside].sum() / max(self.counts.sum(), 1))


Criterion = Callable[[Histogram], tuple[float, float]]


def grid_between(low: float, high: float) -> Grid8:
    """The grid of 256 points from about `low` to about `high`, zero among them.

    >>> grid_between(-1.0, 1.55)
    Grid8(scale=0.009999999776482582, zero_point=100)
    """
    low, high = min(low, 0.0), max(high, 0.0)
    scale = float(np.float32((high - low) / LEVELS))
    return Grid8(scale, min(round(-low / scale), LEVELS)) if scale > 0 else Grid8(1.0, 0)


class Watch(nn.Module):
    """Lets a value through, and remembers what it saw: first the ends, then the histogram between them."""

    def __init__(self) -> None:
        super().__init__()
        self.low = self.high = 0.0
        self.counts: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.counts is not None:
            self.counts += torch.histc(x.float(), BINS, self.low, self.high).double().cpu()
        elif x.numel():
            low, high = np.minimum(self.low, float(x.min())), np.maximum(self.high, float(x.max()))  # unlike Python's, they keep a NaN
            self.low, self.high = float(low), float(high)
        return x

    def histogram(self) -> Histogram:
        """What was seen."""
        counts = np.zeros(BINS) if self.counts is None else self.counts.numpy()
        return Histogram(counts, self.low, self.high)


@torch.no_grad()
def seen(points: Points, inputs: Tensor) -> dict[str, Histogram]:
    """Every value that can be rounded, over these inputs.

    Raises:
        ModelError: one of them is not finite.
    """
    watches = {name: Watch() for name in points.values}
    model = points.through(watches).eval()
    for counting in (False, True):
        for part in torch.split(inputs, BATCH):
            model(at_home(model, part))
        if not counting:
            _start_counting(watches)
    return {name: watch.histogram() for name, watch in watches.items()}


def _start_counting(watches: Mapping[str, Watch]) -> None:
    for name, watch in watches.items():
        if not np.isfinite([watch.low, watch.high]).all():
            raise ModelError(
                "a value of the network is not finite", where=name, hint="look at the samples, and at what their training left"
            )
        if watch.high > watch.low:
            watch.counts = torch.zeros(BINS, dtype=torch.float64)


def minmax(seen: Histogram) -> tuple[float, float]:
    """Everything that was seen."""
    return seen.low, seen.high


def percentile(seen: Histogram, inside: float) -> tuple[float, float]:
    """The range with `inside` per cent of the numbers; the end at zero, where there is one, stays."""
    outside = (1 - inside / 100) * seen.counts.sum() / (1 + (seen.low < 0 < seen.high))
    up, width = np.cumsum(seen.counts), (seen.high - seen.low) / len(seen.counts)
    low = seen.low + width * np.searchsorted(up, outside) if seen.low < 0 else seen.low
    high = seen.high - width * np.searchsorted(np.cumsum(seen.counts[::-1]), outside) if seen.high > 0 else seen.high
    return min(low, 0.0), max(high, 0.0)


def mse(seen: Histogram) -> tuple[float, float]:
    """The range of least squared error, one end after the other."""
    low, high = seen.low, seen.high
    for _ in range(ROUNDS):
        high = min((seen.high * share for share in SHARES), key=lambda end: _squared_error(seen, low, end))
        low = min((seen.low * share for share in SHARES), key=lambda end: _squared_error(seen, end, high)) if low else low
    return low, high


def entropy(seen: Histogram) -> tuple[float, float]:
    """The range, both ends shrunk alike, whose rounded histogram says most of the real one."""
    share = min(SHARES, key=lambda one: _divergence(seen, one * seen.low, one * seen.high))
    return float(share) * seen.low, float(share) * seen.high


def criterion(name: str, inside: float) -> Criterion:
    """One of the four, by its name."""
    known: Mapping[str, Criterion] = {
        "minmax": minmax,
        "percentile": functools.partial(percentile, inside=inside),
        "mse": mse,
        "entropy": entropy,
    }
    return known[name]


def ends(every: Iterable[Histogram], choose: Criterion) -> list[tuple[float, float]]:
    """What the criterion chooses for each; nothing where nothing was seen."""
    return [choose(one) if one.counts.any() else (one.low, one.high) for one in every]


def _places(seen: Histogram, low: float, high: float) -> tuple[np.ndarray, Grid8]:
    grid = grid_between(low, high)
    return np.clip(np.rint(seen.centres / grid.scale) + grid.zero_point, 0, LEVELS), grid


def _squared_error(seen: Histogram, low: float, high: float) -> float:
    places, grid = _places(seen, low, high)
    return float(seen.counts @ np.square(seen.centres - (places - grid.zero_point) * grid.scale))


def _divergence(seen: Histogram, low: float, high: float) -> float:
    """Of the histogram, what is outside put into its last bins, from the one that 256 points can tell."""
    inside = (seen.centres >= low) & (seen.centres <= high)
    if not inside.any():
        return float("inf")
    first, last = np.flatnonzero(inside)[[0, -1]]
    within = seen.counts[first : last + 1]
    real = within.copy()
    real[0] += seen.counts[:first].sum()
    real[-1] += seen.counts[last + 1 :].sum()
    level = _places(seen, low, high)[0][first : last + 1].astype(np.int64)
    there = (within > 0).astype(np.float64)
    told = np.bincount(level, within, LEVELS + 1) / np.maximum(np.bincount(level, there, LEVELS + 1), 1)
    return _kullback_leibler(real, told[level] * there)


def _kullback_leibler(real: np.ndarray, told: np.ndarray) -> float:
    p, q = real / max(real.sum(), LEAST), told / max(told.sum(), LEAST)
    some = p > 0
    return float(np.sum(p[some] * np.log(p[some] / np.maximum(q[some], LEAST))))
