"""kill -9 at random moments of a run, then --resume, again and again: every run must end with the same bytes (bar R13).

    python bench/kills.py --kills 200

Each attempt is a process of its own (`laconic compress … --resume`), killed after a random time between nothing and as long as a whole
run takes. When an attempt outlives its killer the run is through: its file is compared with that of a run nobody touched, and
a new run begins. Writes bench/results/kills.csv.
"""

import argparse
import csv
import hashlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "kills.csv"
RECIPE = """seed: 3
steps:
  - fold
  - prune: {sparsity: 0.8, rounds: 5, training: {epochs: 4, batch: 32}}
  - share: {bits: 4}
  - finetune: {epochs: 3, batch: 32, lr: 0.001, shift: 1}
"""
BUILDER = """
import torch
from torch import nn


def build():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.1), nn.Flatten(), nn.Linear(8 * 6 * 6, 10))
"""


@dataclass
class Tally:
    """What happened."""

    kills: int = 0
    through: int = 0
    digests: set[str] = field(default_factory=set)
    refused: int = 0
    strays: int = 0


def torment(folder: Path, kills: int, seed: int = 0) -> Tally:
    """Kill `kills` attempts in `folder`; the tally counts the untouched run's digest too, so one digest is right."""
    (folder / "net.py").write_text(BUILDER)
    (folder / "recipe.yaml").write_text(RECIPE)
    draw, tally = random.Random(seed), Tally()
    start = time.monotonic()
    _run(folder, folder / "whole.lac", fresh=True)
    whole = time.monotonic() - start
    tally.digests.add(_digest(folder / "whole.lac"))
    while tally.kills < kills or (folder / "small.lac.run").exists():
        last = tally.kills >= kills
        code = _run(folder, folder / "small.lac", killed_after=None if last else draw.uniform(0, whole))
        if code == -signal.SIGKILL:
            tally.kills += 1
        elif code == 0:
            tally.through += 1
            tally.digests.add(_digest(folder / "small.lac"))
            tally.strays += len(list(folder.rglob(".laconic-*")))
            (folder / "small.lac").unlink()
            shutil.rmtree(folder / "small.lac.run")
        else:
            tally.refused += 1
            break
    return tally


def _run(folder: Path, output: Path, fresh: bool = False, killed_after: float | None = None) -> int:
    words = ["compress", f"{folder / 'net.py'}:build", "--data", "digits", "--recipe", str(folder / "recipe.yaml"), "-o", str(output)]
    process = subprocess.Popen(
        [sys.executable, "-m", "laconic", *words, *([] if fresh else ["--resume"])], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        return process.wait(killed_after)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    """Torment, count, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tally = torment(Path(folder), options.kills)
    row = {
        "kills": tally.kills,
        "runs through": tally.through,
        "different files": len(tally.digests),
        "attempts refused": tally.refused,
        "stray files": tally.strays,
    }
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, row)
        table.writeheader()
        table.writerow(row)
    print(RESULTS.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
