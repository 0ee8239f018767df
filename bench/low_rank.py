"""Low rank on a trained network: what each way of splitting convolutions costs at once, and what is learnt back.

    python bench/low_rank.py --data folder:DIR --weights DIR

The public ResNet-20 at half its MACs, split wherever that saves MACs (the clock is not asked: see bench/structure.py), with ranks from the
energy that is kept of layers' outputs on 256 images, or of weights alone; CP has no energy to go by, and a rank of its own. Accuracy is
read on the half of the test images on which nothing was chosen: at once, and after 3 epochs of distillation from the original on 10 000
training images, which is short. Writes bench/results/low_rank.csv row by row; a call goes on where the last one ended.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from results_file import Results
from torch import nn

from laconic import Distill, Factorize, build_model, load_data
from laconic.artifact import pack
from laconic.datasets.data import Data
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.methods.step import Step
from laconic.profile import count
from laconic.recipe.package import package
from laconic.train import as_runner, classification, evaluate
from laconic.zoo.checkpoint import load_weights

RESULTS = Results("low_rank")
CHECKPOINT = "resnet20-12fca82f.th"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # what the checkpoint was trained with
IMAGES = 10_000
TAUGHT = Distill(epochs=3, lr=0.02, batch=128, weight_decay=1e-4, warmup=0.1, shift=4, flip=True)
STEPS = (
    Factorize(macs=0.5, kind="svd"),
    Factorize(macs=0.5, kind="spatial"),
    Factorize(macs=0.5, kind="tucker"),
    Factorize(macs=0.5, kind="separable"),
    Factorize(rank={"layer1*": 24, "layer2*": 48, "layer3*": 96}, kind="cp"),
)


def main() -> None:
    """A row after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder:DIR with CIFAR-10's images")
    parser.add_argument("--weights", required=True, type=Path, help="folder of the checkpoint")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = load_data(options.data, sample_shape=(3, 32, 32), mean=MEAN, std=STD).for_checkpoint()
    few = replace(data, train=data.train.take(np.random.default_rng(0).permutation(len(data.train))[:IMAGES]))
    model = load_weights(build_model("zoo:resnet20"), options.weights / CHECKPOINT).eval()
    if not RESULTS.has(steps="as it came"):
        RESULTS.add(row("as it came", Network(model), data) | {"top-1 % taught": score(model, data)})
    for step in STEPS:
        if not RESULTS.has(steps=str(step)):
            RESULTS.add(split(step, model, few))


def split(step: Factorize, model: nn.Module, data: Data) -> dict[str, str]:
    """What one way of splitting makes of the network."""
    blind = carried(replace(step, samples=0), Network(model), data, model)
    seeing = carried(step, Network(model), data, model)
    found = row(str(step), seeing, data) | {"top-1 % from weights alone": score(blind.module, data)}
    return found | {"top-1 % taught": score(carried(TAUGHT, seeing, data, model).module, data)}


def carried(step: Step, network: Network, data: Data, original: nn.Module) -> Network:
    """The network after the step; every layer is split that has less work in parts."""
    context = Context(data, original, progress=_shown, clock=lambda *_: 0.5)
    return step.apply(network, step.plan(network, context), context)


def row(name: str, network: Network, data: Data) -> dict[str, str]:
    """What it weighs and scores."""
    found = count(network.module, data.preprocessing.shape)
    return {
        "steps": name,
        "parameters": str(found.params),
        "MACs": f"{found.macs / 1e6:.1f} M",
        "bytes": str(len(pack(package(network, data)[0], weights_only=True))),
        "top-1 % from weights alone": "",
        "top-1 % at once": score(network.module, data),
        "top-1 % taught": "",
    }


def score(module: nn.Module, data: Data) -> str:
    """On the verdict half, in per cent."""
    return f"{evaluate(as_runner(module), data.test, data.preprocessing, classification, '').value:.2f}"


def _shown(stage: str, done: float, detail: str) -> None:
    print(f"\r{stage} {done:6.1%} {detail:100.100}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
