"""MnasNet-B1: the searched network without squeeze and excite.

M. Tan et al., "MnasNet: Platform-Aware Neural Architecture Search for Mobile", CVPR 2019.

| network, width - side | parameters | in the paper | MACs | in the paper | ImageNet top-1 |
|-----------------------|-----------:|-------------:|-----:|-------------:|---------------:|
| 1.0 - 224             |  4 383 312 |        4.4 M | 314 M |       315 M |         74.5 % |

Names of parameters and the other widths are torchvision's (0.5: 2 218 512, 0.75: 3 170 208, 1.3: 6 282 256 parameters), whose checkpoints
load as they are.
"""

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from laconic.zoo.blocks.conv import ConvNormAct, full_conv
from laconic.zoo.blocks.initialise import HeStarted
from laconic.zoo.blocks.inverted_residual import InvertedStage, adds, inverted
from laconic.zoo.shapes import image_shape
from laconic.zoo.stages import Row, Stage, build, channels_of, fitted, scaled

NORM = partial(nn.BatchNorm2d, momentum=3e-4)


class MBConv(nn.Module):
    """An inverted residual under torchvision's names, all of its layers in one row.

    Args:
        inputs, stage, stride: as for `InvertedResidual`.
    """

    def __init__(self, inputs: int, stage: InvertedStage, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(layer for part in inverted(inputs, stage, stride, NORM) for layer in part.children()))
        self.adds = adds(inputs, stage, stride)

    def forward(self, x: Tensor) -> Tensor:
        """The block's maps, on top of `x` where it adds."""
        return x + self.layers(x) if self.adds else self.layers(x)


def _separable(inputs: int, stage: Stage, stride: int) -> nn.Sequential:
    depthwise = ConvNormAct(inputs, inputs, stage.kernel, stride, groups=inputs, activation=stage.activation, norm=NORM)
    return nn.Sequential(*depthwise, *ConvNormAct(inputs, stage.width, 1, activation=None, norm=NORM))


def _row(kernel: int, expand: int, width: int, depth: int, stride: int) -> InvertedStage:
    return InvertedStage(kernel=kernel, expand=expand, width=width, depth=depth, stride=stride, block=MBConv)


STAGES = (
    Stage(width=32, stride=2, block=partial(full_conv, norm=NORM)),
    Stage(width=16, block=_separable),
    _row(3, 3, 24, 3, 2),
    _row(5, 3, 40, 3, 2),
    _row(5, 6, 80, 3, 2),
    _row(3, 6, 96, 2, 1),
    _row(5, 6, 192, 4, 2),
    _row(3, 6, 320, 1, 1),
    Stage(width=1280, kernel=1, block=partial(full_conv, norm=NORM)),
)
"""MnasNet-B1, figure 7 without squeeze and excite: SepConv, then MBConv3 and MBConv6."""


class MnasNet(HeStarted):
    """Inverted residuals of kernels 3 and 5, found by search for a phone's latency.

    Args:
        classes: number of outputs.
        sample_shape: `(channels, height, width)`, 8 × 8 or more.
        width: the width multiplier; the last layer stays as it is.
        rows: the table that it is applied to.
        skip: strides that are left out, from the first on; None chooses by the size of the sample, as `stages.fitted` says.
        dropout: share of the last features that training drops.

    Raises:
        ModelError: the sample is not an image, or too small.
    """

    def __init__(
        self,
        classes: int = 1000,
        sample_shape: tuple[int, ...] = (3, 224, 224),
        *,
        width: float = 1.0,
        rows: Sequence[Row] = STAGES,
        skip: int | None = None,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        channels, *sides = image_shape(sample_shape, least=8)
        rows = (*scaled(rows[:-1], width), rows[-1])
        (stem,), (separable,), *blocks, (last,) = build(channels, fitted(rows, min(sides), skip))
        self.layers = nn.Sequential(*stem.children(), *separable.children(), *blocks, *last.children())
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(channels_of(rows), classes))
        self.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(n, classes)` of images `(n, channels, height, width)`."""
        return self.classifier(self.layers(x).mean((2, 3)))
