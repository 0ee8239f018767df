"""The zoo as a table: parameters, MACs and peak activation memory of every network on its paper's sample, beside what its paper says.

    python bench/zoo.py

Counted on shapes alone. Writes bench/results/zoo.csv.
"""

import csv
from pathlib import Path

import torch

from laconic.profile import count
from laconic.zoo import ZOO

RESULTS = Path(__file__).parent / "results" / "zoo.csv"
MIB = 1 << 20

# Millions of parameters and of MACs, as the papers' tables print them; "" where they do not.
PUBLISHED = {
    "lenet-300-100": ("0.266", ""),
    "lenet5": ("0.431", ""),
    "lenet5-classic": ("0.06", ""),
    "resnet20": ("0.27", ""),
    "resnet32": ("0.46", ""),
    "resnet44": ("0.66", ""),
    "resnet56": ("0.85", ""),
    "resnet110": ("1.7", ""),
    "alexnet-grouped": ("60", ""),
    "vgg11": ("133", ""),
    "vgg13": ("133", ""),
    "vgg16": ("138", ""),
    "vgg19": ("144", ""),
    "googlenet-5x5": ("", "1500"),
    "resnet18": ("", "1800"),
    "resnet34": ("", "3600"),
    "resnet50": ("", "3800"),
    "resnet101": ("", "7600"),
    "resnet152": ("", "11300"),
    "xception": ("22.86", ""),
    "mobilenet_v1": ("4.2", "569"),
    "mobilenet_v1-0.75": ("2.6", "325"),
    "mobilenet_v1-0.5": ("1.3", "149"),
    "mobilenet_v1-0.25": ("0.5", "41"),
    "mobilenet_v1-full": ("29.3", "4866"),
    "mobilenet_v2": ("3.4", "300"),
    "mobilenet_v2-1.4": ("6.9", "585"),
    "mobilenet_v3_large": ("5.4", "219"),
    "mobilenet_v3_small": ("2.5", "56"),
    "shufflenet_v1": ("", "137"),
    "shufflenet_v1-g1": ("", "143"),
    "shufflenet_v1-g2": ("", "140"),
    "shufflenet_v1-g4": ("", "133"),
    "shufflenet_v1-g8": ("", "137"),
    "shufflenet_v2_x0_5": ("1.4", "41"),
    "shufflenet_v2_x1_0": ("2.3", "146"),
    "shufflenet_v2_x1_5": ("3.5", "299"),
    "shufflenet_v2_x2_0": ("7.4", "591"),
    "mnasnet1_0": ("4.4", "315"),
}


def main() -> None:
    """A line a network."""
    rows = [row(name) for name in ZOO]
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def row(name: str) -> dict[str, str]:
    """What one network costs."""
    entry = ZOO[name]
    with torch.device("meta"):
        found = count(entry.build(), entry.sample_shape)
    params, macs = PUBLISHED.get(name, ("", ""))
    return {
        "network": name,
        "sample": " × ".join(map(str, entry.sample_shape)),
        "parameters": str(found.params),
        "in the paper, M": params,
        "MACs": str(found.macs),
        "in the paper, M MACs": macs,
        "peak activations MiB": f"{found.peak_bytes / MIB:.2f}",
    }


if __name__ == "__main__":
    main()
