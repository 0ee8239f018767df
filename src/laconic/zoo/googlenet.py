"""GoogLeNet, with 5 × 5 filters as in its paper, and with batch normalisation and 3 × 3 in their place as in torchvision.

C. Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, table 1. Batch normalisation: S. Ioffe, C. Szegedy, "Batch Normalization:
Accelerating Deep Network Training by Reducing Internal Covariate Shift", ICML 2015.

| network          | parameters | MACs      | ImageNet top-5 error |
|------------------|-----------:|----------:|---------------------:|
| GoogLeNet, paper |  6 998 552 | 1 582.7 M | 10.07 % (table 3)    |
| torchvision      |  6 624 904 | 1 498.4 M | 10.47 %              |

Names of parameters of the second are torchvision's. Its checkpoint has the weights of two more classifiers, which only help while it is
trained; they are not part of this network, and loading passes over them. It was trained on pixels from −1 to 1: mean 0.5, deviation 0.5.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from laconic.zoo.blocks.initialise import HeStarted
from laconic.zoo.shapes import image_shape
from laconic.zoo.stages import Pool, Row, Stage, build, channels_of, fitted


@dataclass(frozen=True, kw_only=True)
class ConvStage(Stage):
    """A stage of convolutions.

    Args:
        norm: batch normalisation; without it, convolutions have biases.
    """

    norm: bool = True


@dataclass(frozen=True, kw_only=True)
class InceptionStage(ConvStage):
    """A stage of one Inception module; its width is the sum of its four branches'.

    Args:
        kernel: side of the windows of the third branch: 5 in the paper.
        three: channels that enter and leave the 3 × 3 convolution.
        five: likewise of the third branch.
        pooled: channels of the 1 × 1 convolution behind the pooling.
    """

    three: tuple[int, int]
    five: tuple[int, int]
    pooled: int


class Conv(nn.Module):
    """A convolution that keeps the sides of the image but for its stride, then batch norm if the stage has it, and an activation."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, stage: ConvStage) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=not stage.norm)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001) if stage.norm else nn.Identity()
        self.activation = stage.activation()

    def forward(self, x: Tensor) -> Tensor:
        """`(n, outputs, h / stride, w / stride)` of `(n, inputs, h, w)`."""
        return self.activation(self.bn(self.conv(x)))


class Inception(nn.Module):
    """1 × 1, 3 × 3 and 5 × 5 filters, the larger ones behind 1 × 1, and pooling, side by side (figure 2b).

    Args:
        inputs: channels that enter.
        stage: all of it is taken but the depth.
        stride: of all branches.

    `(n, inputs, h, w)` → `(n, width, h / stride, w / stride)`, rounded up.
    """

    def __init__(self, inputs: int, stage: InceptionStage, stride: int) -> None:
        super().__init__()
        one = stage.width - stage.three[1] - stage.five[1] - stage.pooled
        self.branch1 = Conv(inputs, one, 1, stride, stage)
        self.branch2 = nn.Sequential(Conv(inputs, stage.three[0], 1, 1, stage), Conv(*stage.three, 3, stride, stage))
        self.branch3 = nn.Sequential(Conv(inputs, stage.five[0], 1, 1, stage), Conv(*stage.five, stage.kernel, stride, stage))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, stride, 1), Conv(inputs, stage.pooled, 1, 1, stage))

    def forward(self, x: Tensor) -> Tensor:
        """The maps of all branches."""
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


def _conv(inputs: int, stage: ConvStage, stride: int) -> Conv:
    return Conv(inputs, stage.width, stage.kernel, stride, stage)


def _inception(width: int, three: tuple[int, int], five: tuple[int, int], pooled: int) -> InceptionStage:
    return InceptionStage(width=width, three=three, five=five, pooled=pooled, block=Inception)


_POOL = Pool(3, 2, ceil=True)
TABLE: Mapping[str, Row] = {
    "conv1": ConvStage(width=64, kernel=7, stride=2, block=_conv),
    "maxpool1": _POOL,
    "conv2": ConvStage(width=64, kernel=1, block=_conv),
    "conv3": ConvStage(width=192, kernel=3, block=_conv),
    "maxpool2": _POOL,
    "inception3a": _inception(256, (96, 128), (16, 32), 32),
    "inception3b": _inception(480, (128, 192), (32, 96), 64),
    "maxpool3": _POOL,
    "inception4a": _inception(512, (96, 208), (16, 48), 64),
    "inception4b": _inception(512, (112, 224), (24, 64), 64),
    "inception4c": _inception(512, (128, 256), (24, 64), 64),
    "inception4d": _inception(528, (144, 288), (32, 64), 64),
    "inception4e": _inception(832, (160, 320), (32, 128), 128),
    "maxpool4": Pool(2, 2, ceil=True),
    "inception5a": _inception(832, (160, 320), (32, 128), 128),
    "inception5b": _inception(1024, (192, 384), (48, 128), 128),
}
"""Table 1 as torchvision has it; `paper` makes it the paper's."""


def paper(rows: Mapping[str, Row] = TABLE) -> dict[str, Row]:
    """The table with 5 × 5 filters, without batch normalisation, and with 3 × 3 pixels in every pooling."""
    return {name: _as_published(row) for name, row in rows.items()}


def _as_published(row: Row) -> Row:
    if isinstance(row, InceptionStage):
        return replace(row, kernel=5, norm=False)
    return replace(row, norm=False) if isinstance(row, ConvStage) else _POOL


class GoogLeNet(HeStarted):
    """Nine Inception modules.

    Args:
        classes: number of outputs.
        sample_shape: `(channels, height, width)`, 8 × 8 or more.
        rows: its table, by names: `TABLE` or `paper()`.
        skip: strides that are left out, from the first on; None chooses by the size of the sample, as `stages.fitted` says.
        dropout: share of the last features that training drops; 0.4 in the paper.

    Raises:
        ModelError: the sample is not an image, or too small.
    """

    def __init__(
        self,
        classes: int = 1000,
        sample_shape: tuple[int, ...] = (3, 224, 224),
        *,
        rows: Mapping[str, Row] = TABLE,
        skip: int | None = None,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        channels, *sides = image_shape(sample_shape, least=8)
        table = fitted(tuple(rows.values()), min(sides), skip)
        self.names = tuple(rows)
        for name, (block,) in zip(rows, build(channels, table), strict=True):
            self.add_module(name, block)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(channels_of(table), classes)
        self.register_load_state_dict_pre_hook(_without_side_classifiers)  # type: ignore[no-untyped-call]
        self.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(n, classes)` of images `(n, channels, height, width)`."""
        for name in self.names:
            x = self.get_submodule(name)(x)
        return self.fc(self.dropout(x.mean((2, 3))))


def _without_side_classifiers(network: nn.Module, state: dict[str, Any], prefix: str, *_: object) -> None:
    for name in [name for name in state if name.startswith((f"{prefix}aux1.", f"{prefix}aux2."))]:
        del state[name]
