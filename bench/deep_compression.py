"""Deep Compression's two LeNets on MNIST: train, compress with the shipped recipe, weigh the weights-only file, judge once on the test set.

    python bench/deep_compression.py --data mnist:DIR

Choices (epochs, learning rates, sparsity) were made on the 5 000 held-out validation images; the test set is read once, at the
end of each run. Writes bench/results/deep_compression.csv (one line a network) and deep_compression_stages.csv (one line a stage).
"""

import argparse
import csv
import sys
from pathlib import Path

import torch

from laconic import Finetune, compress
from laconic.api import Result
from laconic.datasets import load_data
from laconic.datasets.data import Data
from laconic.recipe.text import load_recipe
from laconic.zoo.reference import build_model

RESULTS = Path(__file__).parent / "results"
TRAINING = Finetune(epochs=20, lr=0.05, batch=128, weight_decay=5e-4, shift=1)
PAPER = {"lenet-300-100": (40, 1.64, 1.58), "lenet5": (39, 0.80, 0.74)}  # ×, error before, error after in % (Han 2016, table 1)


def main() -> None:
    """Run both networks and write the tables."""
    options = _options()
    torch.set_num_threads(1)
    data = load_data(options.data)
    results = {name: press(name, data, options.recipe, options.seed) for name in PAPER}
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
        for name, result in results.items():
            result.save(options.keep / f"{name}.lac")
    _write("deep_compression.csv", [verdict(name, result) for name, result in results.items()])
    _write("deep_compression_stages.csv", [row for name, result in results.items() for row in stages(name, result)])


def press(name: str, data: Data, recipe: str, seed: int) -> Result:
    """Train the network from scratch, then compress it."""
    torch.manual_seed(seed)
    model = TRAINING(build_model(f"zoo:{name}"), data, seed=seed).module
    return compress(model, data, load_recipe(recipe), name=name, progress=_show)


def verdict(name: str, result: Result) -> dict[str, object]:
    """One line: bytes of the weights-only file and test error, beside the paper's."""
    record, (times, error_before, error_after) = result.record, PAPER[name]
    assert record.before.score is not None
    assert record.after.score is not None
    assert record.weights_only is not None
    return {
        "network": name,
        "fp32 bytes": int(record.before.size.value),
        "weights-only bytes": int(record.weights_only.value),
        "times smaller": round(record.before.size.value / record.weights_only.value, 1),
        "test error before %": round(100 - record.before.score.value, 2),
        "test error after %": round(100 - record.after.score.value, 2),
        "paper times smaller": times,
        "paper error before %": error_before,
        "paper error after %": error_after,
    }


def stages(name: str, result: Result) -> list[dict[str, object]]:
    """One line a stage: what it left of the bytes, and which share of the whole saving (in factors) it brought."""
    before, rows = result.record.before.size.value, []
    for stage in result.record.stages:
        assert stage.score is not None
        factor, before = before / stage.size.value, stage.size.value
        row = {"network": name, "stage": stage.line, "weights-only bytes": int(stage.size.value), "times smaller": round(factor, 2)}
        rows.append(row | {"validation error %": round(100 - stage.score.value, 2), "seconds": round(stage.seconds)})
    return rows


def _write(name: str, rows: list[dict[str, object]]) -> None:
    with (RESULTS / name).open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
    print((RESULTS / name).read_text(encoding="utf-8"))


def _show(what: str, share: float, detail: str) -> None:
    print(f"\r{what} {share:4.0%} {detail:60}", end="", file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="mnist:DIR")
    parser.add_argument("--recipe", default="deep-compression", help="a preset or a YAML file")
    parser.add_argument("--keep", type=Path, help="folder for the files, which deep_compression_coders.py reads")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
