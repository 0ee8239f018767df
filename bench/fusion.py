"""What fusion is worth, backend by backend: the same network before and after, in turns, at batch 1 on one thread.

    python bench/fusion.py

Vertical: batch normalisation folded into the convolution before it. Horizontal: layers of one input become one, as in the blocks of
GoogLeNet (Szegedy et al. 2015, table 1) and in attention. Fire's two convolutions (Iandola et al. 2016) differ in their kernels: the
smaller is padded with zeros by hand, which multiplies more. Weights are random. Every ratio is the median of `ROUNDS` rounds, the spread
half of what lies between the quartiles. Writes bench/results/fusion.csv.
"""

import csv
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from guarded import in_turns
from structure import images
from torch import Tensor, nn

from laconic import Fold, Fuse, build_model
from laconic.artifact import Artifact
from laconic.base.measures import machine
from laconic.graph.export import export
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.methods.step import Step
from laconic.runtime import Session
from laconic.runtime.engines import choices
from laconic.train import as_runner
from laconic.zoo.blocks.conv import ConvNormAct
from laconic.zoo.mobilenet_v2 import MobileNetV2
from laconic.zoo.resnet import ResNet

RESULTS = Path(__file__).parent / "results" / "fusion.csv"
ROUNDS = 100


class Inception(nn.Module):
    """Four branches: 1 × 1; 1 × 1 and 3 × 3; 1 × 1 and 5 × 5; pooling and 1 × 1. Widths in the order of the paper's table."""

    def __init__(self, inputs: int, one: int, before3: int, three: int, before5: int, five: int, pooled: int) -> None:
        super().__init__()
        self.one = ConvNormAct(inputs, one, 1)
        self.before3, self.three = ConvNormAct(inputs, before3, 1), ConvNormAct(before3, three, 3)
        self.before5, self.five = ConvNormAct(inputs, before5, 1), ConvNormAct(before5, five, 5)
        self.pooled = nn.Sequential(nn.MaxPool2d(3, 1, 1), ConvNormAct(inputs, pooled, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.one(x), self.three(self.before3(x)), self.five(self.before5(x)), self.pooled(x)], 1)


class Attention(nn.Module):
    """Queries, keys and values of one input `(n, 1, tokens, width)`."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.q, self.k, self.v, self.out = (nn.Linear(width, width) for _ in range(4))
        self.heads = heads

    def forward(self, x: Tensor) -> Tensor:
        parts = (layer(x[:, 0]).unflatten(-1, (self.heads, -1)).transpose(1, 2) for layer in (self.q, self.k, self.v))
        mixed: Tensor = self.out(nn.functional.scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2))
        return mixed


class Expand(nn.Module):
    """The second half of a Fire module: 1 × 1 and 3 × 3, side by side."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.one, self.three = nn.Conv2d(inputs, outputs, 1), nn.Conv2d(inputs, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.one(x), self.three(x)], 1).relu()


def padded(fire: nn.Module) -> nn.Module:
    """Both as one 3 × 3 convolution."""
    assert isinstance(fire, Expand)
    both = nn.Conv2d(fire.one.in_channels, 2 * fire.one.out_channels, 3, padding=1)
    with torch.no_grad():
        both.weight.copy_(torch.cat([nn.functional.pad(fire.one.weight, (1, 1, 1, 1)), fire.three.weight]))
        both.bias.copy_(torch.cat([fire.one.bias, fire.three.bias]))
    return nn.Sequential(both, nn.ReLU())


@dataclass(frozen=True)
class Case:
    """A network, the shape of its input, and what fuses it."""

    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    fused: Step | Callable[[nn.Module], nn.Module]


FOLD, MERGE = Fold(), Fuse(measured=False)
CASES = {
    "resnet18, folded": Case(ResNet, (3, 224, 224), FOLD),
    "mobilenet_v2, folded": Case(MobileNetV2, (3, 224, 224), FOLD),
    "resnet56, folded": Case(lambda: build_model("zoo:resnet56"), (3, 32, 32), FOLD),
    "inception 3a, merged": Case(lambda: Inception(192, 64, 96, 128, 16, 32, 32), (192, 28, 28), MERGE),
    "inception 4e, merged": Case(lambda: Inception(528, 256, 160, 320, 32, 128, 128), (528, 14, 14), MERGE),
    "inception 5b, merged": Case(lambda: Inception(832, 384, 192, 384, 48, 128, 128), (832, 7, 7), MERGE),
    "attention, 64 tokens of 128, merged": Case(lambda: Attention(128, 4), (1, 64, 128), MERGE),
    "attention, 16 tokens of 384, merged": Case(lambda: Attention(384, 6), (1, 16, 384), MERGE),
    "fire3 of squeezenet, padded": Case(lambda: Expand(16, 64), (16, 55, 55), padded),
    "fire9 of squeezenet, padded": Case(lambda: Expand(64, 256), (64, 13, 13), padded),
}


def main() -> None:
    """Case after case."""
    torch.set_num_threads(1)
    rows = [row for name, case in CASES.items() for row in measured(name, case)]
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def measured(name: str, case: Case) -> Iterator[dict[str, str]]:
    """One line a backend. Before a merge, normalisation is folded, so that it does not count."""
    torch.manual_seed(0)
    model = case.build().eval()
    context = Context(images(case.shape), model)
    before = Network(model) if case.fused is FOLD else _by(FOLD, Network(model), context)
    after = _by(case.fused, before, context) if isinstance(case.fused, Step) else Network(case.fused(before.module).eval())
    sample = context.sample()
    runners = [dict(_runners(network, case.shape)) for network in (before, after)]
    for backend in runners[0]:
        first, second = (found[backend](sample) for found in runners)
        np.testing.assert_allclose(first, second, rtol=1e-3, atol=1e-3 * float(np.abs(first).max()))
        pair = {"before": lambda b=backend: runners[0][b](sample), "after": lambda b=backend: runners[1][b](sample)}  # type: ignore[misc]
        times = in_turns(pair, ROUNDS)
        low, median, high = statistics.quantiles([b / a for b, a in zip(times["before"], times["after"], strict=True)], n=4)
        found = {
            "case": name,
            "backend": backend,
            "times as fast": f"{median:.2f}",
            "±": f"{(high - low) / 2:.2f}",
            "n": str(ROUNDS),
            "machine": machine(),
        }
        print(*found.values(), sep="  ", flush=True)
        yield found


def _by(step: Step, network: Network, context: Context) -> Network:
    return step.apply(network, step.plan(network, context), context)


def _runners(network: Network, shape: tuple[int, ...]) -> Iterator[tuple[str, Callable[[np.ndarray], np.ndarray]]]:
    yield "torch", as_runner(network.module)
    artifact = Artifact(network.tensors(), export(network.module, shape))
    for choice in choices():
        if choice.engine != "laconic" and choice.precision == "fp32":
            yield str(choice), Session(artifact, choice=choice)


if __name__ == "__main__":
    main()
