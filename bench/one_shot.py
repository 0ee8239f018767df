"""The public CIFAR-10 ResNets on grids, without training: bytes of the whole weights-only file at half a point and at one point of drop.

    python bench/one_shot.py --weights DIR --data folder:DIR [--networks resnet20] [--drops 0.5]

The checkpoints are those of akamaster/pytorch_resnet_cifar10 (`resnet20-12fca82f.th`, `resnet56-4bfd9763.th`). Such a checkpoint has
seen all training images, so the test images are split by a hash of their content: the grids are chosen on one half, the verdict is
read on the other; all of them together are a labelled extra. Every figure is that of the file, loaded again into the class.

NNCodec's bytes (0.3.1, the reference of ISO/IEC 15938-17, BN folded, one qp for all layers, the best at that drop) were chosen on all
10 000 test images, which flatters it by a few tenths of a point.

One row after the other goes to bench/results/one_shot.json, and the table of all of them to one_shot.csv; rows that are there are not
run again, so a run that was cut off goes on where it stopped.
"""

import argparse
import csv
import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from laconic import Fold, Quantize, compress, load_into
from laconic.datasets import load_data
from laconic.datasets.data import Data, Split
from laconic.train import as_runner, classification, evaluate
from laconic.zoo.checkpoint import load_weights
from laconic.zoo.reference import build_model

RESULTS = Path(__file__).parent / "results"
CHECKPOINTS = {"resnet20": "resnet20-12fca82f.th", "resnet56": "resnet56-4bfd9763.th"}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # what the checkpoints were trained with
NNCODEC = {("resnet20", 0.5): 111_813, ("resnet20", 1.0): 90_236, ("resnet56", 0.5): 281_334, ("resnet56", 1.0): 227_403}

Row = dict[str, Any]


def main() -> None:
    """Press what is not in the results yet, and write them after each."""
    options = _options()
    torch.set_num_threads(1)
    whole = load_data(options.data, sample_shape=(3, 32, 32), mean=MEAN, std=STD)
    data = whole.for_checkpoint()
    splits = {"the choice half": data.validation, "the verdict half": data.test, "all 10 000": whole.test}

    def row(network: str, drop: float) -> Row:
        model = load_weights(build_model(f"zoo:{network}"), options.weights / CHECKPOINTS[network]).eval()
        return press(network, drop, model, data, splits)

    table(row, options.networks, options.drops, options.results / "one_shot")


def table(row: Callable[[str, float], Row], networks: Iterable[str], drops: Sequence[float], at: Path) -> None:
    """All rows; those in the results are not made again, and each is kept as soon as it is there."""
    rows = _known(at.with_suffix(".json"))
    for network, drop in ((network, drop) for network in networks for drop in drops):
        if not any((row["network"], row["drop"]) == (network, drop) for row in rows):
            rows.append(row(network, drop))
            _write(at, sorted(rows, key=lambda row: (row["network"], row["drop"])))
    print(at.with_suffix(".csv").read_text(encoding="utf-8"))


def press(network: str, drop: float, model: nn.Module, data: Data, splits: Mapping[str, Split]) -> Row:
    """Fold, put on grids, save, load again, judge on these splits."""
    result = compress(model, data, [Fold(), Quantize(drop=drop)], name=network, progress=_show)
    with tempfile.TemporaryDirectory() as folder:
        path = result.save(Path(folder) / "small.lac", weights_only=True)
        size, loaded = path.stat().st_size, load_into(model, path)
    scores = {name: (_accuracy(model, split, data), _accuracy(loaded, split, data)) for name, split in splits.items()}
    return {
        "network": network,
        "drop": drop,
        "weights-only bytes": size,
        "NNCodec bytes": NNCODEC.get((network, drop)),
        "top-1 before, after": scores,
        "seconds": round(sum(stage.seconds for stage in result.record.stages)),
        "environment": result.record.environment,
    }


def _accuracy(model: nn.Module, split: Split, data: Data) -> float:
    return round(evaluate(as_runner(model), split, data.preprocessing, classification, "benchmark").value, 2)


def _known(path: Path) -> list[Row]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def _write(at: Path, rows: list[Row]) -> None:
    at.parent.mkdir(parents=True, exist_ok=True)
    at.with_suffix(".json").write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    splits = list(rows[0]["top-1 before, after"])
    head = ["network", "allowed drop", "weights-only bytes", "× NNCodec", *(f"top-1 % on {split}" for split in splits), "seconds"]
    with at.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([head, *map(_cells, rows)])


def _cells(row: Row) -> list[str]:
    scores = [f"{after:.2f} ({after - before:+.2f})" for before, after in row["top-1 before, after"].values()]
    ratio = f"{row['weights-only bytes'] / row['NNCodec bytes']:.3f}" if row["NNCodec bytes"] else ""
    return [row["network"], f"{row['drop']:g}", str(row["weights-only bytes"]), ratio, *scores, str(row["seconds"])]


def _show(what: str, share: float, detail: str) -> None:
    print(f"{what} {share:4.0%} {detail}", file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True, help="folder of the two checkpoints")
    parser.add_argument("--data", required=True, help="folder:DIR with CIFAR-10's images, or cifar10:DIR")
    parser.add_argument("--networks", nargs="+", choices=CHECKPOINTS, default=list(CHECKPOINTS))
    parser.add_argument("--drops", nargs="+", type=float, default=[0.5, 1.0], help="points of top-1 on the choice half")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of one_shot.json and one_shot.csv")
    return parser.parse_args()


if __name__ == "__main__":
    main()
