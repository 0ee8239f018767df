"""Segmentation: which shape does each pixel belong to?

    python examples/segmentation.py

A small U-Net (Ronneberger et al. 2015) tells discs, squares and triangles from the noise behind them, pixel by pixel. Its metric is the
mean over classes of intersection over union, both counted over all pictures: no mean over samples, so the task says how the counts of the
samples aggregate. Half of the multiply-adds are then taken out in whole channels while the network trains on, and what is left multiplies
integers of 8 bits. Prints the table of the run, and the mean IoU of the file that was written, `segmentation.lac`, when it is loaded again.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import laconic

SIDE, CLASSES = 32, 4  # background, disc, square, triangle


def overlaps(outputs: Tensor, targets: Tensor) -> Tensor:
    """Pixels of each class in both, and in either, of logits `(n, classes, h, w)` and class numbers `(n, h, w)`: `(n, classes, 2)`."""
    said, true = (F.one_hot(numbers, CLASSES).flatten(1, 2).bool() for numbers in (outputs.argmax(1), targets))
    return torch.stack([(said & true).sum(1), (said | true).sum(1)], 2)


def mean_iou(counts: Tensor) -> Tensor:
    """The mean over classes, of those that there are, of the counts of all samples `(n, classes, 2)`."""
    both, either = counts.sum(0).T
    return (both / either)[either > 0].mean()


SEGMENTING = laconic.Task(F.cross_entropy, overlaps, metric="mean IoU", aggregate=mean_iou)


class UNet(nn.Module):
    """Pictures `(n, 1, 32, 32)` → logits `(n, 4, 32, 32)`."""

    def __init__(self) -> None:
        super().__init__()
        self.fine, self.coarse, self.coarsest = layer(1, 12), layer(12, 24), layer(24, 48)
        self.back, self.out = layer(48 + 24, 24), layer(24 + 12, 12)
        self.classes = nn.Conv2d(12, CLASSES, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        fine = self.fine(pictures)
        coarse = self.coarse(F.max_pool2d(fine, 2))
        coarsest = self.coarsest(F.max_pool2d(coarse, 2))
        back = self.back(torch.cat([doubled(coarsest), coarse], 1))
        return self.classes(self.out(torch.cat([doubled(back), fine], 1)))


def layer(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


def doubled(maps: Tensor) -> Tensor:
    return F.interpolate(maps, scale_factor=2.0)


def pictures(samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures `(n, 1, 32, 32)` of 8 bits with one to four shapes, and the class of each pixel `(n, 32, 32)`."""
    rng = np.random.default_rng(seed)
    classes = np.zeros((samples, SIDE, SIDE), np.int64)
    drawn = rng.normal(80, 30, (samples, 1, SIDE, SIDE))
    for picture, labels in zip(drawn[:, 0], classes, strict=True):
        for _ in range(rng.integers(1, 5)):
            kind = int(rng.integers(1, CLASSES))
            y, x, radius = rng.uniform((4, 4, 3), (28, 28, 8))
            inside = shape(kind, y, x, radius)
            picture[inside] += rng.uniform(60, 120)
            labels[inside] = kind
    return drawn.clip(0, 255).astype(np.uint8), classes


def shape(kind: int, y: float, x: float, radius: float) -> np.ndarray:
    """The pixels of a disc, a square or a triangle with its tip up."""
    down, across = np.mgrid[:SIDE, :SIDE]
    down, across = (down - y) / radius, np.abs(across - x) / radius
    return [down**2 + across**2 < 1, np.maximum(np.abs(down), across) < 0.85, (np.abs(down) < 1) & (across < (1 + down) / 2)][kind - 1]


def main(epochs: int = 8, samples: int = 1200, out: Path = Path("segmentation.lac")) -> laconic.Result:
    """Draw, train, compress, write, and load again."""
    data = laconic.from_arrays(pictures(samples, 0), pictures(300, 1), pictures(300, 2), name="shapes")
    torch.manual_seed(0)
    training = laconic.Finetune(epochs=epochs, lr=0.003, batch=32, optimizer="adam", warmup=0.1)
    model = training(UNet(), data, task=SEGMENTING).module
    again = laconic.Training(epochs=epochs // 2, lr=0.002, batch=32, optimizer="adam")
    recipe = [laconic.PruneChannels(macs=0.5, rounds=4, training=again), laconic.Int8()]
    result = laconic.compress(model, data, recipe, task=SEGMENTING)
    print(result)
    print(f"{result.save(out)}, loaded again: {laconic.evaluate(laconic.load(out), data, task=SEGMENTING)}")
    return result


if __name__ == "__main__":
    main()
