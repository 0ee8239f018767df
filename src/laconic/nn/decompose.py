"""A weight `(T, C, *kernel)` as the weights of a chain (`nn.factored`), nearest to it in the least-squares sense.

Given the second moments of a layer's input channels, it is the layer's *outputs* that are met as well as can be: the weight is decomposed
in coordinates in which the channels are uncorrelated and of one size, W' = W · M^½, and the factor on the input's side is brought back,
V = V' · M^-½ (Zhang et al. 2016, "Accelerating Very Deep Convolutional Networks", §3.1, without its nonlinearity). Taps of a kernel are
taken to be alike in this.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

Factors = list[np.ndarray]
SWEEPS = 4  # of higher-order orthogonal iteration
ROUNDS, RIDGE = 60, 1e-9  # of alternating least squares; relative to the largest
LEAST = 1e-6  # of the largest second moment: what a channel that is never on counts as


def decompose(kind: str, weight: np.ndarray, ranks: Sequence[int], moments: np.ndarray | None = None, seed: int = 0) -> Factors:
    """The chain's weights, in the weight's type.

    Args:
        kind: of `nn.factored`.
        weight: `(T, C, *kernel)`.
        ranks: of that kind; no larger than makes sense.
        moments: `(C, C)`, the mean of x xᵀ over inputs x of the layer; without it, the weight itself is met.
        seed: for kinds that start from a draw.

    >>> weight = np.outer([1.0, 2.0], [3.0, 4.0, 5.0])
    >>> first, last = decompose("svd", weight, [1])
    >>> np.allclose(last @ first, weight)
    True
    """
    wide = weight.astype(np.float64)
    if moments is None or kind == "separable":  # there each channel stands alone: to scale it changes nothing
        return [factor.astype(weight.dtype) for factor in DECOMPOSE[kind](wide, ranks, seed)]
    root, back = _roots(moments)
    factors = DECOMPOSE[kind](np.einsum("tc...,cd->td...", wide, root), ranks, seed)
    factors[0] = np.einsum("rc...,cd->rd...", factors[0], back)
    return [factor.astype(weight.dtype) for factor in factors]


def spectra(kind: str, weight: np.ndarray, moments: np.ndarray | None = None) -> list[np.ndarray]:
    """Of each of the kind's ranks, what share of the squared sum each component holds, in falling order; of `cp`, none is known."""
    wide = weight.astype(np.float64)
    if moments is not None and kind != "separable":
        wide = np.einsum("tc...,cd->td...", wide, _roots(moments)[0])
    if kind == "separable":
        squares = [_squares(wide[:, channel].reshape(len(wide), -1)) for channel in range(wide.shape[1])]
        return [_shares(np.sum(squares, axis=0))]
    return [_shares(_squares(matrix)) for matrix in matrices(kind, wide)]


def matrices(kind: str, weight: np.ndarray) -> list[np.ndarray]:
    """The unfoldings whose ranks are the kind's."""
    match kind:
        case "svd":
            return [weight.reshape(len(weight), -1)]
        case "spatial":
            return [weight.transpose(1, 2, 0, 3).reshape(weight.shape[1] * weight.shape[2], -1)]
        case "tucker":
            return [_unfolded(weight, 1), _unfolded(weight, 0)]
        case _:
            return []


def _svd(weight: np.ndarray, ranks: Sequence[int], seed: int) -> Factors:
    left, right = _halves(weight.reshape(len(weight), -1), ranks[0])
    return [right.reshape(-1, *weight.shape[1:]), left.reshape(*left.shape, *[1] * (weight.ndim - 2))]


def _spatial(weight: np.ndarray, ranks: Sequence[int], seed: int) -> Factors:
    outputs, inputs, height, width = weight.shape
    left, right = _halves(matrices("spatial", weight)[0], ranks[0])
    first = left.reshape(inputs, height, -1).transpose(2, 0, 1)[..., None]
    return [first, right.reshape(-1, outputs, width).transpose(1, 0, 2)[:, :, None]]


def _tucker(weight: np.ndarray, ranks: Sequence[int], seed: int) -> Factors:
    """Higher-order orthogonal iteration (De Lathauwer et al. 2000) over the two modes of channels."""
    entering, leaving = _basis(_unfolded(weight, 1), ranks[0]), _basis(_unfolded(weight, 0), ranks[1])
    for _ in range(SWEEPS):
        leaving = _basis(_unfolded(np.einsum("tchw,cr->trhw", weight, entering), 0), ranks[1])
        entering = _basis(_unfolded(np.einsum("tchw,ts->schw", weight, leaving), 1), ranks[0])
    core = np.einsum("tchw,ts,cr->srhw", weight, leaving, entering, optimize=True)
    return [entering.T[..., None, None], core, leaving[..., None, None]]


def _cp(weight: np.ndarray, ranks: Sequence[int], seed: int) -> Factors:
    """Alternating least squares (Kolda & Bader 2009, §3.4) over outputs, inputs, rows and columns."""
    rng, rank = np.random.default_rng(seed), ranks[0]
    modes = [rng.standard_normal((side, rank)) for side in weight.shape]
    unfolded = [_unfolded(weight, mode) for mode in range(4)]
    for _ in range(ROUNDS):
        for mode in range(4):
            others = [modes[other] for other in range(4) if other != mode]
            gram = np.prod([other.T @ other for other in others], axis=0)
            gram += RIDGE * np.trace(gram) / rank * np.eye(rank)
            modes[mode] = np.linalg.solve(gram, (unfolded[mode] @ _khatri_rao(others)).T).T
    norms = [np.linalg.norm(mode, axis=0) + np.finfo(float).tiny for mode in modes]
    share = np.prod(norms, axis=0) ** 0.25
    outputs, inputs, rows, columns = (mode / norm * share for mode, norm in zip(modes, norms, strict=True))
    return [inputs.T[..., None, None], rows.T[:, None, :, None], columns.T[:, None, None], outputs[..., None, None]]


def _separable(weight: np.ndarray, ranks: Sequence[int], seed: int) -> Factors:
    outputs, inputs, *kernel = weight.shape
    halves = [_halves(weight[:, channel].reshape(outputs, -1), ranks[0]) for channel in range(inputs)]
    kernels = np.concatenate([right for _, right in halves]).reshape(-1, 1, *kernel)
    return [kernels, np.concatenate([left for left, _ in halves], axis=1)[..., None, None]]


DECOMPOSE: Mapping[str, Callable[[np.ndarray, Sequence[int], int], Factors]] = {
    "svd": _svd,
    "spatial": _spatial,
    "tucker": _tucker,
    "cp": _cp,
    "separable": _separable,
}


def _halves(matrix: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """U√S and √S Vᵀ of the best approximation (Eckart & Young 1936)."""
    if len(matrix) > matrix.shape[1]:
        left, right = _halves(matrix.T, rank)
        return right.T, left.T
    basis = _basis(matrix, rank)
    right = basis.T @ matrix
    root = np.sqrt(np.maximum(np.linalg.norm(right, axis=1), np.finfo(float).tiny))
    return basis * root, right / root[:, None]


def _basis(matrix: np.ndarray, rank: int) -> np.ndarray:
    """Singular vectors on the left, from the Gram matrix of the rows: a wide matrix has many more columns."""
    found: np.ndarray = np.linalg.eigh(matrix @ matrix.T)[1][:, ::-1][:, :rank]
    return found


def _squares(matrix: np.ndarray) -> np.ndarray:
    """Singular values squared, in falling order."""
    short = matrix if len(matrix) <= matrix.shape[1] else matrix.T
    return np.maximum(np.linalg.eigvalsh(short @ short.T)[::-1], 0)


def _unfolded(weight: np.ndarray, mode: int) -> np.ndarray:
    return np.moveaxis(weight, mode, 0).reshape(weight.shape[mode], -1)


def _khatri_rao(modes: Sequence[np.ndarray]) -> np.ndarray:
    found = modes[0]
    for mode in modes[1:]:
        found = (found[:, None] * mode[None]).reshape(-1, mode.shape[1])
    return found


def _shares(squares: np.ndarray) -> np.ndarray:
    return squares / max(float(squares.sum()), np.finfo(float).tiny)


def _roots(moments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """M^½ and M^-½."""
    values, vectors = np.linalg.eigh(moments.astype(np.float64))
    values = np.maximum(values, LEAST * max(float(values.max()), np.finfo(float).tiny))
    return (vectors * np.sqrt(values)) @ vectors.T, (vectors / np.sqrt(values)) @ vectors.T
