"""The zoo trained: accuracy against multiply-adds and latency, every network for equally many epochs on the same small real data.

    python bench/zoo_trained.py --data folder:DIR [--most MACS]     trains
    python bench/zoo_trained.py --data folder:DIR --time            then, with nothing else at work, times what was trained

`IMAGES` of CIFAR-10's training images at half their side, `EPOCHS` epochs, one seed: so short that the table says what learns fast, and not
what a network can reach. Images so small keep the maps at 4 × 4 or more, by which the first strides are left out. Networks that multiply
more than `MOST` a sample are left out unless --most says otherwise: with them the table takes days of one core. Latency is of a session on
the file of a network, normalisations folded, at batch 1 on one thread, all of them in turns; it does not depend on the weights.

Networks are trained from the fewest MACs to the most, a row is kept when it is there, and a call goes on where the last one ended. Writes
bench/results/zoo_trained.csv.
"""

import argparse
import statistics
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from guarded import in_turns
from half_size import SHAPE, images, score, trained
from results_file import Results
from torch import nn

from laconic import Fold, build_model
from laconic.artifact import pack
from laconic.base.measures import machine
from laconic.datasets.data import Data
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.profile import Profile, count
from laconic.recipe.package import package
from laconic.runtime import Session
from laconic.zoo import ZOO

RESULTS = Results("zoo_trained")
IMAGES, EPOCHS, MOST, ROUNDS = 5_000, 4, 51e6, 50


def main() -> None:
    """Train, or time."""
    options = _options()
    torch.set_num_threads(1)
    data = images(options.data, IMAGES)
    if options.time:
        RESULTS.keep(clocked(data))
        return
    costs = {name: cost(name) for name in ZOO}
    for name in sorted((name for name in ZOO if costs[name].macs <= options.most), key=lambda name: costs[name].macs):
        if not RESULTS.has(network=name):
            RESULTS.add(row(name, costs[name], data))


def fresh(name: str) -> nn.Module:
    """A network for these images, not trained."""
    return build_model(f"zoo:{name}", classes=10, sample_shape=SHAPE)


def cost(name: str) -> Profile:
    """What it takes, counted on shapes."""
    with torch.device("meta"):
        return count(fresh(name), SHAPE)


def row(name: str, found: Profile, data: Data) -> dict[str, str]:
    """A network, trained."""
    model = trained(partial(fresh, name), data, EPOCHS, seed=0)
    return {
        "network": name,
        "parameters": str(found.params),
        "MACs": f"{found.macs / 1e6:.2f} M",
        "peak activations KiB": f"{found.peak_bytes / 1024:.0f}",
        "bytes": str(len(pack(package(Network(model), data)[0]))),
        "top-1 %": f"{score(model, data):.2f}",
        "median ms": "",
        "±": "",
        "machine": "",
    }


def clocked(data: Data) -> list[dict[str, str]]:
    """The rows, with what each network takes."""
    rows = RESULTS.rows()
    sample = data.preprocessing.apply(data.test.inputs[:1])
    times = in_turns({one["network"]: runner(fresh(one["network"]), data, sample) for one in rows}, ROUNDS)
    return [one | spread(times[one["network"]]) | {"machine": machine()} for one in rows]


def runner(model: nn.Module, data: Data, sample: np.ndarray) -> Callable[[], object]:
    """One inference of the network's file."""
    network, context = Network(model.eval()), Context(data, model)
    folded = Fold().apply(network, Fold().plan(network, context), context)
    return partial(Session(package(folded, data)[0]), sample)


def spread(times: list[float]) -> dict[str, str]:
    """Median and half of what lies between the quartiles."""
    low, median, high = statistics.quantiles(times, n=4)
    return {"median ms": f"{median:.3f}", "±": f"{(high - low) / 2:.3f}"}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder:DIR with CIFAR-10's images")
    parser.add_argument("--most", type=float, default=MOST, help="MACs of a sample, above which a network is left out")
    parser.add_argument("--time", action="store_true", help="time what is there")
    return parser.parse_args()


if __name__ == "__main__":
    main()
