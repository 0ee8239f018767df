"""The same recipe, seed and threads, again and again in other surroundings: one SHA-256 (bar R11).

    python bench/determinism.py --runs 10

Each run is a process of its own (`laconic compress` of a small network with dropout and batch normalisation), with
another hash seed, working folder, locale and time zone. Writes bench/results/determinism.csv.
"""

import argparse
import csv
import hashlib
import itertools
import os
import subprocess
import sys
import tempfile
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "determinism.csv"
BUILDER = """
import torch
from torch import nn


def build():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.1), nn.Flatten(), nn.Linear(8 * 6 * 6, 10))
"""
RECIPE = "seed: 3\nsteps: [fold, prune: {sparsity: 0.8}, finetune: {epochs: 2, batch: 32, shift: 1}, share: {bits: 4}]\n"
HASH_SEEDS = ("0", "1", "7", "1234", "4294967295")
LOCALES = ("C", "C.UTF-8")
ZONES = ("UTC", "Pacific/Chatham", "America/St_Johns")


def once(number: int, home: Path) -> dict[str, object]:
    """One run: a line of the table."""
    folder = home / f"run {number}"
    folder.mkdir()
    said = {"hash seed": HASH_SEEDS[number % 5], "locale": LOCALES[number % 2], "time zone": ZONES[number % 3]}
    given = [f"{home / 'net.py'}:build", "--data", "digits", "--recipe", str(home / "recipe.yaml"), "-o", "small.lac"]
    surroundings = {"PYTHONHASHSEED": said["hash seed"], "LC_ALL": said["locale"], "TZ": said["time zone"], "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [sys.executable, "-m", "laconic", "compress", *given], cwd=folder, env=os.environ | surroundings, check=True, capture_output=True
    )
    return {"run": number, **said, "sha256": hashlib.sha256((folder / "small.lac").read_bytes()).hexdigest()}


def main() -> None:
    """Run, write, and fail where two files differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        (home / "net.py").write_text(BUILDER)
        (home / "recipe.yaml").write_text(RECIPE)
        rows = [once(number, home) for number in range(runs)]
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
    print(RESULTS.read_text(encoding="utf-8"))
    raise SystemExit(0 if all(one["sha256"] == other["sha256"] for one, other in itertools.pairwise(rows)) else 1)


if __name__ == "__main__":
    main()
