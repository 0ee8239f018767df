"""What makes a network faster: structure taken out, and integers. Shapes of published networks, before and after, in turns in one process.

    python bench/structure.py [--only NAME …]

Weights are random: what is measured is time, at batch 1 on one thread, of the graphs as a session runs them. Each ratio is the median of
`ROUNDS` comparisons, each of which runs both in turns; the spread is half of what lies between their quartiles. "Than integers" compares
with the network in integers, all others with the network as it came. Writes bench/results/structure.csv.
"""

import argparse
import csv
import statistics
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from shapes import SHAPES

from laconic import Factorize, Fold, Int8, PruneBlocks, PruneChannels, build_model, from_arrays
from laconic.base.measures import machine
from laconic.datasets.data import Data
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.methods.step import Step
from laconic.profile import count
from laconic.recipe.measure import SessionClock

RESULTS = Path(__file__).parent / "results" / "structure.csv"
LARGE, SMALL = (3, 224, 224), (3, 32, 32)
ROUNDS = 7


@dataclass(frozen=True)
class Case:
    """A network, what is done to it, and what is done to the one that it is compared with."""

    network: str
    steps: tuple[Step, ...]
    beside: tuple[Step, ...] = ()


HALF = PruneChannels(macs=0.5, criterion="l2", scope="layer", multiple=16)
SPATIAL = Factorize(macs=0.25, kind="spatial", multiple=16, samples=0)
DEPTH = PruneBlocks(macs=0.5, samples=2)
INT8 = Int8(samples=2)
CASES = {
    "resnet18, half the MACs": Case("resnet18", (HALF,)),
    "resnet18, integers": Case("resnet18", (INT8,)),
    "resnet18, both": Case("resnet18", (HALF, INT8)),
    "resnet18, both, than integers": Case("resnet18", (HALF, INT8), (INT8,)),
    "mobilenet_v2, half the MACs": Case("mobilenet_v2", (replace(HALF, multiple=8),)),
    "mobilenet_v2, half the MACs by depth": Case("mobilenet_v2", (DEPTH,)),
    "mobilenet_v2, integers": Case("mobilenet_v2", (INT8,)),
    "mobilenet_v2, both": Case("mobilenet_v2", (replace(HALF, multiple=8), INT8)),
    "mobilenet_v2, depth and integers": Case("mobilenet_v2", (DEPTH, INT8)),
    "mobilenet_v2, both, than integers": Case("mobilenet_v2", (replace(HALF, multiple=8), INT8), (INT8,)),
    "mobilenet_v2, depth and integers, than integers": Case("mobilenet_v2", (DEPTH, INT8), (INT8,)),
    "vgg16, spatial, a quarter": Case("vgg16", (SPATIAL,)),
    "vgg16, tucker, a quarter": Case("vgg16", (replace(SPATIAL, kind="tucker"),)),
    "vgg16, integers": Case("vgg16", (INT8,)),
    "vgg16, spatial and integers": Case("vgg16", (SPATIAL, INT8)),
    "resnet56, integers": Case("resnet56", (INT8,)),
}


def main() -> None:
    """A line a case; those that are there stay."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    torch.set_num_threads(1)
    for name in parser.parse_args().only:
        _keep(measured(name, CASES[name]))


def measured(name: str, case: Case) -> dict[str, str]:
    """One line."""
    torch.manual_seed(0)
    shape = LARGE if case.network in SHAPES else SMALL
    model = (SHAPES[case.network]() if case.network in SHAPES else build_model(f"zoo:{case.network}")).eval()
    context = Context(images(shape), model, clock=SessionClock())
    network = folded(Network(model), context)
    small, dense = (done(network, steps, context) for steps in (case.steps, case.beside))
    clock, sample = SessionClock(), context.sample()
    ratios = [1 / clock(small, dense, sample) for _ in range(ROUNDS)]
    low, _, high = statistics.quantiles(ratios, n=4)
    before, after = count(dense.module, shape).macs, count(small.module, shape).macs
    return {
        "case": name,
        "steps": "; ".join(map(str, case.steps)),
        "MACs before": str(before),
        "MACs after": str(after),
        "times fewer": f"{before / after:.2f}",
        "times as fast": f"{statistics.median(ratios):.2f}",
        "±": f"{(high - low) / 2:.2f}",
        "n": str(ROUNDS),
        "machine": machine(),
    }


def done(network: Network, steps: tuple[Step, ...], context: Context) -> Network:
    """Step after step."""
    for step in steps:
        network = step.apply(network, step.plan(network, context), context)
    return network


def images(shape: tuple[int, ...]) -> Data:
    """A few random ones, for shapes and clocks."""
    rng = np.random.default_rng(0)

    def split(samples: int) -> tuple[np.ndarray, np.ndarray]:
        return rng.standard_normal((samples, *shape)).astype(np.float32), np.arange(samples)

    return from_arrays(split(4), split(2), split(2))


def folded(network: Network, context: Context) -> Network:
    """With its normalisation folded, as a session would do anyway."""
    step = Fold()
    return step.apply(network, step.plan(network, context), context)


def _keep(row: dict[str, str]) -> None:
    rows = list(csv.DictReader(RESULTS.open(encoding="utf-8"))) if RESULTS.exists() else []
    rows = [row, *(other for other in rows if other["case"] != row["case"])]
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(row), lineterminator="\n")
        table.writeheader()
        table.writerows(sorted(rows, key=lambda other: list(CASES).index(other["case"])))
    print(row, flush=True)


if __name__ == "__main__":
    main()
