"""One-shot quantisation of networks on which none of its defaults was chosen: LeNet-5, a VGG-style net and ResNet-32, trained here.

    python bench/one_shot_unseen.py --mnist mnist:DIR --cifar folder:DIR --work DIR

Each network is trained for a few epochs first and kept in DIR. Grids are chosen on validation images that were held out of its training,
the verdict is read on the test images. Writes bench/results/one_shot_unseen.json and one_shot_unseen.csv; a run that was cut off goes on
where it stopped.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from one_shot import RESULTS, Row, press, table
from torch import nn

from laconic import Finetune, build_model, load_data
from laconic.datasets.data import Data
from laconic.zoo.checkpoint import load_weights

DROPS = (0.5, 1.0)
WIDTHS = (32, 64, 128)
CIFAR_TRAINING = Finetune(epochs=4, lr=0.1, batch=128, weight_decay=5e-4, warmup=0.1, shift=4, flip=True)


def vgg() -> nn.Module:
    """Three stages of two 3 × 3 convolutions with batch norm, each followed by pooling, and two linear layers."""
    layers: list[nn.Module] = []
    for before, width in zip((3, *WIDTHS), WIDTHS, strict=False):
        for channels in (before, width):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(16 * WIDTHS[-1], 128), nn.ReLU(), nn.Linear(128, 10))


@dataclass(frozen=True)
class Subject:
    """How a network comes to be."""

    data: str
    build: Callable[[], nn.Module]
    training: Finetune


SUBJECTS = {
    "lenet5": Subject("mnist", lambda: build_model("zoo:lenet5"), Finetune(epochs=10, lr=0.05, batch=128, weight_decay=5e-4, shift=1)),
    "vgg-style": Subject("cifar", vgg, CIFAR_TRAINING),
    "resnet32": Subject("cifar", lambda: build_model("zoo:resnet32"), CIFAR_TRAINING),
}


def main() -> None:
    """The table, a network after the other."""
    options = _options()
    torch.set_num_threads(1)
    known: dict[str, tuple[nn.Module, Data]] = {}

    def row(network: str, drop: float) -> Row:
        model, data = known.get(network) or trained(network, options)
        known[network] = model, data
        return press(network, drop, model, data, {"the choice's images": data.validation, "the verdict's": data.test})

    table(row, SUBJECTS, DROPS, RESULTS / "one_shot_unseen")


def trained(network: str, options: argparse.Namespace) -> tuple[nn.Module, Data]:
    """The network, trained once and kept, and its data."""
    subject, kept = SUBJECTS[network], options.work / f"unseen-{network}.pt"
    data = load_data(getattr(options, subject.data), **({"sample_shape": (3, 32, 32)} if subject.data == "cifar" else {}))
    torch.manual_seed(0)
    model = subject.build()
    if kept.exists():
        return load_weights(model, kept).eval(), data
    model = subject.training(model, data).module.eval()
    options.work.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), kept)
    return model, data


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", required=True, help="mnist:DIR")
    parser.add_argument("--cifar", required=True, help="folder:DIR with CIFAR-10's images")
    parser.add_argument("--work", required=True, type=Path, help="folder for the trained networks")
    return parser.parse_args()


if __name__ == "__main__":
    main()
