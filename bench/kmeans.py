"""How long weight sharing takes, by layer size, number of shared values and start: prints a table and writes results/kmeans.csv.

    python bench/kmeans.py

Weights are normal float32 with a deviation of 1, so an error is a share of it. Seconds are wall clock on one thread: the median of
three repetitions, of one for the largest layer (the first fully connected layer of VGG-16 has 103 million weights, AlexNet's 38).
Peak memory counts what is allocated beside the weights themselves.
"""

import csv
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np

from laconic.base.measures import Measure, machine, timing
from laconic.forms.kmeans import MOST_EXACT, STARTS, Clusters, cluster

SIZES = (100_000, 1_000_000, 10_000_000, 60_000_000)
CLUSTERS = (16, 32, 256)
REPETITIONS = 3
RESULTS = Path(__file__).parent / "results" / "kmeans.csv"
COLUMNS = ("weights", "clusters", "start", "values", "cluster s", "±", "assign s", "±", "n", "error, deviations", "peak MB")


def clocked(work: Callable[[], object], repetitions: int) -> Measure:
    """Seconds of one call."""
    seconds = []
    for _ in range(repetitions):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return timing(seconds, "s", "wall clock")


def error(weights: np.ndarray, clusters: Clusters) -> float:
    """Root of the mean squared distance between a weight and its shared value."""
    squares = 0.0
    for part in np.array_split(weights, -(-len(weights) // 1_000_000)):
        squares += float(((part - clusters.centroids[clusters.assign(part)]) ** 2).sum())
    return (squares / len(weights)) ** 0.5


def peak(work: Callable[[], object]) -> float:
    """Megabytes allocated at most while `work` runs."""
    tracemalloc.start()
    work()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most / 1e6


def row(weights: np.ndarray, k: int, start: str) -> tuple[object, ...]:
    """One line of the table."""
    repetitions = REPETITIONS if len(weights) < SIZES[-1] else 1

    def found() -> Clusters:
        return cluster(weights, k, start, np.random.Generator(np.random.PCG64(0)))

    clusters = found()
    clustering, assigning = clocked(found, repetitions), clocked(lambda: clusters.assign(weights), repetitions)
    spreads = (f"{clustering.value:.4g}", f"{clustering.spread:.1g}", f"{assigning.value:.4g}", f"{assigning.spread:.1g}")
    memory = peak(lambda: found().assign(weights))
    return len(weights), k, start, len(clusters.centroids), *spreads, repetitions, f"{error(weights, clusters):.5f}", f"{memory:.0f}"


def main() -> None:
    cluster(np.arange(9.0), 2, "exact", np.random.default_rng(0))  # compiles
    rows = []
    for size in SIZES:
        weights = np.random.Generator(np.random.PCG64(size)).standard_normal(size, dtype=np.float32)
        for k in CLUSTERS:
            for start in [*STARTS, "exact"] if size * k <= MOST_EXACT else STARTS:
                rows.append(row(weights, k, start))
                print(*rows[-1], sep="  ", flush=True)
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*COLUMNS, "machine"])
        writer.writerows((*line, machine()) for line in rows)


if __name__ == "__main__":
    main()
