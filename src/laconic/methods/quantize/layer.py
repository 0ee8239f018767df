"""The integers of one layer, given what it multiplies in the original and what it multiplies now."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from laconic.methods.quantize.rounding import nearest_plane
from laconic.nn.moments import Moments, parts

INPUT_DAMPING = 0.01  # of the mean diagonal, added to A: directions that the calibration samples hardly show
OUTPUT_DAMPING = 0.1  # likewise to G, which is estimated from fewer numbers


@dataclass(frozen=True, eq=False)
class Factors:
    """Upper triangular factors of a layer's curvature.

    Args:
        rows: R of each group, Rᵀ R = G, float64 `(groups, rows, rows)`.
        columns: S of each part of the columns, Sᵀ S = A, float64 `(groups, columns, columns)`; empty for the identity.
    """

    rows: Tensor
    columns: tuple[Tensor, ...]

    @classmethod
    def of(cls, outputs: Tensor, inputs: list[Moments]) -> "Factors":
        """The factors of G and of each A, both damped.

        Args:
            inputs: means, or means and covariances.
        """
        return cls(_factor(outputs, OUTPUT_DAMPING), tuple(_factor(part.own, INPUT_DAMPING) for part in inputs))

    def sensitivity(self) -> float:
        """Geometric mean of R[r, r] S[c, c]: an error e in one element costs (e · this)² of squared output error, the others making up
        for it as far as they can."""
        along = torch.cat([part.diagonal(dim1=1, dim2=2).reshape(-1) for part in self.columns]) if self.columns else torch.ones(1)
        return float(torch.exp(self.rows.diagonal(dim1=1, dim2=2).log().mean() + along.log().mean()))


def _factor(moment: Tensor, damping: float) -> Tensor:
    return torch.linalg.cholesky(_damped(moment, damping)).mT


def _damped(moment: Tensor, damping: float) -> Tensor:
    level = moment.diagonal(dim1=1, dim2=2).mean(1).clamp_min(torch.finfo(torch.float32).tiny)
    return moment + damping * level[:, None, None] * torch.eye(moment.shape[1], dtype=moment.dtype)


def choose_integers(matrix: Tensor, kept: Tensor, outputs: Tensor, inputs: list[Moments], step: float) -> np.ndarray:
    """The integers of a matrix: first the weights that do best on the inputs as they are now, then those rounded.

    The layer's outputs should be what they were in the original, W x, but its inputs are x̂ by now. The least-squares weights for that
    are W E[x x̂ᵀ] E[x̂ x̂ᵀ]⁻¹ (asymmetric calibration: GPTAQ, Li et al. 2025), damped towards W.

    Args:
        matrix: W, float64 `(groups, rows, columns)`.
        kept: mask of the same shape; elsewhere the integers are 0.
        outputs: G.
        inputs: means, or covariances where a bias makes up for the means; empty where the inputs are single words.
        step: of the grid.

    Returns:
        int64 `(groups, rows, columns)`.
    """
    factors = Factors.of(outputs, inputs)
    integers = np.zeros(matrix.shape, np.int64)
    for group in range(len(matrix)):
        rows = np.ascontiguousarray(factors.rows[group].numpy())
        for place, part in enumerate(parts(matrix.shape[2])):
            best = matrix[group, :, part]
            along = None
            if inputs:
                best = _best_now(best, inputs[place], group)
                along = factors.columns[place][group].numpy()
            integers[group, :, part] = nearest_plane(best.numpy(), rows, along, step, kept[group, :, part].numpy())
    return integers


def _best_now(weight: Tensor, seen: Moments, group: int) -> Tensor:
    own, cross = seen.own[group], seen.cross[group]
    missed = weight @ (cross - own)
    return weight + torch.linalg.solve(_damped(own[None], INPUT_DAMPING)[0], missed, left=False)
