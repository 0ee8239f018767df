"""A thin and deep student on CIFAR-10, beside FitNets (Romero et al. 2015, table 2): from labels, from a teacher, and with hints first.

    python bench/fitnets.py --data folder:DIR --weights DIR

The student has the shape of FitNet-1 (11 layers, about 250 K parameters and 30 M multiplications), with batch normalisation and ReLU for
maxout. The teacher is the public ResNet-20, for theirs (9 M parameters, 90.18 %) is not to be had. All cases take as many epochs over
`IMAGES` training images, in mixed precision where the processor has it; the paper's take hundreds over all of them, so figures are to be
compared down a column only. A row is written when it is there. Writes bench/results/fitnets.csv.
"""

import argparse
import csv
import statistics
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from laconic import Distill, Finetune, build_model, load_data
from laconic.datasets.data import Data
from laconic.methods.step import Step
from laconic.profile import count
from laconic.train import as_runner, classification, evaluate
from laconic.train.precision import slow_on
from laconic.zoo.checkpoint import load_weights

RESULTS = Path(__file__).parent / "results" / "fitnets.csv"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # what the teacher was trained with
WIDTHS = ((20, 20, 20), (48, 48, 48), (80, 80, 112))
IMAGES, EPOCHS, FIRST, SEEDS = 10_000, 8, 3, 2
PUBLISHED = "FitNet-1: 89.01, 13.4 × as fast and 36 × as small as its teacher"
PRECISION = "full" if slow_on(torch.device("cpu")) else "mixed"
COMMON = {"lr": 0.05, "batch": 64, "weight_decay": 1e-4, "warmup": 0.1, "shift": 4, "flip": True, "precision": PRECISION}


def student(seed: int) -> nn.Module:
    """Three stages of three 3 × 3 convolutions, each with pooling behind it, a hidden layer and ten logits."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    inputs = 3
    for stage in WIDTHS:
        for width in stage:
            layers.append(nn.Sequential(nn.Conv2d(inputs, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()))
            inputs = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 10)).eval()


def steps(teacher: nn.Module) -> dict[str, Step]:
    """Case → how the student is trained, all for `EPOCHS`."""
    middle = {"5": "layer2"}  # behind the student's second stage and the teacher's
    return {
        "labels": Finetune(epochs=EPOCHS, **COMMON),  # type: ignore[arg-type]
        "teacher": Distill(epochs=EPOCHS, teacher=teacher, **COMMON),  # type: ignore[arg-type]
        "hints, then teacher": Distill(epochs=EPOCHS - FIRST, hints=1.0, hint_epochs=FIRST, layers=middle, teacher=teacher, **COMMON),  # type: ignore[arg-type]
        "attention beside it": Distill(epochs=EPOCHS, attention=10.0, teacher=teacher, **COMMON),  # type: ignore[arg-type]
    }


def main() -> None:
    """Case by case."""
    options = _options()
    torch.set_num_threads(1)
    data = load_data(options.data, sample_shape=(3, 32, 32), mean=MEAN, std=STD).for_checkpoint()
    data = replace(data, train=data.train.take(np.arange(0, len(data.train), len(data.train) // IMAGES)[:IMAGES]))
    teacher = load_weights(build_model("zoo:resnet20"), options.weights / "resnet20-12fca82f.th").eval()
    rows = list(csv.DictReader(RESULTS.open(encoding="utf-8"))) if RESULTS.exists() else []
    for name, step in steps(teacher).items():
        if not any(row["student learns from"] == name for row in rows):
            rows.append(_row(name, step, data, teacher))
            with RESULTS.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
            print(*rows[-1].values(), sep="  ", flush=True)


def _row(name: str, step: Step, data: Data, teacher: nn.Module) -> dict[str, str]:
    trained = [step(student(seed), data, seed=seed).module for seed in range(SEEDS)]
    found = [_accuracy(model, data) for model in trained]
    cost = count(trained[0], data.preprocessing.shape)
    return {
        "student learns from": name,
        "parameters": str(cost.params),
        "MACs": str(cost.macs),
        "top-1 % on the verdict half": f"{statistics.mean(found):.2f}",
        "±": f"{statistics.stdev(found):.2f}",
        "n": str(SEEDS),
        "teacher": f"{_accuracy(teacher, data):.2f}",
        "published": PUBLISHED if name.startswith("hints") else "",
    }


def _accuracy(model: nn.Module, data: Data) -> float:
    return evaluate(as_runner(model), data.test, data.preprocessing, classification, "").value


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder:DIR of CIFAR-10")
    parser.add_argument("--weights", required=True, type=Path, help="folder of the public checkpoints")
    return parser.parse_args()


if __name__ == "__main__":
    main()
