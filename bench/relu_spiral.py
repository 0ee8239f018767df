"""What a ReLU loses of a plane by the number of dimensions that it works in (Sandler et al. 2018, figure 1), as numbers.

    python bench/relu_spiral.py

Means over random embeddings. Writes bench/results/relu_spiral.csv.
"""

import csv
import statistics
from pathlib import Path

import numpy as np

from laconic.nn.spiral import readout_error, spiral, through_relu

RESULTS = Path(__file__).parent / "results" / "relu_spiral.csv"
DIMENSIONS = (2, 3, 5, 15, 30)
EMBEDDINGS = 1000


def main() -> None:
    """A line a number of dimensions."""
    points = spiral()[1:]  # the centre has no direction
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["dimensions", "points lost %", "(n + 1) / 2ⁿ in %", "squared error of the best linear map back %", "embeddings"])
        for n in DIMENSIONS:
            lost = statistics.fmean(through_relu(points, n, rng(seed))[1].mean() for seed in range(EMBEDDINGS))
            missed = statistics.fmean(readout_error(points, n, rng(seed)) for seed in range(EMBEDDINGS))
            table.writerow([n, f"{100 * lost:.2f}", f"{100 * (n + 1) / 2**n:.2f}", f"{100 * missed:.2g}", EMBEDDINGS])


def rng(seed: int) -> np.random.Generator:
    """A generator of its own for every embedding."""
    return np.random.Generator(np.random.PCG64(seed))


if __name__ == "__main__":
    main()
