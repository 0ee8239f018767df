"""Rounding with error feedback: the next integers make up for the errors of those before.

To minimise tr(G E A Eᵀ) over matrices W + E on a grid, factor G = Rᵀ R and A = Sᵀ S with R, S upper triangular. Then the cost is
‖R E Sᵀ‖², and from the last row and column to the first, each element can be rounded so that its own term is as small as it gets:

    q[r, c] = round( (W[r, c] − Σ R[r, i] S[c, j] E[i, j] / (R[r, r] S[c, c])) / step )      over (i, j) ≠ (r, c), i ≥ r, j ≥ c

Along the columns alone (G = I) this is OBS / GPTQ (Hassibi & Stork 1993; Frantar et al. 2023), which is Babai's nearest plane on the
lattice of the layer (Babai 1986; Chen et al. 2025); along both, the two-sided rounding of Kronecker-factored Hessians (YAQA, Tseng et al.
2025). What is left of the cost is Σ (R[r, r] S[c, c] e)² with |e| ≤ step / 2.
"""

import numpy as np
from numba import njit

BLOCK = 32  # columns whose feedback reaches the others in one product of matrices


def nearest_plane(weight: np.ndarray, rows: np.ndarray, columns: np.ndarray | None, step: float, kept: np.ndarray) -> np.ndarray:
    """The integers of one matrix.

    Args:
        weight: W, float64 `(rows, columns)`.
        rows: R, float64 `(rows, rows)`.
        columns: S, float64 `(columns, columns)`; None for the identity.
        step: of the grid.
        kept: mask `(rows, columns)`; where it is false the integer is 0, and the others make up for that.

    Returns:
        int64 `(rows, columns)`.

    >>> half = np.array([[0.5, 0.5]])
    >>> nearest_plane(half + 0.1, np.eye(1), np.linalg.cholesky([[1.0, 0.9], [0.9, 1.0]]).T, 1.0, half > 0)
    array([[0, 1]])
    """
    feedback = np.ascontiguousarray(rows / np.diag(rows)[:, None])
    along = None if columns is None else columns / np.diag(columns)[:, None]
    integers, errors, pushed = np.zeros(weight.shape, np.int64), np.zeros_like(weight), np.zeros_like(weight)
    for last in range(weight.shape[1], 0, -BLOCK):
        block = slice(max(last - BLOCK, 0), last)
        own = np.eye(last - block.start) if along is None else along[block, block]
        here = (np.ascontiguousarray(part) for part in (weight[:, block], pushed[:, block], kept[:, block], own))
        integers[:, block] = round_block(*here, feedback, step)
        errors[:, block] = integers[:, block] * step - weight[:, block]
        if along is not None:
            pushed[:, : block.start] += errors[:, block] @ along[: block.start, block].T
    return integers


@njit(cache=True)  # type: ignore[untyped-decorator]
def round_block(
    weight: np.ndarray, pushed: np.ndarray, kept: np.ndarray, along: np.ndarray, feedback: np.ndarray, step: float
) -> np.ndarray:
    """The integers of some neighbouring columns.

    Args:
        weight, kept: `(rows, columns)`.
        pushed: likewise, Σ S[c, j] E[:, j] / S[c, c] over the columns j behind these.
        along: S of these columns, each row divided by its diagonal.
        feedback: R, each row divided by its diagonal.
    """
    integers, errors = np.zeros(weight.shape, np.int64), np.zeros(weight.shape)
    felt = np.empty(len(weight))
    for c in range(weight.shape[1] - 1, -1, -1):
        for r in range(len(weight)):
            felt[r] = pushed[r, c]
            for j in range(c + 1, weight.shape[1]):
                felt[r] += errors[r, j] * along[c, j]
        for r in range(len(weight) - 1, -1, -1):
            shift = felt[r]
            for i in range(r + 1, len(weight)):
                shift += feedback[r, i] * felt[i]
            if kept[r, c]:
                integers[r, c] = np.int64(np.rint((weight[r, c] - shift) / step))
            errors[r, c] = integers[r, c] * step - weight[r, c]
            felt[r] += errors[r, c]
    return integers
