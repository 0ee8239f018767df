"""What the training loop costs: images per second beside a bare loop of torch, with the same model, batches and optimiser.

    OMP_NUM_THREADS=1 python bench/loop.py

The bare loop is what one would write by hand: torch.optim.SGD, zero_grad, loss, backward, step. Ours has the optimiser in its fused form,
and adds a seed and a rate for every step, a look at whether the loss is finite, and a copy of the state at the start of each epoch. Both
train on random images, some steps of one and some of the other in turns; what is compared is each round's ratio. Ratios of processor
time stand beside those of wall clock: they hold where others are at work on the same cores. Medians, and half of what lies between the
quartiles as the spread.

Writes bench/results/loop.csv.
"""

import copy
import csv
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

from laconic import Training, build_model
from laconic.base.measures import machine
from laconic.base.preprocessing import Preprocessing
from laconic.base.seeds import derive
from laconic.datasets.batches import batches
from laconic.datasets.data import Split
from laconic.train import classification, from_task, loop

RESULTS = Path(__file__).parent / "results" / "loop.csv"
COLUMNS = ("network", "batch", "loop images/s", "bare images/s", "wall ratio", "±", "processor ratio", "±", "n", "machine")
STEPS, BATCH = 200, 64  # of an epoch; images of a step
NETWORKS = {  # shape, steps in a turn, turns
    "lenet-300-100": ((1, 28, 28), 20, 40),
    "lenet5": ((1, 28, 28), 5, 40),
    "resnet20": ((3, 32, 32), 1, 24),
}


def main() -> None:
    """A network after the other."""
    torch.set_num_threads(1)
    rows = [row(name, *given) for name, given in NETWORKS.items()]
    for found in rows:
        print(*found)
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *rows])


def row(name: str, shape: tuple[int, ...], turn: int, turns: int) -> tuple[object, ...]:
    """One line of the table."""
    rng = np.random.Generator(np.random.PCG64(0))
    split = Split(rng.integers(0, 256, (STEPS * BATCH, *shape), np.uint8), rng.integers(0, 10, STEPS * BATCH))
    preprocessing = Preprocessing(shape)
    training = Training(epochs=10**6, batch=BATCH, lr=1e-4, schedule="constant")
    torch.manual_seed(0)
    model = build_model(f"zoo:{name}")
    racers = (_ours(model, split, preprocessing, training), _bare(copy.deepcopy(model), split, preprocessing, training))
    times = [[_clocked(racer, turn) for racer in racers] for _ in range(turns + 3)][3:]  # the first turns warm up
    each = [statistics.median(pair[i][0] for pair in times) for i in range(2)]
    walls, processors = ([ours[clock] / bare[clock] for ours, bare in times] for clock in range(2))
    rates = [round(turn * BATCH / seconds) for seconds in each]
    return (name, BATCH, *rates, *_middle(walls), *_middle(processors), len(times), machine())


def _ours(model: nn.Module, split: Split, preprocessing: Preprocessing, training: Training) -> Iterator[object]:
    return loop(model, split, preprocessing, from_task(classification.loss), training, 0)


def _bare(model: nn.Module, split: Split, preprocessing: Preprocessing, training: Training) -> Iterator[object]:
    optimizer = torch.optim.SGD(model.parameters(), training.lr, momentum=0.9, nesterov=True)
    model.train()
    for epoch in range(training.epochs):
        for inputs, targets in batches(split, preprocessing, training.batch, seed=derive(0, epoch)):
            optimizer.zero_grad(set_to_none=True)
            loss = classification.loss(model(inputs), targets)
            loss.backward()
            optimizer.step()
            yield loss


def _clocked(steps: Iterator[object], number: int) -> tuple[float, float]:
    """Wall clock and processor time of so many steps, in seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    for _ in range(number):
        next(steps)
    return time.perf_counter() - wall, time.process_time() - processor


def _middle(ratios: list[float]) -> tuple[float, float]:
    low, middle, high = statistics.quantiles(ratios, n=4)
    return round(middle, 3), round((high - low) / 2, 3)


if __name__ == "__main__":
    main()
