"""Does a profile add up? Layers and what is between them, beside the whole forward pass, at batch 1 on one thread.

    python bench/profile_sums.py

Passes with a watch on every layer and passes without take turns. Writes bench/results/profile_sums.csv.
"""

import csv
from pathlib import Path

from laconic import build_model
from laconic.base.measures import machine
from laconic.profile import profile
from laconic.zoo import ZOO

RESULTS = Path(__file__).parent / "results" / "profile_sums.csv"
NETWORKS = ("lenet-300-100", "lenet5", "lenet5-classic", "resnet20", "resnet56", "resnet110")
REPEATS = 200


def main() -> None:
    """A line a network."""
    rows = [row(name) for name in NETWORKS]
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def row(name: str) -> dict[str, str]:
    """Milliseconds of the layers, between them, together, and of the whole."""
    found = profile(build_model(f"zoo:{name}"), ZOO[name].sample_shape, repeats=REPEATS)
    assert found.latency is not None
    assert found.between is not None
    assert found.summed is not None
    figures = {
        "network": name,
        "layers ms": f"{found.summed - found.between.value:.3f}",
        "between ms": f"{found.between.value:.3f}",
        "sum ms": f"{found.summed:.3f}",
        "whole ms": f"{found.latency.value:.3f}",
        "± ms": f"{found.latency.spread:.3f}",
        "sum / whole": f"{found.summed / found.latency.value:.3f}",
        "n": str(found.latency.n),
        "machine": machine(),
    }
    print(*figures.values(), sep="  ", flush=True)
    return figures


if __name__ == "__main__":
    main()
