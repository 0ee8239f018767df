"""Convolution as a matrix product: what the columns cost in memory and time, beside torch's own convolution, at batch 1 on one thread.

    python bench/im2col.py

Layers are taken from networks of the zoo. The three ways take turns; medians of processor time, which on one thread is the wall clock of a
machine with nothing else to do. Writes bench/results/im2col.csv.
"""

import csv
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from guarded import timed
from torch import Tensor
from torch.nn import functional

from laconic.base.measures import machine
from laconic.nn.im2col import column_bytes, conv2d, im2col
from laconic.profile.complexity import conv_macs

RESULTS = Path(__file__).parent / "results" / "im2col.csv"
ROUNDS, WARM_UP = 50, 5
MIB = 1 << 20


@dataclass(frozen=True)
class Layer:
    """A convolution on square maps.

    Args:
        name: where it is from.
        channels: that enter and leave.
        side: of the map that enters, in pixels.
        kernel: side of its windows.
        stride, groups: as of a convolution.
    """

    name: str
    channels: tuple[int, int]
    side: int
    kernel: int
    stride: int = 1
    groups: int = 1


LAYERS = (
    Layer("ResNet-18 conv1, 7 × 7 / 2", (3, 64), 224, 7, 2),
    Layer("ResNet-18 layer1, 3 × 3", (64, 64), 56, 3),
    Layer("ResNet-18 layer3, 3 × 3", (256, 256), 14, 3),
    Layer("ResNet-50 layer1, 1 × 1", (64, 256), 56, 1),
    Layer("ResNet-50 layer3, 1 × 1", (256, 1024), 14, 1),
    Layer("MobileNet V1, depthwise 3 × 3", (128, 128), 56, 3, groups=128),
    Layer("MobileNet V1, 1 × 1", (128, 128), 56, 1),
)


def main() -> None:
    """A line a layer."""
    torch.set_num_threads(1)
    rows = [row(layer) for layer in LAYERS]
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def row(layer: Layer) -> dict[str, str]:
    """Memory and times of one layer."""
    (inputs, outputs), kernel, padding = layer.channels, (layer.kernel, layer.kernel), layer.kernel // 2
    image = torch.randn(1, inputs, layer.side, layer.side)
    weight = torch.randn(outputs, inputs // layer.groups, *kernel)
    rest = (layer.stride, padding, 1, layer.groups)
    ways: dict[str, Callable[[], Tensor]] = {
        "torch": lambda: functional.conv2d(image, weight, None, *rest),
        "product": lambda: conv2d(image, weight, None, *rest),
        "columns": lambda: im2col(image, kernel, layer.stride, padding),
    }
    spent = [{name: timed(way)[1] for name, way in ways.items()} for _ in range(WARM_UP + ROUNDS)][WARM_UP:]
    median = {name: statistics.median(times[name] for times in spent) for name in ways}
    macs = conv_macs(inputs, outputs, kernel, [layer.side // layer.stride] * 2, layer.groups)
    return {
        "layer": layer.name,
        "MACs": str(macs),
        "image MiB": f"{image.nbytes / MIB:.2f}",
        "columns MiB": f"{column_bytes(image, kernel, layer.stride, padding) / MIB:.2f}",
        "columns ms": f"{median['columns']:.3f}",
        "columns and product ms": f"{median['product']:.3f}",
        "torch ms": f"{median['torch']:.3f}",
        "torch GMAC/s": f"{macs / median['torch'] / 1e6:.1f}",
        "n": str(ROUNDS),
        "machine": machine(),
    }


if __name__ == "__main__":
    with torch.inference_mode():
        main()
