"""Two images in one: mixup (Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization", §2) and CutMix (Yun et al. 2019, eq. 1–2).

    mixup    x̃ = λ x_a + (1 − λ) x_b                   λ ~ Beta(α, α)
    CutMix   x̃ = x_a with a box of x_b in it           λ = the share of x_a that is left

The loss is λ L(ŷ, y_a) + (1 − λ) L(ŷ, y_b), for any L; for the cross-entropy that is the loss against λ y_a + (1 − λ) y_b. As in the
authors' code, b is a, shuffled, and one λ is drawn for a batch.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from laconic.base.errors import DataError


@dataclass(frozen=True, eq=False)
class Blend:
    """The targets of mixed samples. It is cut, moved and counted like a tensor of targets.

    Args:
        first: `(n, …)`, each of which counts for `share`.
        second: `(n, …)`, each of which counts for the rest.
        share: λ, 0 … 1.
    """

    first: Tensor
    second: Tensor
    share: float

    def __len__(self) -> int:
        return len(self.first)

    def __getitem__(self, rows: slice) -> "Blend":
        return Blend(self.first[rows], self.second[rows], self.share)

    def to(self, device: torch.device) -> "Blend":
        """The same, on a device."""
        return Blend(self.first.to(device), self.second.to(device), self.share)


Targets = Tensor | Blend


@dataclass(frozen=True)
class Mixing:
    """How batches are mixed; where both are said, each batch by one of the two, as a coin falls.

    Args:
        mixup: α of mixup; 0 leaves it out.
        cutmix: α of CutMix; 0 leaves it out.

    >>> inputs, targets = Mixing(mixup=1.0)(torch.eye(2).reshape(2, 1, 1, 2), torch.tensor([0, 1]), seed=3)
    >>> inputs.sum((1, 2, 3)).tolist(), targets.first.tolist(), round(targets.share, 3)
    ([1.0, 1.0], [0, 1], 0.861)
    """

    mixup: float = 0.0
    cutmix: float = 0.0

    def __call__(self, inputs: Tensor, targets: Tensor, seed: int) -> tuple[Tensor, Blend]:
        """Inputs `(n, …)` and targets `(n, …)` of one batch, mixed as `seed` says.

        Raises:
            DataError: whole numbers, which have no mean; a box from what is no image.
        """
        if not inputs.is_floating_point():
            raise DataError("samples of whole numbers cannot be mixed", where=f"inputs of type {inputs.dtype}")
        rng = np.random.Generator(np.random.PCG64(seed))
        others = torch.from_numpy(rng.permutation(len(inputs)))
        cut = self.cutmix > 0 and (self.mixup == 0 or rng.random() < 0.5)
        alpha = self.cutmix if cut else self.mixup
        share = float(rng.beta(alpha, alpha))
        if cut:
            inputs, share = _pasted(inputs, others, share, rng)
        else:
            inputs = share * inputs + (1 - share) * inputs[others]
        return inputs, Blend(targets, targets[others], share)


def _pasted(inputs: Tensor, others: Tensor, share: float, rng: np.random.Generator) -> tuple[Tensor, float]:
    """A box of about 1 − λ of the area from the other image, anywhere, cut off at the border; and λ as it really came out."""
    if inputs.ndim != 4:
        raise DataError(f"samples of shape {tuple(inputs.shape[1:])} are no images: no box can be cut out of them")
    rows, columns = (_side(side, math.sqrt(1 - share), rng) for side in inputs.shape[2:])
    mixed = inputs.clone()
    mixed[:, :, rows, columns] = inputs[others][:, :, rows, columns]
    gone = (rows.stop - rows.start) * (columns.stop - columns.start)
    return mixed, 1 - gone / (inputs.shape[2] * inputs.shape[3])


def _side(size: int, part: float, rng: np.random.Generator) -> slice:
    middle, half = int(rng.integers(size)), int(size * part) // 2
    return slice(max(middle - half, 0), min(middle + half, size))
