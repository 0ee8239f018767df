"""The rank of a matrix that noise hides, by empirical variational Bayes.

Nakajima, Sugiyama, Babacan & Tomioka 2013, "Global Analytic Solution of Fully-observed Variational Bayesian Matrix Factorization"; used
for the ranks of convolutions by Kim et al. 2016.
"""

import numpy as np
from scipy.optimize import minimize_scalar

TAU = 2.5129  # times √α: where the energy of a component's posterior turns, to a hundredth (ibid.)


def vbmf_rank(matrix: np.ndarray) -> int:
    """How many singular values stand above the noise; 1 at least.

    >>> rng = np.random.default_rng(0)
    >>> vbmf_rank(rng.standard_normal((40, 3)) @ rng.standard_normal((3, 60)) + 0.1 * rng.standard_normal((40, 60)))
    3
    """
    short, long = sorted(matrix.shape)
    squares = np.square(np.linalg.svd(matrix.astype(np.float64), compute_uv=False))
    if not squares.any():
        return 1
    alpha = short / long
    tau = TAU * np.sqrt(alpha)
    turn = (1 + tau) * (1 + alpha / tau)
    largest = min(int(np.ceil(short / (1 + alpha))) - 1, short - 1)
    rest = squares[largest:]
    low = max(float(squares[largest]) / (long * turn), float(rest.mean()) / long, float(squares.sum()) * 1e-12 / (short * long))
    high = float(squares.sum()) / (short * long)
    noise = low
    if low < high:
        noise = float(
            np.exp(
                minimize_scalar(lambda x: _energy(np.exp(x), squares, long, alpha, turn), bounds=np.log((low, high)), method="bounded").x
            )
        )
    return max(int(np.count_nonzero(squares > long * noise * turn)), 1)


def _energy(noise: float, squares: np.ndarray, long: int, alpha: float, turn: float) -> float:
    """The free energy, less what does not depend on the noise's variance."""
    scaled = np.maximum(squares / (long * noise), np.finfo(float).tiny)
    above, below = scaled[scaled > turn], scaled[scaled <= turn]
    excess = above - (1 + alpha)
    tau = (excess + np.sqrt(np.maximum(excess**2 - 4 * alpha, 0))) / 2
    found = (
        np.sum(below - np.log(below)) + np.sum(above - tau) + np.sum(np.log((tau + 1) / above)) + alpha * np.sum(np.log(tau / alpha + 1))
    )
    return float(found)
