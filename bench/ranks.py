"""Images per second by ranks: one process, and two that train together by accelerate, on this machine.

    OMP_NUM_THREADS=1 python bench/ranks.py

Every rank has one thread. Batches of 128 random images go through ResNet-20 without augmentation; the first steps warm up. Medians over
`STEPS` steps, and half of what lies between the quartiles as the spread. Where there are no more cores than ranks, others at work count
double. Writes bench/results/ranks.csv.
"""

import csv
import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

from laconic import Training, build_model
from laconic.base.measures import machine
from laconic.base.preprocessing import Preprocessing
from laconic.datasets.data import Split
from laconic.train import classification, from_task, loop
from laconic.train.ranks import follows, here

RESULTS = Path(__file__).parent / "results" / "ranks.csv"
COLUMNS = ("network", "batch", "ranks", "images/s", "±", "n", "cores", "machine")
BATCH, WARM_UP, STEPS = 128, 2, 12


def main() -> None:
    """The table, or, where this is a rank, one row of it on stdout."""
    if "--rank" in sys.argv:
        row()
        return
    rows = [line.split(",") for count in (1, 2) for line in _launched(count)]
    for found in rows:
        print(*found)
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *rows])


def row() -> None:
    """Train for some steps; the first rank prints its line."""
    torch.set_num_threads(1)
    rng = np.random.Generator(np.random.PCG64(0))
    images = BATCH * (WARM_UP + STEPS)
    split = Split(rng.integers(0, 256, (images, 3, 32, 32), np.uint8), rng.integers(0, 10, images))
    torch.manual_seed(0)
    model = build_model("zoo:resnet20")
    training, ticks = Training(batch=BATCH), []
    for _ in loop(model, split, Preprocessing((3, 32, 32)), from_task(classification.loss), training, 0, ranks=here()):
        ticks.append(time.perf_counter())
    rates = [BATCH / (after - before) for before, after in zip(ticks[WARM_UP - 1 :], ticks[WARM_UP:], strict=False)]
    low, middle, high = statistics.quantiles(rates, n=4)
    if not follows():
        found = ("resnet20", BATCH, here().count, round(middle, 1), round((high - low) / 2, 1), len(rates), os.cpu_count(), machine())
        print(*found, sep=",")


def _launched(count: int) -> list[str]:
    """What the ranks of one race print."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    common = {"WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    command = [sys.executable, __file__, "--rank"]
    own = [os.environ | common | {"RANK": str(number), "LOCAL_RANK": str(number)} for number in range(count)]
    ranks = [subprocess.Popen(command, env=names, stdout=subprocess.PIPE, text=True) for names in own]
    return [line for rank in ranks for line in rank.communicate()[0].splitlines()]


if __name__ == "__main__":
    main()
