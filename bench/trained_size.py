"""Networks trained for size: bytes of the weights-only file, and what the file scores, judged once.

    python bench/trained_size.py --mnist mnist:DIR --cifar folder:DIR --weights DIR --work DIR [--only NAME …]

Both LeNets are trained on MNIST first, ResNet-20 is the public checkpoint of akamaster/pytorch_resnet_cifar10. Each case is a run that a
kill only interrupts: call again with the same `--work`. Settings were chosen on MNIST's held-out training images and on one half
of CIFAR-10's test images (split by a hash of their content, as the checkpoint has seen all training images); the verdict is read once, on
MNIST's test images and on the other half. Writes bench/results/trained_size.csv, a line for every case that is finished.
"""

import argparse
import csv
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from laconic import Finetune, build_model, load_data
from laconic.base.records import Record
from laconic.datasets.data import Data
from laconic.recipe import Recipe, parse
from laconic.recipe.run import run
from laconic.zoo.checkpoint import load_weights

RESULTS = Path(__file__).parent / "results" / "trained_size.csv"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # what the checkpoint was trained with
START = Finetune(epochs=20, lr=0.05, batch=128, weight_decay=5e-4, shift=1)


@dataclass(frozen=True)
class Case:
    """A network, what is done to it, and what others reach.

    Args:
        network: its name in the zoo.
        steps: of the recipe.
        record: bytes and error, or loss of accuracy, of the best that is published or was measured.
    """

    network: str
    steps: tuple[str, ...]
    record: str

    def recipe(self) -> Recipe:
        """The steps, with seed 0."""
        return parse("\n".join(("seed: 0", "steps:", *(f"- {step}" for step in self.steps))))


LENET_300_100 = "lenet-300-100"
CASES = {
    "lenet5-3000": Case("lenet5", ("squeeze: {epochs: 24, lr: 0.05, shift: 1, bytes: 2950}",), "1 520 bytes at 0.96 %"),
    "lenet-300-100-8000": Case(LENET_300_100, ("squeeze: {epochs: 20, lr: 0.05, shift: 1, bytes: 6500}",), "8 000 bytes at 1.8 %"),
    "lenet5-1500": Case("lenet5", ("squeeze: {epochs: 40, lr: 0.05, shift: 1, bytes: 1500}",), "1 520 bytes at 0.96 %"),
    "resnet20": Case(
        "resnet20",
        ("fold", "quantize: {bytes: 50000}", "squeeze: {epochs: 6, lr: 0.002, batch: 64, shift: 4, flip: true, ramp: 0.1, bytes: 50300}"),
        "111 813 bytes at -0.5 points (NNCodec)",
    ),
}


def main() -> None:
    """Carry out what is not finished, and write the table after every case."""
    options = settings(__doc__ or "", CASES)
    torch.set_num_threads(1)
    for name in options.only or CASES:
        data, model = base_of(CASES[name].network, options)
        carried_out = run(
            model,
            data,
            CASES[name].recipe(),
            name=CASES[name].network,
            progress=_shown(name),
            folder=options.work / name,
            resume=(options.work / name).exists(),
        )
        _keep(_row(name, carried_out.record))


def base_of(network: str, options: argparse.Namespace) -> tuple[Data, nn.Module]:
    """Its data and the network before anything is done to it; LeNets are trained once and kept."""
    if network == "resnet20":
        data = load_data(options.cifar, sample_shape=(3, 32, 32), mean=MEAN, std=STD).for_checkpoint()
        return data, load_weights(build_model(f"zoo:{network}"), options.weights / "resnet20-12fca82f.th").eval()
    data, kept = load_data(options.mnist), options.work / f"{network}.pt"
    torch.manual_seed(0)
    model = build_model(f"zoo:{network}")
    if kept.exists():
        return data, load_weights(model, kept).eval()
    model = START(model, data).module
    options.work.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), kept)
    return data, model


def _row(name: str, record: Record) -> dict[str, str]:
    before, after, weights_only = record.before.score, record.after.score, record.weights_only
    assert before is not None
    assert after is not None
    assert weights_only is not None
    validated = record.stages[-1].score
    assert validated is not None
    return {
        "case": name,
        "steps": "; ".join(CASES[name].steps),
        "fp32 bytes": f"{record.before.size.value:.0f}",
        "weights-only bytes": f"{weights_only.value:.0f}",
        "error before %": f"{100 - before.value:.2f}",
        "error after %": f"{100 - after.value:.2f}",
        "error where it was chosen %": f"{100 - validated.value:.2f}",
        "minutes": f"{sum(stage.seconds for stage in record.stages) / 60:.0f}",
        "to beat": CASES[name].record,
    }


def _keep(row: dict[str, str]) -> None:
    rows = list(csv.DictReader(RESULTS.open(encoding="utf-8"))) if RESULTS.exists() else []
    rows = [row, *(other for other in rows if other["case"] != row["case"])]
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(row))
        table.writeheader()
        table.writerows(sorted(rows, key=lambda other: list(CASES).index(other["case"])))
    print(RESULTS.read_text(encoding="utf-8"), flush=True)


def _shown(case: str) -> Callable[[str, float, str], None]:
    return lambda what, share, detail: print(f"\r{case}: {what} {share:4.0%} {detail:50}", end="", file=sys.stderr, flush=True)


def settings(about: str, cases: Iterable[str] = ()) -> argparse.Namespace:
    """The command line of this script, and of size.py."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", required=True, help="mnist:DIR")
    parser.add_argument("--cifar", required=True, help="folder:DIR with CIFAR-10's images")
    parser.add_argument("--weights", required=True, type=Path, help="folder of the checkpoint")
    parser.add_argument("--work", required=True, type=Path, help="folder for what a killed run needs to go on")
    if cases:
        parser.add_argument("--only", nargs="+", choices=cases, help="these cases")
    return parser.parse_args()


if __name__ == "__main__":
    main()
