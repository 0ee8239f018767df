"""The base filters whose images come closest to the filters of a trained layer, and which image stands for which filter.

With filters w_t, images A_s b_i and an order that gives each filter an image of its own, the error Σ_t |w_t − A_s b_i|²_M is lowered in
turns, as in k-means, until neither helps:

    base     least squares: b_i solves Σ_s A_sᵀ(A_s b_i) M = Σ_s A_sᵀ(w_t M), a mean over the images where M is the identity
    order    the best of all T! orders: a linear assignment

M holds second moments of the channels that enter, so it is the error of the outputs that is lowered (taps of a kernel are taken as
uncorrelated); without them it is the identity. It starts from filters that are far from all images of those before. A layer that is of
the kind already is found exactly, but for dcnn, whose windows overlap in part only: there it ends in a local minimum.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from laconic.nn.transferred import KINDS, TransferredConv2d

RIDGE = 1e-6  # of the mean moment: channels that are never on still have weights
ROUNDS = 100


@dataclass(frozen=True, eq=False)
class Match:
    """What a layer becomes.

    Args:
        base: base filters, as of the kind.
        order: the image of each filter, numbered as in `nn.transferred`; int32 `(T,)`.
        error: of the outputs, or of the weights where no moments were given, as a share of their norm.
    """

    base: np.ndarray
    order: np.ndarray
    error: float


def match(kind: str, weight: np.ndarray, moments: np.ndarray | None = None) -> Match:
    """Base filters and an order for a weight `(T, C, height, width)`; `moments` of its inputs are `(C, C)`.

    >>> pairs = np.array([2.0, 5.0, -2.0, -5.0]).reshape(4, 1, 1, 1)
    >>> found = match("crelu", pairs)
    >>> sorted(abs(found.base.ravel()).tolist()), found.error
    ([2.0, 5.0], 0.0)
    """
    fit = _Fit(KINDS[kind], torch.from_numpy(weight.astype(np.float64)), moments)
    base = fit.start()
    order, error = fit.order(base), np.inf
    for _ in range(ROUNDS):
        better = fit.base(order)
        now = fit.error(better, order)
        if now >= error:
            break
        base, error = better, now
        order = fit.order(base)
    return Match(base.numpy().astype(weight.dtype), order.astype(np.int32), fit.error(base, order))


class _Fit:
    """The filters of one layer, and distances between them in the metric M = L Lᵀ."""

    def __init__(self, kind: type[TransferredConv2d], filters: Tensor, moments: np.ndarray | None) -> None:
        self._kind, self._filters = kind, filters
        eye = torch.eye(filters.shape[1], dtype=torch.float64)
        mean = 0.0 if moments is None else float(np.trace(moments)) / len(eye)
        self._metric = torch.from_numpy(moments) + RIDGE * mean * eye if mean else eye
        self._root = torch.linalg.cholesky(self._metric)
        self._seen = self._through(filters)
        self._normal = self._of_channels()

    def start(self) -> Tensor:
        """As many filters as there are to be bases; each time that which is farthest from all images so far."""
        left, chosen = self._seen.square().sum(1), []
        for _ in range(len(self._filters) // self._kind.copies):
            chosen.append(int(left.argmax()))
            images = self._through(self._images(self._as_base(chosen[-1:])))
            left = torch.minimum(left, _distances(self._seen, images).amin(1))
        return self._as_base(chosen)

    def base(self, order: np.ndarray) -> Tensor:
        """The least squares for this order."""
        placed = torch.empty_like(self._filters)
        placed[order] = self._filters
        counts = self._adjoint(self._images(torch.ones_like(self._like())))
        sums = self._adjoint(_by_channels(placed, self._metric)) / counts
        return _by_channels(sums, torch.linalg.inv(self._normal))

    def order(self, base: Tensor) -> np.ndarray:
        """The best for these bases."""
        return np.asarray(linear_sum_assignment(_distances(self._seen, self._through(self._images(base))).numpy())[1])

    def error(self, base: Tensor, order: np.ndarray) -> float:
        """Relative, of all filters together."""
        images = self._through(self._images(base))[order]
        whole = float(self._seen.norm())
        return float((self._seen - images).norm()) / whole if whole else 0.0

    def _images(self, base: Tensor) -> Tensor:
        """One after the other, as their numbers say."""
        return torch.cat(self._kind.images(base))

    def _through(self, filters: Tensor) -> Tensor:
        """`(filters, columns)` whose Euclidean distances are those in the metric."""
        return _by_channels(filters, self._root).flatten(1)

    def _like(self) -> Tensor:
        """A base of the right shape."""
        count, channels, height, width = self._filters.shape
        return self._filters.new_zeros(count // self._kind.copies, channels, *self._kind.base_kernel((height, width)))

    def _adjoint(self, placed: Tensor) -> Tensor:
        """Σ_s A_sᵀ of what stands in the places of images."""
        return _transposed(self._images, self._like(), placed)

    def _as_base(self, chosen: list[int]) -> Tensor:
        """Bases whose first image are these filters."""
        return _transposed(lambda base: self._kind.images(base)[0], self._like()[: len(chosen)], self._filters[chosen])

    def _of_channels(self) -> Tensor:
        """Mean of the metric over the images: those of channels alone, as images act in space or on channels, not on both."""
        units = torch.eye(self._filters.shape[1], dtype=torch.float64)[:, :, None, None].expand(-1, -1, *self._kind.base_kernel((1, 1)))
        whole = _transposed(self._images, units, _by_channels(self._images(units), self._metric))
        counts = _transposed(self._images, units, self._images(torch.ones_like(units)))
        return (whole / counts)[:, :, 0, 0]


def _transposed(linear: Callable[[Tensor], Tensor], like: Tensor, placed: Tensor) -> Tensor:
    """The transpose of a linear map from tensors of this shape, at `placed`."""
    found: Tensor = torch.func.vjp(linear, like)[1](placed)[0]
    return found


def _by_channels(filters: Tensor, matrix: Tensor) -> Tensor:
    """Each filter's channels as a row times a matrix, at every tap."""
    return torch.einsum("nchw,cd->ndhw", filters, matrix)


def _distances(some: Tensor, others: Tensor) -> Tensor:
    """Squared, of each to each."""
    return torch.cdist(some, others, compute_mode="donot_use_mm_for_euclid_dist").square()
