"""What the papers of compact networks claim, each a switch on and off: accuracy, latency, peak memory.

    python bench/ablations.py --data folder:DIR [--only CLAIM …]    trains
    python bench/ablations.py --data folder:DIR --time              then, with nothing else at work, times what was trained

Small networks of the zoo (widths are in the table) with two strides left out, on `IMAGES` of CIFAR-10's training images at half their
side, `EPOCHS` epochs each: so short that a claim about what a network can reach in the end is not settled by it. Accuracy is the mean of
`SEEDS` seeds with their standard deviation. "In float16" is the same network with weights and the outputs of every layer rounded to
float16. Latency is of a session on the network's file, normalisations folded, at batch 1 on one thread, all cases of a claim in turns.

A row is kept when it is there, and a call goes on where the last one ended. Writes bench/results/ablations.csv.
"""

import argparse
import copy
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import torch
from guarded import in_turns
from half_size import SHAPE, Build, images, score, trained
from results_file import Results
from torch import Tensor, nn
from zoo_trained import runner, spread

from laconic.base.measures import machine
from laconic.datasets.data import Data
from laconic.profile import count
from laconic.zoo import mobilenet_v1, mobilenet_v2, mobilenet_v3
from laconic.zoo.blocks.inverted_residual import InvertedStage
from laconic.zoo.mobilenet_v1 import MobileNetV1
from laconic.zoo.mobilenet_v2 import MobileNetV2
from laconic.zoo.mobilenet_v3 import MobileNetV3
from laconic.zoo.shufflenet_v2 import TABLES, ShuffleNetV2
from laconic.zoo.squeezenet import SQUEEZENET_1_1, SqueezeNet
from laconic.zoo.stages import Row, Stage, delayed

RESULTS = Results("ablations")
IMAGES, EPOCHS, SEEDS, ROUNDS = 5_000, 4, 3, 50


def every(rows: Sequence[Row], **changed: Any) -> tuple[Row, ...]:
    """The table with fields of its stages changed, where a stage has them."""

    def varied(row: Row) -> Row:
        return replace(row, **{name: value for name, value in changed.items() if hasattr(row, name)}) if isinstance(row, Stage) else row

    return tuple(map(varied, rows))


def compress_first(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Blocks three times as wide that compress to a half and work there: about as many MACs as at an expansion of 6. What is wide is added,
    and what is narrow is filtered: a classic bottleneck.
    """
    return tuple(
        replace(row, width=3 * row.width, expand=1 / 2) if isinstance(row, InvertedStage) and row.expand > 1 else row for row in rows
    )


squeeze = partial(SqueezeNet, 10, SHAPE, skip=2, rows=SQUEEZENET_1_1)
v1 = partial(MobileNetV1, 10, SHAPE, skip=2, width=0.25)
v2 = partial(MobileNetV2, 10, SHAPE, skip=2, width=0.35)
v3 = partial(MobileNetV3, 10, SHAPE, skip=2, width=0.5, rows=mobilenet_v3.SMALL, hidden=1024)
shuffle = partial(ShuffleNetV2, 10, SHAPE, skip=2, rows=TABLES["0_5"])
CLAIMS: Mapping[str, Mapping[str, Build]] = {
    "late downsampling, SqueezeNet 1.1": {"as it is": squeeze, "a stage later": partial(squeeze, rows=delayed(SQUEEZENET_1_1))},
    "late downsampling, ShuffleNetV2 × 0.5": {"as it is": shuffle, "a stage later": partial(shuffle, rows=delayed(TABLES["0_5"]))},
    "late downsampling, MobileNetV2 × 0.35": {"as it is": v2, "a stage later": partial(v2, rows=delayed(mobilenet_v2.STAGES))},
    "late downsampling, MobileNetV3 small × 0.5": {"as it is": v3, "a stage later": partial(v3, rows=delayed(mobilenet_v3.SMALL))},
    "bypass, SqueezeNet 1.1": {"none": squeeze, "simple": partial(squeeze, bypass="simple"), "complex": partial(squeeze, bypass="complex")},
    "bottleneck, MobileNetV2 × 0.35": {"linear": v2, "ReLU6": partial(v2, rows=every(mobilenet_v2.STAGES, bottleneck=nn.ReLU6))},
    "block, MobileNetV2 × 0.35": {"expand first": v2, "compress first": partial(v2, rows=compress_first(mobilenet_v2.STAGES))},
    "activation, MobileNetV3 small × 0.5": {"ReLU and hard-swish, as it is": v3}
    | {
        name: partial(v3, rows=every(mobilenet_v3.SMALL, activation=activation))
        for name, activation in (("ReLU", nn.ReLU), ("ReLU6", nn.ReLU6), ("hard-swish", nn.Hardswish), ("swish", nn.SiLU))
    },
    "squeeze and excite, MobileNetV3 small × 0.5": {"as it is": v3, "none": partial(v3, rows=every(mobilenet_v3.SMALL, squeeze=0))},
    "convolutions, MobileNetV1 × 0.25": {"depthwise": v1, "full": partial(v1, rows=mobilenet_v1.FULL)},
    "float16 behind, MobileNetV1 × 0.25": {"ReLU6": v1, "ReLU": partial(v1, rows=every(mobilenet_v1.STAGES, activation=nn.ReLU))},
}


def main() -> None:
    """Train, or time."""
    options = _options()
    torch.set_num_threads(1)
    data = images(options.data, IMAGES)
    if options.time:
        RESULTS.keep([one | clock for claim in CLAIMS for one, clock in clocked(claim, data)])
        return
    for claim in options.only:
        for case, build in CLAIMS[claim].items():
            if not RESULTS.has(claim=claim, case=case):
                RESULTS.add({"claim": claim, "case": case} | row(build, data))


def row(build: Build, data: Data) -> dict[str, str]:
    """One case: all seeds."""
    found = [judged(build, data, seed) for seed in range(SEEDS)]
    whole, narrow = zip(*found, strict=True)
    cost = count(build(), SHAPE)
    return {
        "parameters": str(cost.params),
        "MACs": f"{cost.macs / 1e6:.2f} M",
        "peak activations KiB": f"{cost.peak_bytes / 1024:.0f}",
        "top-1 %": f"{statistics.mean(whole):.2f}",
        "top-1 ±": f"{statistics.stdev(whole):.2f}",
        "in float16": f"{statistics.mean(narrow):.2f}",
        "median ms": "",
        "±": "",
        "machine": "",
    }


@cache
def judged(build: Build, data: Data, seed: int) -> tuple[float, float]:
    """Top-1 of a network from scratch, and when it is rounded to float16."""
    model = trained(build, data, EPOCHS, seed)
    return score(model, data), score(rounded(model), data)


def rounded(model: nn.Module) -> nn.Module:
    """A copy whose weights, and whatever leaves a layer, are numbers of float16; what it has not is infinite."""
    model = copy.deepcopy(model)
    for layer in model.modules():
        if not list(layer.children()):
            layer.register_forward_hook(_to_float16)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(weight.half().float())
    return model


def _to_float16(layer: nn.Module, inputs: Any, outputs: Tensor) -> Tensor:
    return outputs.half().float()


def clocked(claim: str, data: Data) -> list[tuple[dict[str, str], dict[str, str]]]:
    """The rows of a claim, with what each takes."""
    rows = [one for one in RESULTS.rows() if one["claim"] == claim]
    sample = data.preprocessing.apply(data.test.inputs[:1])
    times = in_turns({one["case"]: runner(CLAIMS[claim][one["case"]](), data, sample) for one in rows}, ROUNDS)
    return [(one, spread(times[one["case"]]) | {"machine": machine()}) for one in rows]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder:DIR with CIFAR-10's images")
    parser.add_argument("--only", nargs="+", choices=CLAIMS, default=list(CLAIMS), help="these claims")
    parser.add_argument("--time", action="store_true", help="time what is there")
    return parser.parse_args()


if __name__ == "__main__":
    main()
