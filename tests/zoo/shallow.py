"""The networks of the zoo with few blocks of every kind: small enough to be exported, packed and pruned in a test."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from laconic.zoo import (
    alexnet,
    googlenet,
    mnasnet,
    mobilenet_v1,
    mobilenet_v2,
    mobilenet_v3,
    resnet,
    shufflenet_v1,
    shufflenet_v2,
    squeezenet,
    vgg,
    xception,
)
from laconic.zoo.stages import Row, Stage


@dataclass(frozen=True)
class Shallow:
    """One network for four classes.

    Args:
        network: its class.
        rows: its table.
        sample: one image, as the network takes it.
        options: further arguments of the class.
    """

    network: Callable[..., nn.Module]
    rows: Any
    sample: tuple[int, ...]
    options: Mapping[str, Any]

    def build(self) -> nn.Module:
        """The network, freshly initialised."""
        return self.network(4, self.sample, rows=self.rows, **self.options)


def few(rows: tuple[Row, ...], stages: int | None = None) -> tuple[Row, ...]:
    """Some first rows of a table with no more than two blocks in each, as the second of a stage has another shape than the first."""
    return tuple(replace(row, depth=min(row.depth, 2)) if isinstance(row, Stage) else row for row in rows[:stages])


def _shallow(network: Callable[..., nn.Module], rows: Any, side: int = 32, **options: Any) -> Shallow:
    return Shallow(network, rows, (3, side, side), options)


SHALLOW: dict[str, Shallow] = {
    "alexnet-grouped": _shallow(alexnet.AlexNet, alexnet.GROUPED, 96, hidden=64),  # at 96 pixels all of its strides stay
    "vgg11_bn": _shallow(vgg.VGG, vgg.table(1, 1, 1, 1, 1, norm=True), hidden=64),
    "googlenet-5x5": _shallow(googlenet.GoogLeNet, dict(list(googlenet.paper().items())[:7])),
    "resnet18": _shallow(resnet.ResNet, resnet.table(resnet.BasicBlock, (1, 2, 1, 1), 16)),
    "resnet50": _shallow(resnet.ResNet, resnet.table(resnet.Bottleneck, (1, 2, 1, 1), 64)),
    "squeezenet1_0-complex": _shallow(squeezenet.SqueezeNet, squeezenet.SQUEEZENET_1_0[:5], bypass="complex"),
    "xception": _shallow(xception.Xception, few(xception.STAGES), width=0.125),
    "mobilenet_v1": _shallow(mobilenet_v1.MobileNetV1, few(mobilenet_v1.STAGES, 4)),
    "mobilenet_v2": _shallow(mobilenet_v2.MobileNetV2, (*few(mobilenet_v2.STAGES, 3), mobilenet_v2.STAGES[-1])),
    "mobilenet_v3_small": _shallow(mobilenet_v3.MobileNetV3, few(mobilenet_v3.SMALL, 6)),
    "shufflenet_v1": _shallow(shufflenet_v1.ShuffleNetV1, few(shufflenet_v1.STAGES, 4)),
    "shufflenet_v2_x0_5": _shallow(shufflenet_v2.ShuffleNetV2, few(shufflenet_v2.TABLES["0_5"])),
    "mnasnet0_5": _shallow(mnasnet.MnasNet, (*few(mnasnet.STAGES, 4), mnasnet.STAGES[-1]), width=0.5),
}
