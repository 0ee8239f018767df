"""What a ReLU loses: a spiral in a plane, sent through n dimensions and back.

M. Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018, figure 1 and section 3.2. In few dimensions a ReLU
folds the spiral up; in many, enough of the coordinates of every point stay positive to find it again. Hence an expansion before a ReLU, and
no ReLU behind the projection.
"""

import numpy as np


def spiral(points: int = 1000, turns: float = 2.0) -> np.ndarray:
    """A spiral from the centre to the unit circle: `(points, 2)`.

    >>> spiral(3, turns=1).round(2).tolist()
    [[0.0, 0.0], [-0.5, 0.0], [1.0, -0.0]]
    """
    share = np.linspace(0, 1, points)
    angle = 2 * np.pi * turns * share
    return share[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)


def through_relu(flat: np.ndarray, dimensions: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Points embedded by a random matrix T, cut by a ReLU, and brought back by T's pseudo-inverse as in the paper.

    Args:
        flat: points `(n, 2)`.
        dimensions: of the space of the ReLU.
        rng: draws T, `(dimensions, 2)`, from the standard normal distribution.

    Returns:
        Where the points come back, `(n, 2)`, and which of them are lost, `(n,)`: those with fewer than two positive coordinates. Of the
        others, two rows of T that the ReLU let through tell the point exactly.

    >>> _, lost = through_relu(spiral(), 30, np.random.default_rng(0))
    >>> bool(lost[1:].any())
    False
    """
    embedding = rng.standard_normal((dimensions, 2))
    cut = np.maximum(flat @ embedding.T, 0)
    return cut @ np.linalg.pinv(embedding).T, np.count_nonzero(cut, axis=1) < 2


def readout_error(flat: np.ndarray, dimensions: int, rng: np.random.Generator) -> float:
    """How far the best linear map from behind the ReLU misses the points: squared error as a share of the points' own squares, 0 … 1.

    Args:
        flat, dimensions, rng: as for `through_relu`.
    """
    cut = np.maximum(flat @ rng.standard_normal((dimensions, 2)).T, 0)
    back, *_ = np.linalg.lstsq(cut, flat, rcond=None)
    return float(((cut @ back - flat) ** 2).sum() / (flat**2).sum())
