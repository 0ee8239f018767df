"""What a coder that knows only the frequencies of single values could reach at best."""

import numpy as np


def entropy(values: np.ndarray) -> float:
    """Order-0 entropy of the array's values in bits per value (Shannon 1948); 0 for an empty array.

    >>> entropy(np.array([0, 0, 1, 1])), entropy(np.zeros(9))
    (1.0, 0.0)
    """
    counts = np.unique(values, return_counts=True)[1]
    shares = counts / max(values.size, 1)
    return abs(float(shares @ np.log2(shares)))


def local_entropy(values: np.ndarray, runs: int = 16, length: int = 1 << 12) -> float:
    """The mean entropy, in bits per value, of evenly spread runs of neighbours among `values` `(n,)`, n > 0.

    A few values seem less diverse than the law that they were drawn from: a run of n counts (k − 1) / 2n nats more for its k
    different values (Miller 1955).

    >>> round(local_entropy(np.arange(256).repeat(50)), 1), round(local_entropy(np.tile(np.arange(256), 50)), 1)
    (6.4, 8.0)
    """
    starts = np.unique(np.linspace(0, max(len(values) - length, 0), runs).astype(np.int64))
    found = [np.unique(values[start : start + length], return_counts=True)[1] for start in starts]
    return float(np.mean([_corrected(counts) for counts in found]))


def _corrected(counts: np.ndarray) -> float:
    total = counts.sum()
    shares = counts / total
    return abs(float(shares @ np.log2(shares))) + (len(counts) - 1) / (2 * total * np.log(2))
