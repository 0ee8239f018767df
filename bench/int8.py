"""Integers multiplied, on public CIFAR-10 checkpoints: what each part of `int8` is worth, judged on the file as its session runs it.

    python bench/int8.py --weights DIR --data folder:DIR [--only NETWORK …]

Nothing is chosen here: every setting has its line, on the half of the test images that other benches choose on, on the other half, and on
all. Bytes are those of the weights-only file. Writes bench/results/int8.csv after every line; lines that are there are not done again.
"""

import argparse
from pathlib import Path

import torch
from results_file import Results
from torch import nn

from laconic import build_model, load_data
from laconic.artifact import pack, unpack
from laconic.datasets.data import Data
from laconic.recipe import parse
from laconic.recipe.run import run
from laconic.runtime import Session
from laconic.train import classification, evaluate
from laconic.zoo.checkpoint import load_weights

RESULTS = Results("int8")
CHECKPOINTS = {"resnet20": "resnet20-12fca82f.th", "resnet56": "resnet56-4bfd9763.th"}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # what the checkpoints were trained with
SETTINGS = (
    "fold: {}",
    "int8: {bits: 7}",
    "int8: {bits: 8}",
    "int8: {bits: 7, calibration: minmax}",
    "int8: {bits: 7, calibration: percentile}",
    "int8: {bits: 7, calibration: entropy}",
    "int8: {bits: 7, correct: false}",
    "int8: {bits: 6}",
    "int8: {bits: 4}",
    "int8: {bits: 4, correct: false}",
    "int8: {bits: 4, correct: spread}",
    "int8: {bits: 4, equalize: true}",
    "int8: {bits: 4, rounding: adaptive}",
    "int8: {bits: 4, rounding: adaptive, correct: spread}",
    "fold; quantize: {bits: 2}; int8: {bits: 7}",
    "int8: {bits: 4, training: {epochs: 2, lr: 0.001, shift: 4, flip: true}}",
    "int8: {bits: 4, learn: pact, training: {epochs: 2, lr: 0.001, shift: 4, flip: true}}",
)


def main() -> None:
    """Line after line."""
    options = _options()
    torch.set_num_threads(1)
    data = load_data(options.data, sample_shape=(3, 32, 32), mean=MEAN, std=STD).for_checkpoint()
    for network in options.only:
        model = load_weights(build_model(f"zoo:{network}"), options.weights / CHECKPOINTS[network]).eval()
        for setting in SETTINGS:
            if not RESULTS.has(network=network, steps=setting):
                RESULTS.add(measured(network, setting, model, data))


def measured(network: str, setting: str, model: nn.Module, data: Data) -> dict[str, str]:
    """One line."""
    recipe = parse("\n".join(("seed: 0", "steps:", *(f"- {step}" for step in setting.split("; ")))))
    artifact = run(model, data, recipe).artifact
    session = Session(unpack(pack(artifact)))
    scores = [evaluate(session, split, data.preprocessing, classification, "").value for split in (data.validation, data.test)]
    sizes = [len(data.validation), len(data.test)]
    whole = sum(score * size for score, size in zip(scores, sizes, strict=True)) / sum(sizes)
    return {
        "network": network,
        "steps": setting,
        "weights-only bytes": str(len(pack(artifact, weights_only=True))),
        "top-1 % on the choice half": f"{scores[0]:.2f}",
        "top-1 % on the verdict half": f"{scores[1]:.2f}",
        "top-1 % on all 10 000": f"{whole:.2f}",
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", required=True, type=Path, help="folder of the checkpoints")
    parser.add_argument("--data", required=True, help="folder:DIR with CIFAR-10's images")
    parser.add_argument("--only", nargs="+", choices=CHECKPOINTS, default=list(CHECKPOINTS))
    return parser.parse_args()


if __name__ == "__main__":
    main()
