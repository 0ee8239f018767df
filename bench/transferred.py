"""Transferred filters where they pay and where they fail: small networks from scratch, all of a part for equally many epochs.

    python bench/transferred.py --mnist mnist:DIR --cifar folder:DIR [--only PART …]

turned      a small network on MNIST and one of as many weights whose convolutions are on the group C4, trained upright, tested turned
digits      ResNet-20, whose layers are narrow, on the 8 × 8 digits; all convolutions of a kind that can be so
vgg         a small VGG on CIFAR-10 at half its side, beside the errors of VGG-16 in the lecture's table
resnet20    ResNet-20 on CIFAR-10 at half its side

Nothing is tuned, and nothing chosen on what judges. Every line is the mean of `SEEDS` runs with their standard deviation; bytes are those
of the weights-only file, as fp32. A line that is there stays. Writes bench/results/transferred.csv.
"""

import argparse
import copy
import csv
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from half_size import few, score
from torch import nn

from laconic import Finetune, build_model, load_data
from laconic.artifact import pack
from laconic.base.measures import machine
from laconic.base.seeds import derive
from laconic.datasets.data import Data, Split
from laconic.graph.network import Network
from laconic.nn.transferred import KINDS, GroupConv2d, LiftingConv2d, transferred, unsuited
from laconic.profile import count
from laconic.recipe.package import package

RESULTS = Path(__file__).parent / "results" / "transferred.csv"
SEEDS = 3
LECTURE = {"dense": 9.85, "mba": 9.76, "crelu": 9.92, "circulant": 10.23, "dcnn": 9.65}  # % of CIFAR-10 in error, VGG-16
SHAPES = {"vgg": (3, 16, 16), "resnet20": (3, 16, 16)}  # half the side of CIFAR-10: a quarter of the time
Build = Callable[[Data], nn.Module]


@dataclass(frozen=True)
class Part:
    """Networks that are trained alike.

    Args:
        network: what the table calls it.
        images: to train on, the first of a shuffle.
        training: of each.
        builds: filters → a fresh network.
    """

    network: str
    images: int
    training: Finetune
    builds: dict[str, Build]


def plain(data: Data) -> nn.Module:
    """Three convolutions of 16, 32 and 32 filters."""

    def block(inputs: int, outputs: int) -> list[nn.Module]:
        return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]

    pool = nn.MaxPool2d(2)
    return nn.Sequential(*block(1, 16), pool, *block(16, 32), pool, *block(32, 32), Mean(2), nn.Linear(32, 10))


def on_group(data: Data) -> nn.Module:
    """The same with half as many filters, in four orientations each: as many weights in the second and third convolution."""

    def block(layer: LiftingConv2d | GroupConv2d, outputs: int) -> list[nn.Module]:
        return [layer, nn.BatchNorm3d(outputs), nn.ReLU()]

    lift, pool = LiftingConv2d(1, 8, 3, padding=1, bias=False), nn.MaxPool3d((1, 2, 2))
    full = [GroupConv2d(inputs, 16, 3, padding=1, bias=False) for inputs in (8, 16)]
    return nn.Sequential(*block(lift, 8), pool, *block(full[0], 16), pool, *block(full[1], 16), Mean(3), nn.Linear(16, 10))


class Mean(nn.Module):
    """Over so many last axes."""

    def __init__(self, axes: int) -> None:
        super().__init__()
        self.axes = tuple(range(-axes, 0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`(n, channels)` of `(n, channels, …)`."""
        return x.mean(self.axes)


def vgg(data: Data) -> nn.Module:
    """Six convolutions of 3 × 3, two before each halving."""
    layers: list[nn.Module] = []
    inputs = 3
    for width in (16, 32, 64):
        for _ in range(2):
            layers += [nn.Conv2d(inputs, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            inputs = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, Mean(2), nn.Linear(64, 10))


def resnet20(data: Data) -> nn.Module:
    """Of the zoo, on whatever images."""
    return build_model("zoo:resnet20", classes=10, sample_shape=data.preprocessing.shape)


def of_kinds(build: Build) -> dict[str, Build]:
    """The network as it is, and with every convolution that can be so of one kind."""

    def converted(kind: str) -> Build:
        return lambda data: convert(build(data), kind)

    return {"dense": build} | {kind: converted(kind) for kind in KINDS}


def convert(model: nn.Module, kind: str) -> nn.Module:
    """A copy with fresh layers of this kind; their weights start as far from zero as those of the network."""
    made = copy.deepcopy(model)
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Conv2d) and not unsuited(kind, layer):
            fresh = transferred(layer, kind, ordered=False)
            nn.init.normal_(fresh.weight, std=float(layer.weight.detach().std()))
            made.set_submodule(name, fresh)
    return made


PARTS = {
    "turned": Part("3 convolutions", 10_000, Finetune(epochs=3, lr=0.1, batch=64), {"dense": plain, "on the group C4": on_group}),
    "digits": Part("resnet20", 1_197, Finetune(epochs=10, lr=0.1, batch=64), of_kinds(resnet20)),
    "vgg": Part("6 convolutions, VGG", 5_000, Finetune(epochs=5, lr=0.1, batch=64, flip=True), of_kinds(vgg)),
    "resnet20": Part("resnet20", 4_000, Finetune(epochs=4, lr=0.1, batch=64, flip=True), of_kinds(resnet20)),
}


def main() -> None:
    """Train what has no line yet, and write the table after every line."""
    options = _options()
    torch.set_num_threads(1)
    sources = {"turned": options.mnist, "digits": "digits", "vgg": options.cifar, "resnet20": options.cifar}
    for word in options.only or PARTS:
        part, data = PARTS[word], load_data(sources[word], sample_shape=SHAPES.get(word))
        less = replace(data, train=few(data.train, part.images))
        done = {row["filters"] for row in _rows() if row["part"] == word}
        for filters in (name for name in part.builds if name not in done):
            _keep(line(word, part, filters, less))


def line(word: str, part: Part, filters: str, data: Data) -> dict[str, str]:
    """One line: all seeds."""
    models = [train(part, filters, data, seed) for seed in range(SEEDS)]
    shape = data.preprocessing.shape
    tests = {"top-1 %": data.test}
    if word == "turned":
        tests |= {"quarter turns %": quarters(data.test), "any angle %": angles(data.test)}
    found: dict[str, str] = {}
    for name, split in tests.items():
        mean, spread = _spread([score(model, data, split) for model in models])
        found |= {name: f"{mean:.2f}", f"{name.removesuffix(' %')} ±": f"{spread:.2f}"}
    size = len(pack(package(Network(models[0]), data)[0], weights_only=True))
    counted = count(models[0], shape)
    return {
        "part": word,
        "network": part.network,
        "filters": filters,
        "parameters": str(counted.params),
        "MACs": str(counted.macs),
        "bytes": str(size),
        "training images": str(len(data.train)),
        "epochs": str(part.training.epochs),
        **found,
        "n": str(SEEDS),
        "error of VGG-16 in the lecture %": str(LECTURE.get(filters, "")) if word == "vgg" else "",
        "machine": machine(),
    }


def train(part: Part, filters: str, data: Data, seed: int) -> nn.Module:
    """One network from scratch."""
    torch.manual_seed(derive(seed, "start"))
    model = part.builds[filters](data)
    trained = part.training(model, data, seed=seed).module
    print(f"{part.network}, {filters}, seed {seed}: {score(trained, data, data.validation):.2f} % of the validation split", flush=True)
    return trained


def quarters(split: Split) -> Split:
    """Every image by 90, 180 and 270°."""
    return Split(np.concatenate([np.rot90(split.inputs, turns, (2, 3)) for turns in (1, 2, 3)]), np.tile(split.targets, 3))


def angles(split: Split) -> Split:
    """Every image by an angle of its own, bilinearly."""
    drawn = torch.rand(len(split), generator=torch.Generator().manual_seed(0)) * 2 * torch.pi
    cos, sin, zero = drawn.cos(), drawn.sin(), torch.zeros_like(drawn)
    grid = nn.functional.affine_grid(
        torch.stack([cos, -sin, zero, sin, cos, zero], 1).reshape(-1, 2, 3), list(split.inputs.shape), align_corners=False
    )
    return Split(nn.functional.grid_sample(torch.tensor(split.inputs).float(), grid, align_corners=False).numpy(), split.targets)


def _spread(values: list[float]) -> tuple[float, float]:
    return statistics.mean(values), statistics.stdev(values)


def _rows() -> Iterator[dict[str, str]]:
    if RESULTS.exists():
        with RESULTS.open(encoding="utf-8") as file:
            yield from csv.DictReader(file)


def _keep(row: dict[str, str]) -> None:
    columns = [
        *("part", "network", "filters", "parameters", "MACs", "bytes", "training images", "epochs", "top-1 %", "top-1 ±"),
        *("quarter turns %", "quarter turns ±", "any angle %", "any angle ±", "n", "error of VGG-16 in the lecture %", "machine"),
    ]
    rows = [*_rows(), row]
    order = {(word, filters): number for number, (word, filters) in enumerate((w, f) for w, part in PARTS.items() for f in part.builds)}
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        table.writeheader()
        table.writerows(sorted(rows, key=lambda other: order[other["part"], other["filters"]]))
    print(row, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", required=True, help="mnist:DIR")
    parser.add_argument("--cifar", required=True, help="folder:DIR with CIFAR-10's images")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="these parts")
    return parser.parse_args()


if __name__ == "__main__":
    main()
