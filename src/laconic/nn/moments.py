"""First and second moments of what a layer multiplies, as one network has it and as another does.

x are the patches of the reference, x̂ those of the network at hand; both may be the same.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from laconic.nn.maps import Map

MOST_COLUMNS = 2048  # wider matrices are seen in parts: a second moment has columns² numbers
MOST_NUMBERS = 1 << 24  # of patches at a time
ROUNDING = 1e-10  # share of the squares up to which a covariance may be off, however many columns are constant
MOST_POSITIONS = 1 << 17  # of all samples together: a second moment needs no more of them, and costs columns² for each


@dataclass(frozen=True, eq=False)
class Moments:
    """Of some columns of a matrix, one for each group; sums over positions, which add up over batches.

    Args:
        count: positions.
        own: Σ x̂ x̂ᵀ, float64 `(groups, columns, columns)`.
        cross: Σ x x̂ᵀ, likewise.
        total: Σ x̂, float64 `(groups, columns)`.
        reference_total: Σ x, likewise.
    """

    count: int
    own: Tensor
    cross: Tensor
    total: Tensor
    reference_total: Tensor

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(
            self.count + other.count,
            self.own + other.own,
            self.cross + other.cross,
            self.total + other.total,
            self.reference_total + other.reference_total,
        )

    def centred(self) -> "Moments":
        """Means and covariances (count 1): what is left when a bias makes up for the means.

        The covariances `own` are never less than what rounding may have left of them: they stay positive where an input is constant.
        """
        mean, reference = self.total / self.count, self.reference_total / self.count
        unsure = ROUNDING * self.own.diagonal(dim1=1, dim2=2).mean(1) / self.count
        own = self.own / self.count - mean[:, :, None] * mean[:, None, :] + torch.diag_embed(unsure[:, None].expand(mean.shape))
        return Moments(1, own, self.cross / self.count - reference[:, :, None] * mean[:, None, :], mean, reference)

    def mean(self) -> "Moments":
        """Means of the squares and products as they are (count 1)."""
        return Moments(1, self.own / self.count, self.cross / self.count, self.total / self.count, self.reference_total / self.count)


def moments(view: Map, reference: Tensor, inputs: Tensor) -> list[Moments]:
    """The moments of each part of the columns, from left to right; none where the patches are single words.

    Args:
        view: of the call.
        reference: inputs of the call in the reference network.
        inputs: the same in the network at hand; the same tensor, where there is but one network.
    """
    found: list[Moments] = []
    for rows in _chunks(view, inputs):
        most = math.ceil(MOST_POSITIONS * len(inputs[rows]) / len(inputs))
        own = _parts(view, inputs[rows], most)
        theirs = own if reference is inputs else _parts(view, reference[rows], most)
        new = [_moments(a, b) for a, b in zip(theirs, own, strict=True)]
        found = [a + b for a, b in zip(found, new, strict=True)] if found else new
    return found


def parts(columns: int) -> list[slice]:
    """The parts in which so many columns are seen: equal, but for one column, and each at most `MOST_COLUMNS` wide.

    >>> parts(5000)
    [slice(0, 1667, None), slice(1667, 3334, None), slice(3334, 5000, None)]
    """
    ends = [len(part) for part in np.array_split(np.empty(columns), -(-columns // MOST_COLUMNS))]
    return [slice(sum(ends[:i]), sum(ends[: i + 1])) for i in range(len(ends))]


def _chunks(view: Map, inputs: Tensor) -> Iterator[slice]:
    patches = view.patches(inputs[:1], MOST_POSITIONS)
    if patches is None:
        return iter(())
    size = max(1, MOST_NUMBERS // max(patches.numel(), 1))
    return (slice(first, first + size) for first in range(0, len(inputs), size))


def _parts(view: Map, inputs: Tensor, most: int) -> list[Tensor]:
    patches = view.patches(inputs, most)
    assert patches is not None
    return [patches[:, part].float() for part in parts(patches.shape[1])]


def _moments(x: Tensor, own: Tensor) -> Moments:
    """Products are taken around the means and moved in float64: where inputs hardly vary, float32 would leave noise of their covariance."""
    ours = _around(own)
    theirs = ours if x is own else _around(x)
    square = ours.products(ours)
    return Moments(own.shape[-1], square, square if x is own else theirs.products(ours), ours.total, theirs.total)


@dataclass(frozen=True, eq=False)
class _Around:
    """Values less their means in float32, the means, and the sums of the values in float64."""

    values: Tensor
    mean: Tensor
    total: Tensor

    def products(self, other: "_Around") -> Tensor:
        """Σ of the outer products of the values themselves, float64."""
        around = (self.values @ other.values.mT).double().cpu()
        moved = (
            self.mean[:, :, None] * other.total[:, None, :]
            + (self.total - self.values.shape[-1] * self.mean)[:, :, None] * other.mean[:, None, :]
        )
        return around + moved


def _around(values: Tensor) -> _Around:
    mean = values.mean(-1)
    less = values - mean[..., None]
    wide = mean.double().cpu()
    return _Around(less, wide, less.sum(-1).double().cpu() + values.shape[-1] * wide)
