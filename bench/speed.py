"""How fast, beside whom: network × method × engine × precision, all in turns in one process, at batch 1 on one thread.

    python bench/speed.py --data folder:DIR --weights DIR --work DIR [--only NETWORK …]

The two ResNets are public CIFAR-10 checkpoints: their files are judged as their engines run them, on the half of the test images on
which nothing was chosen, and on all. The shapes at 224 × 224 have random weights: there, only time is measured. Peers run beside ours where
they import: torch.compile, NNCF with OpenVINO, torch-pruning with ONNX Runtime (half the channels, not trained again, so not judged).

Each row's ratios are medians over `ROUNDS` rounds, in each of which everything runs once; the spread is half of what lies between
the quartiles. A run that others interrupted (wall clock ahead of processor time) is run again. What is trained is kept in --work, and a
call goes on where the last one ended. Writes bench/results/speed.csv.
"""

import argparse
import csv
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from guarded import timed
from peers import PEERS
from shapes import SHAPES
from structure import DEPTH, HALF, LARGE, images
from torch import nn

from laconic import Distill, Fold, Int8, PruneBlocks, build_model, load_data
from laconic.artifact import pack
from laconic.base.measures import machine
from laconic.datasets.data import Data
from laconic.methods.step import Step
from laconic.profile import count
from laconic.recipe import Recipe
from laconic.recipe.run import Run, run
from laconic.runtime import Session
from laconic.runtime.engines import choices
from laconic.train import Runner, as_runner, classification, evaluate
from laconic.zoo.checkpoint import load_weights

RESULTS = Path(__file__).parent / "results" / "speed.csv"
CHECKPOINTS = {"resnet20": "resnet20-12fca82f.th", "resnet56": "resnet56-4bfd9763.th"}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # what the checkpoints were trained with
ROUNDS = 200
INT8 = Int8()
TAUGHT = Distill(lr=0.05, batch=128, weight_decay=1e-4, warmup=0.05, shift=4, flip=True, precision="mixed")
SHORTER: Mapping[str, tuple[Step, ...]] = {
    "resnet20": (
        PruneBlocks(blocks={"layer1*": 3, "layer2*": 1}, samples=128),
        replace(TAUGHT, epochs=64, lr=0.1, weight_decay=5e-4, clip=10, views=12),
    ),
    "resnet56": (
        PruneBlocks(blocks={"layer1*": 8, "layer2*": 5, "layer3*": 4}, samples=128),
        replace(TAUGHT, epochs=40, lr=0.1, weight_decay=5e-4, clip=10, views=12),
    ),
    "resnet18": (HALF,),
    "mobilenet_v2": (DEPTH,),
}
EAGER, INTEGERS = "as it came, torch", "int8"


@dataclass(frozen=True)
class Subject:
    """A network, and what is made of it."""

    name: str
    model: nn.Module
    data: Data
    judged: bool


@dataclass(frozen=True, eq=False)
class Contestant:
    """What runs in the race.

    Args:
        method: what was done to the network.
        engine: what runs it, and in which precision.
        run: preprocessed inputs → outputs.
        macs: multiply-adds of one sample, where they are known.
        size: bytes of the file, where there is one.
        judged: whether its accuracy means anything.
    """

    method: str
    engine: str
    run: Runner
    macs: int | None = None
    size: int | None = None
    judged: bool = True
    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def clock(self, sample: np.ndarray) -> None:
        """Run once, and note how long it took, in ms."""
        wall, processor = timed(lambda: self.run(sample))
        self.wall.append(wall)
        self.processor.append(processor)


def main() -> None:
    """A network after the other."""
    options = _options()
    torch.set_num_threads(1)
    for name in options.only:
        own = subject(name, options)
        files = made(own, options)
        if options.files:
            continue
        racers = [*eager(own), *sessions(own, files), *(Contestant(*found) for peer in PEERS for found in peer(own.model, own.data))]
        race(racers, own.data.preprocessing.apply(own.data.test.inputs[:1]))
        _keep(name, [row(own, racer, racers) for racer in racers])


def subject(name: str, options: argparse.Namespace) -> Subject:
    """A checkpoint with its data, or a shape with a few random images."""
    if name in SHAPES:
        torch.manual_seed(0)
        return Subject(name, SHAPES[name]().eval(), images(LARGE), judged=False)
    data = load_data(options.data, sample_shape=(3, 32, 32), mean=MEAN, std=STD).for_checkpoint()
    return Subject(name, load_weights(build_model(f"zoo:{name}"), options.weights / CHECKPOINTS[name]).eval(), data, judged=True)


def made(own: Subject, options: argparse.Namespace) -> dict[str, Run]:
    """Method → what came out. Integers are put into the shorter network as into the whole one."""
    teacher: dict[str, Any] = {"cache": str(options.work / f"{own.name}-answers")}
    if own.name == "resnet20":  # the better teacher
        teacher |= {"teacher": "zoo:resnet56", "teacher_weights": str(options.weights / CHECKPOINTS["resnet56"])}
    shorter = tuple(replace(step, **teacher) if isinstance(step, Distill) else step for step in SHORTER[own.name])
    int8 = INT8 if own.judged else Int8(samples=2)
    short = _run(own.model, own, shorter, options.work / f"{own.name}-shorter")
    if options.files:
        return {}
    done = "; ".join(map(str, SHORTER[own.name]))
    return {
        "fold": _run(own.model, own, (Fold(),)),
        INTEGERS: _run(own.model, own, (int8,)),
        done: short,
        f"{done}; int8": _run(short.network.module, own, (int8,)),
    }


def _run(model: nn.Module, own: Subject, steps: tuple[Step, ...], folder: Path | None = None) -> Run:
    resume = folder is not None and folder.exists()
    return run(model, own.data, Recipe(steps), name=own.name, progress=_shown(own.name), folder=folder, resume=resume)


def eager(own: Subject) -> Iterator[Contestant]:
    """The network as its user had it."""
    yield Contestant(EAGER, "torch, fp32", as_runner(own.model), _macs(own.model, own), _raw(own.model))


def sessions(own: Subject, files: Mapping[str, Run]) -> Iterator[Contestant]:
    """Every file in every engine."""
    for method, made_by in files.items():
        macs, size = _macs(made_by.network.module, own), len(pack(made_by.artifact, weights_only=True))
        for choice in choices():
            if choice.engine != "laconic":  # nothing is sparse here
                yield Contestant(method, str(choice), Session(made_by.artifact, choice=choice), macs, size, own.judged)


def race(racers: list[Contestant], sample: np.ndarray) -> None:
    """Everything in turns; the first rounds are not counted."""
    for round_ in range(-5, ROUNDS):
        for racer in racers:
            racer.clock(sample)
            if round_ < 0:
                racer.wall.clear()
                racer.processor.clear()


def row(own: Subject, racer: Contestant, racers: list[Contestant]) -> dict[str, str]:
    """One line: what it scores, and how many times as fast it is as the network in torch and as plain int8 at its best."""
    first = racers[0]
    best = min((other for other in racers if other.method == INTEGERS), key=lambda other: statistics.median(other.wall))
    halves = {"verdict half": own.data.test, "all": None}
    scores = dict.fromkeys(halves, "")
    if own.judged and racer.judged:
        chosen, verdict = (_score(racer.run, own.data, split) for split in (own.data.validation, own.data.test))
        sizes = len(own.data.validation), len(own.data.test)
        scores = {"verdict half": f"{verdict:.2f}", "all": f"{(chosen * sizes[0] + verdict * sizes[1]) / sum(sizes):.2f}"}
    return {
        "network": own.name,
        "method": racer.method,
        "engine": racer.engine,
        "MACs": "" if racer.macs is None else f"{racer.macs / 1e6:.1f} M",
        "bytes": "" if racer.size is None else str(racer.size),
        **{f"top-1 % on {half}" if half == "all" else f"top-1 % on the {half}": score for half, score in scores.items()},
        "median ms": f"{statistics.median(racer.wall):.3f}",
        "processor ms": f"{statistics.median(racer.processor):.3f}",
        "× torch": _ratio(first, racer),
        "× int8 at its best": _ratio(best, racer),
        "n": str(ROUNDS),
        "machine": machine(),
    }


def _ratio(slow: Contestant, fast: Contestant) -> str:
    found = [s / f for s, f in zip(slow.wall, fast.wall, strict=True)]
    low, median, high = statistics.quantiles(found, n=4)
    return f"{median:.2f} ± {(high - low) / 2:.2f}"


def _score(runner: Runner, data: Data, split: object) -> float:
    return evaluate(runner, split, data.preprocessing, classification, "").value  # type: ignore[arg-type]


def _macs(model: nn.Module, own: Subject) -> int:
    return count(model, own.data.preprocessing.shape).macs


def _raw(model: nn.Module) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())


def _keep(network: str, rows: list[dict[str, str]]) -> None:
    kept = list(csv.DictReader(RESULTS.open(encoding="utf-8"))) if RESULTS.exists() else []
    names = list(SHORTER)
    whole = sorted([*rows, *(one for one in kept if one["network"] != network)], key=lambda one: names.index(one["network"]))
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(whole)
    for found in rows:
        print(*found.values(), sep="  ", flush=True)


def _shown(network: str) -> Callable[[str, float, str], None]:
    return lambda what, share, detail: print(f"\r{network}: {what} {share:4.0%} {detail:60}", end="", file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder:DIR with CIFAR-10's images")
    parser.add_argument("--weights", required=True, type=Path, help="folder of the checkpoints")
    parser.add_argument("--work", required=True, type=Path, help="folder for what is trained")
    parser.add_argument("--only", nargs="+", choices=SHORTER, default=list(SHORTER))
    parser.add_argument("--files", action="store_true", help="train only; the race is for an idle machine")
    return parser.parse_args()


if __name__ == "__main__":
    main()
