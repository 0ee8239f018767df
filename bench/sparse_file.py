"""Sparse rows where a user meets them: AlexNet's three linear layers as files, nine weights in ten zero, by wall clock of loaded sessions.

    python bench/sparse_file.py

The zeros are those of the smallest weights, which are random here: what is measured is time, at batch 1 on one thread, all files in turns.
"× fp32" is how many times as fast a session is as that of the dense network, "× int8" as that of the dense network through int8: medians of
paired ratios, with half of what lies between their quartiles. Writes bench/results/sparse_file.csv.
"""

import csv
import itertools
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from guarded import in_turns
from torch import nn

from laconic import Int8, Prune, from_arrays, load
from laconic.artifact import pack
from laconic.base.measures import machine
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.methods.step import Step
from laconic.recipe.package import package

RESULTS = Path(__file__).parent / "results" / "sparse_file.csv"
WIDTHS, ROUNDS = (9216, 4096, 4096, 1000), 60
ZEROS, INTEGERS = Prune(sparsity=0.9), Int8(samples=2)
CASES: dict[str, tuple[tuple[Step, ...], str]] = {
    "dense": ((), "onnxruntime"),
    "int8": ((INTEGERS,), "onnxruntime"),
    "pruned": ((ZEROS,), "laconic"),
    "pruned, int8": ((ZEROS, INTEGERS), "laconic"),
}


def main() -> None:
    """All files in turns."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    one, two, three = (nn.Linear(*ends) for ends in itertools.pairwise(WIDTHS))
    model = nn.Sequential(one, nn.ReLU(), two, nn.ReLU(), three).eval()
    inputs = np.random.default_rng(0).standard_normal((8, WIDTHS[0])).astype(np.float32)
    data = from_arrays(*((inputs[rows], np.zeros(len(inputs[rows]), np.int64)) for rows in (slice(4), slice(4, 6), slice(6, 8))))
    context, sample, sizes = Context(data, model), inputs[:1], {}
    runs: dict[str, Callable[[], object]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (steps, engine) in CASES.items():
            network = Network(model)
            for step in steps:
                network = step.apply(network, step.plan(network, context), context)
            path = Path(folder) / f"{len(runs)}.lac"
            sizes[name] = path.write_bytes(pack(package(network, data)[0]))
            runs[name] = partial(load(path, engine=engine), sample)
        times = in_turns(runs, ROUNDS)
    rows = [
        {"file": name, "engine": CASES[name][1], "bytes": str(sizes[name]), "median ms": f"{statistics.median(spent):.3f}"}
        | {f"× {word}": _ratio(times[other], spent) for word, other in (("fp32", "dense"), ("int8", "int8"))}
        | {"n": str(ROUNDS), "machine": machine()}
        for name, spent in times.items()
    ]
    for row in rows:
        print(*row.values(), sep="  ", flush=True)
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def _ratio(others: list[float], own: list[float]) -> str:
    low, median, high = statistics.quantiles([other / one for other, one in zip(others, own, strict=True)], n=4)
    return f"{median:.2f} ± {(high - low) / 2:.2f}"


if __name__ == "__main__":
    main()
