"""Regression: how many discs lie on a picture?

    python examples/regression.py

A small convolutional network learns to count up to nine discs, which may hide each other, on noise: its loss is the squared error, its
score the absolute error, in discs, and less is better. Seven in ten of its weights are then pruned while it trains on, and the rest share
32 values a layer. Prints the table of the run, and the error of the file that was written, `regression.lac`, when it is loaded again.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import laconic

SIDE, MOST = 32, 9


def absolute_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """One value a sample, `(n,)`, from outputs and targets `(n, 1)`."""
    return (outputs - targets).abs()[:, 0]


COUNTING = laconic.Task(F.mse_loss, absolute_error, metric="absolute error", unit="discs", factor=1.0, higher_is_better=False)


class Counter(nn.Module):
    """Pictures `(n, 1, 32, 32)` → counts `(n, 1)`."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layer(1, 16, 1), *layer(16, 32, 2), *layer(32, 64, 2))
        self.count = nn.Linear(64, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.count(self.layers(pictures).mean((2, 3)))


def layer(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]


def pictures(samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures `(n, 1, 32, 32)` of 8 bits, and how many discs lie on each, `(n, 1)`."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, MOST + 1, samples)
    drawn = rng.integers(0, 60, (samples, 1, SIDE, SIDE)).astype(np.uint8)
    down, across = np.mgrid[:SIDE, :SIDE]
    for picture, count in zip(drawn[:, 0], counts, strict=True):
        for y, x, radius, brightness in rng.uniform((3, 3, 2, 100), (29, 29, 4, 255), (count, 4)):
            picture[(down - y) ** 2 + (across - x) ** 2 < radius**2] = brightness
    return drawn, counts[:, None].astype(np.float32)


def main(epochs: int = 10, samples: int = 2000, out: Path = Path("regression.lac")) -> laconic.Result:
    """Draw, train, compress, write, and load again."""
    data = laconic.from_arrays(pictures(samples, 0), pictures(500, 1), pictures(500, 2), name="discs")
    torch.manual_seed(0)
    training = laconic.Finetune(epochs=epochs, lr=0.003, batch=64, optimizer="adam", warmup=0.1)
    model = training(Counter(), data, task=COUNTING).module
    again = laconic.Training(epochs=epochs, lr=0.002, batch=64, optimizer="adam")
    recipe = [laconic.Fold(), laconic.Prune(sparsity=0.7, rounds=10, training=again), laconic.Share(bits=5)]
    result = laconic.compress(model, data, recipe, task=COUNTING)
    print(result)
    print(f"{result.save(out)}, loaded again: {laconic.evaluate(laconic.load(out), data, task=COUNTING)}")
    return result


if __name__ == "__main__":
    main()
