"""One-dimensional k-means, for weight sharing (Han, Mao & Dally 2016, §3).

Sorted once, a cluster is an interval, its mean is a difference of two prefix sums, and one Lloyd iteration is a binary
search per centroid: 60 million weights take about as long as their sort. `exact` finds the global optimum by dynamic
programming over intervals (Wang & Song 2011), with the divide-and-conquer step that monotone split points allow.
"""

from collections.abc import Callable

import numpy as np
from numba import njit

MOST_EXACT = 1 << 20  # O(k n log n): a few seconds for 32 clusters


def cluster(values: np.ndarray, k: int, start: str, rng: np.random.Generator, iterations: int = 100) -> np.ndarray:
    """At most `k` centroids of `values` (any shape), ascending, float64; each the mean of its cluster.

    Args:
        values: finite values; at least one.
        k: number of clusters; fewer are returned when there are fewer different values.
        start: "linear" (equal steps from min to max), "density" (equal counts), "random" (k of the values), or "exact".
        rng: drawn from by "random" only.
        iterations: at most so many Lloyd iterations.

    >>> cluster(np.array([0.0, 0.1, 5.0, 5.2]), 2, "linear", np.random.default_rng(0)).round(2)
    array([0.05, 5.1 ])
    """
    ordered = np.sort(values, axis=None).astype(np.float64)
    if start == "exact":
        return exact(ordered, k)
    sums = np.concatenate(([0.0], np.cumsum(ordered)))
    centroids = np.unique(STARTS[start](ordered, k, rng))
    for _ in range(iterations):
        moved = _means(ordered, sums, centroids)
        if np.array_equal(moved, centroids):
            break
        centroids = moved
    return centroids


def assign(values: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """The index of the nearest centroid (ascending) for each value; the lower one at a tie. Same shape as `values`."""
    return np.searchsorted(_borders(centroids), values, side="left")


def _borders(centroids: np.ndarray) -> np.ndarray:
    return (centroids[1:] + centroids[:-1]) / 2


def _means(ordered: np.ndarray, sums: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """The mean of each cluster; clusters that have lost all their values are dropped."""
    edges = np.concatenate(([0], np.searchsorted(ordered, _borders(centroids), side="right"), [len(ordered)]))
    counts = np.diff(edges)
    kept = counts > 0
    return np.asarray(np.diff(sums[edges])[kept] / counts[kept])


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


def exact(ordered: np.ndarray, k: int) -> np.ndarray:
    """The centroids of least total squared error: the global optimum.

    Args:
        ordered: ascending values `(n,)`, n at most `MOST_EXACT`.
        k: number of clusters.
    """
    if len(ordered) > MOST_EXACT:
        raise ValueError(f"exact k-means is for at most {MOST_EXACT} values, got {len(ordered)}; start from density instead")
    distinct, counts = np.unique(ordered, return_counts=True)
    if len(distinct) <= k:
        return distinct
    centred = distinct - distinct.mean()  # prefix sums of squares cancel badly around a large mean
    weights = np.concatenate(([0.0], np.cumsum(counts.astype(np.float64))))
    sums = np.concatenate(([0.0], np.cumsum(centred * counts)))
    squares = np.concatenate(([0.0], np.cumsum(centred**2 * counts)))
    edges = _split(weights, sums, squares, k)
    return np.asarray(np.diff(sums[edges]) / np.diff(weights[edges]) + distinct.mean())


@njit(cache=True)  # type: ignore[untyped-decorator]
def _split(weights: np.ndarray, sums: np.ndarray, squares: np.ndarray, k: int) -> np.ndarray:
    """Edges `(k + 1,)` of the k intervals of least cost; row by row, each row's split points being monotone."""
    n = len(weights) - 1
    best = np.empty(n + 1)
    for j in range(n + 1):
        best[j] = _cost(weights, sums, squares, 0, j)
    splits = np.zeros((k, n + 1), np.int64)
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
