"""One-dimensional k-means, for weight sharing (Han, Mao & Dally 2016, §3).

Sorted once, a cluster is an interval, its mean is a difference of two prefix sums, and one Lloyd iteration is a binary
search per centroid: 60 million weights take about as long as their sort. `exact` finds the global optimum by dynamic
programming over intervals (Wang & Song 2011), with the divide-and-conquer step that monotone split points allow.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit

MOST_EXACT = 1 << 27  # values × clusters: half a gigabyte of split points, and O(k n log n) time
CHUNK = 1 << 20  # values looked up at a time: float64 copies of a whole layer would be the most memory that sharing takes


@dataclass(frozen=True, eq=False)
class Clusters:
    """Intervals of the real line, and the mean of the values in each.

    Args:
        borders: ascending `(k − 1,)`; a value on a border belongs to the lower cluster.
        centroids: ascending `(k,)`, float64.
    """

    borders: np.ndarray
    centroids: np.ndarray

    def assign(self, values: np.ndarray) -> np.ndarray:
        """The cluster of each value, an unsigned integer; same shape as `values`."""
        flat = values.reshape(-1)
        places = np.empty(len(flat), np.min_scalar_type(len(self.borders)))
        for start in range(0, len(flat), CHUNK):
            places[start : start + CHUNK] = np.searchsorted(self.borders, flat[start : start + CHUNK], side="left")
        return places.reshape(values.shape)


def cluster(values: np.ndarray, k: int, start: str, rng: np.random.Generator, iterations: int = 1000) -> Clusters:
    """At most `k` clusters of `values` (any shape), each with the mean of its members.

    Args:
        values: finite values; at least one.
        k: number of clusters; there are fewer when there are fewer different values, or when some lose all theirs.
        start: "linear" (equal steps from min to max), "density" (equal counts), "random" (k of the values), or "exact".
        rng: drawn from by "random" only.
        iterations: at most so many Lloyd iterations, one at least; once converged, the nearest centroid is that of the cluster.

    Raises:
        ValueError: "exact", and values × clusters exceed `MOST_EXACT`.

    >>> cluster(np.array([0.0, 0.1, 5.0, 5.2]), 2, "linear", np.random.default_rng(0)).centroids.round(2)
    array([0.05, 5.1 ])
    """
    ordered = np.sort(values, axis=None).astype(np.float64)
    if start == "exact":
        return exact(ordered, k)
    sums = np.zeros(len(ordered) + 1)
    np.cumsum(ordered, out=sums[1:])
    clusters = _filled(ordered, sums, _midpoints(np.unique(STARTS[start](ordered, k, rng))))
    for _ in range(iterations - 1):
        nearer = _midpoints(clusters.centroids)
        if np.array_equal(nearer, clusters.borders):
            break
        clusters = _filled(ordered, sums, nearer)
    return clusters


def _midpoints(ascending: np.ndarray) -> np.ndarray:
    return (ascending[1:] + ascending[:-1]) / 2


def _filled(ordered: np.ndarray, sums: np.ndarray, borders: np.ndarray) -> Clusters:
    """The clusters between these borders; those without a value are left out."""
    edges = np.concatenate(([0], np.searchsorted(ordered, borders, side="right"), [len(ordered)]))
    counts = np.diff(edges)
    filled = np.flatnonzero(counts)
    return Clusters(borders[filled[:-1]], np.diff(sums[edges])[filled] / counts[filled])


def _linear(ordered: np.ndarray, k: int, _: np.random.Generator) -> np.ndarray:
    return np.linspace(ordered[0], ordered[-1], k)


def _density(ordered: np.ndarray, k: int, _: np.random.Generator) -> np.ndarray:
    return ordered[((np.arange(k) + 0.5) / k * len(ordered)).astype(np.int64)]


def _random(ordered: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    return rng.choice(ordered, k, replace=len(ordered) < k)


STARTS: dict[str, Callable[[np.ndarray, int, np.random.Generator], np.ndarray]] = {
    "linear": _linear,
    "density": _density,
    "random": _random,
}


def exact(ordered: np.ndarray, k: int) -> Clusters:
    """The clusters of least total squared error: the global optimum.

    Args:
        ordered: ascending values `(n,)`.
        k: number of clusters; n · k is at most `MOST_EXACT`.

    Raises:
        ValueError: n · k exceeds it.
    """
    if len(ordered) * k > MOST_EXACT:
        raise ValueError(f"exact k-means is for values × clusters up to {MOST_EXACT}, got {len(ordered)} × {k}")
    distinct, counts = np.unique(ordered, return_counts=True)
    if len(distinct) <= k:
        return Clusters(_midpoints(distinct), distinct)
    centred = distinct - distinct.mean()  # prefix sums of squares cancel badly around a large mean
    weights = np.concatenate(([0.0], np.cumsum(counts.astype(np.float64))))
    sums = np.concatenate(([0.0], np.cumsum(centred * counts)))
    squares = np.concatenate(([0.0], np.cumsum(centred**2 * counts)))
    edges = _split(weights, sums, squares, k)
    inner = edges[1:-1]
    means = np.diff(sums[edges]) / np.diff(weights[edges]) + distinct.mean()
    return Clusters((distinct[inner - 1] + distinct[inner]) / 2, means)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _split(weights: np.ndarray, sums: np.ndarray, squares: np.ndarray, k: int) -> np.ndarray:
    """Edges `(k + 1,)` of the k intervals of least cost; row by row, each row's split points being monotone."""
    n = len(weights) - 1
    best = np.empty(n + 1)
    for j in range(n + 1):
        best[j] = _cost(weights, sums, squares, 0, j)
    splits = np.zeros((k, n + 1), np.int32)
    stack = np.empty((128, 4), np.int64)
    for row in range(1, k):
        following = np.full(n + 1, np.inf)
        stack[0, 0], stack[0, 1], stack[0, 2], stack[0, 3] = row + 1, n, row, n
        depth = 1
        while depth > 0:
            depth -= 1
            first, last, low, high = stack[depth]
            if first > last:
                continue
            middle = (first + last) // 2
            least, at = np.inf, low
            for j in range(low, min(middle - 1, high) + 1):
                cost = best[j] + _cost(weights, sums, squares, j, middle)
                if cost < least:
                    least, at = cost, j
            following[middle], splits[row, middle] = least, at
            stack[depth, 0], stack[depth, 1], stack[depth, 2], stack[depth, 3] = first, middle - 1, low, at
            stack[depth + 1, 0], stack[depth + 1, 1], stack[depth + 1, 2], stack[depth + 1, 3] = middle + 1, last, at, high
            depth += 2
        best = following
    edges = np.empty(k + 1, np.int64)
    edges[k] = n
    for row in range(k - 1, -1, -1):
        edges[row] = splits[row, edges[row + 1]]
    return edges


@njit(cache=True)  # type: ignore[untyped-decorator]
def _cost(weights: np.ndarray, sums: np.ndarray, squares: np.ndarray, i: int, j: int) -> float:
    """Squared error of values i … j-1 about their mean."""
    if j <= i:
        return 0.0
    total = sums[j] - sums[i]
    return squares[j] - squares[i] - total * total / (weights[j] - weights[i])
