"""What the lectures say of compact networks in figures, and the same counted on ours.

    python bench/lectures.py

Counted on shapes alone, on 224 × 224 pixels unless a line says otherwise. Writes bench/results/lectures.csv.
"""

from collections.abc import Callable
from functools import cache

import torch
from results_file import Results
from torch import nn

from laconic.profile import Profile, count
from laconic.zoo import ZOO

RESULTS = Results("lectures")
Cost = Callable[[Profile], float]


def main() -> None:
    """A line a figure."""
    RESULTS.keep([dict(zip(("figure", "in the lecture", "ours", "counted"), line, strict=True)) for line in lines()])


def lines() -> list[tuple[str, str, str, str]]:
    """Figure, what the lecture says, what it is here, and of what."""
    params: Cost = lambda found: found.params / 1e6  # noqa: E731
    macs: Cost = lambda found: found.macs / 1e6  # noqa: E731
    peak: Cost = lambda found: found.peak_bytes / 2**20  # noqa: E731
    v1, full, half = cost("mobilenet_v1"), cost("mobilenet_v1-full"), cost("mobilenet_v1-0.5", 160)
    squeeze, alex, v3 = cost("squeezenet1_0"), cost("alexnet-grouped", 227), cost("mobilenet_v3_large")
    standard, separable = example(nn.Conv2d(3, 256, 5)), example(nn.Sequential(nn.Conv2d(3, 3, 5, groups=3), nn.Conv2d(3, 256, 1)))
    return [
        ("MobileNet, MACs with full over depthwise convolutions", "about 9 ×", *over(full, v1, macs, "M")),
        ("MobileNet, parameters, likewise", "7 ×", *over(full, v1, params, "M")),
        ("MobileNet, share of its MACs in 1 × 1 convolutions", "about 95 %", f"{100 * pointwise(v1):.1f} %", f"of {macs(v1):.0f} M"),
        ("AlexNet's parameters over SqueezeNet's", "50 ×", *over(alex, squeeze, params, "M")),
        ("SqueezeNet's MACs over AlexNet's", "much higher", *over(squeeze, alex, macs, "M")),
        ("SqueezeNet's activations alive at once over AlexNet's", "not reduced", *over(squeeze, alex, peak, "MiB")),
        ("SqueezeNet's MACs over those of MobileNet 0.5 at 160 × 160", "much higher", *over(squeeze, half, macs, "M")),
        ("MobileNetV3 large, MACs", "219 M", f"{macs(v3):.0f} M", f"{params(v3):.2f} M parameters"),
        ("5 × 5 convolution of 3 → 256 on 12 × 12, weights, full over separable", "22.8 ×", *over(standard, separable, weights, "")),
    ]


def over(more: Profile, less: Profile, of: Cost, unit: str) -> tuple[str, str]:
    """How many times one is the other, and both."""
    figures = [f"{of(one):.4g}" if unit else f"{of(one):.0f}" for one in (more, less)]
    return f"{of(more) / of(less):.2f} ×", f"{' over '.join(figures)} {unit}".strip()


@cache
def cost(name: str, side: int = 224) -> Profile:
    """Of a network of the zoo."""
    with torch.device("meta"):
        return count(ZOO[name].build(sample_shape=(3, side, side)), (3, side, side))


def example(module: nn.Module) -> Profile:
    """Of a layer on 12 × 12 pixels."""
    return count(module, (3, 12, 12))


def weights(found: Profile) -> float:
    """Without biases, which the lecture does not count."""
    return sum(layer.params - layer.output_shape[1] for layer in found.layers)


def pointwise(found: Profile) -> float:
    """Share of the MACs in 1 × 1 convolutions."""
    return sum(layer.macs for layer in found.layers if layer.family == "conv" and layer.connectivity == "pointwise") / found.macs


if __name__ == "__main__":
    main()
