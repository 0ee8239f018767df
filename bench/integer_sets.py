"""The integer sets that coders are compared on: the weights of public ResNets, each layer rounded to a uniform grid of its own.

    python bench/integer_sets.py --weights FOLDER --out FOLDER

Reads the CIFAR-10 checkpoints `resnet20-12fca82f.th` and `resnet56-4bfd9763.th` of github.com/akamaster/pytorch_resnet_cifar10,
and writes one `.npz` a set: the integers of every convolution and of the classifier, in the order of the checkpoint, each in its
own shape. The step of a layer's grid is 0.5, 1 or 2 times the standard deviation of its weights.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

CHECKPOINTS = {"resnet20": "resnet20-12fca82f.th", "resnet56": "resnet56-4bfd9763.th"}
STEPS = {"resnet20": (0.5, 1.0), "resnet56": (0.5, 1.0, 2.0)}


def weights(checkpoint: Path) -> dict[str, np.ndarray]:
    """Name → fp32 weight, of every layer that multiplies; batch norms and biases left out."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]
    return {name: tensor.numpy() for name, tensor in state.items() if tensor.dim() >= 2}


def on_grid(weight: np.ndarray, step: float) -> np.ndarray:
    """The weight in units of `step` standard deviations, rounded; int64 of the same shape."""
    wide = weight.astype(np.float64)
    return np.rint(wide / (step * wide.std())).astype(np.int64)


def read_sets(folder: Path) -> dict[str, list[np.ndarray]]:
    """Name of the set → its tensors, as `main` wrote them."""
    return {file.stem: list(np.load(file).values()) for file in sorted(folder.glob("*.npz"))}


def main() -> None:
    """Write the five sets and say how large they are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True, help="folder of the two checkpoints")
    parser.add_argument("--out", type=Path, required=True, help="folder to write the sets to")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for network, steps in STEPS.items():
        layers = weights(arguments.weights / CHECKPOINTS[network])
        for step in steps:
            tensors = {name: on_grid(weight, step) for name, weight in layers.items()}
            np.savez_compressed(arguments.out / f"{network}-{step:g}.npz", **tensors)
            print(f"{network}-{step:g}: {len(tensors)} tensors, {sum(t.size for t in tensors.values()):,} integers")


if __name__ == "__main__":
    main()
