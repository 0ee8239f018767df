"""MobileNet V1.

A. G. Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications", arXiv 1704.04861, 2017.

| network, width - side | parameters | in the paper | MACs    | in the paper | ImageNet top-1 |
|-----------------------|-----------:|-------------:|--------:|-------------:|---------------:|
| 1.0 - 224             |  4 231 976 |        4.2 M | 568.7 M |        569 M |         70.6 % |
| 1.0 - 224, full       | 29 294 088 |       29.3 M | 4 867 M |      4 866 M |         71.7 % |
| 0.75 - 224            |  2 585 560 |        2.6 M | 325.4 M |        325 M |         68.4 % |
| 0.5 - 224             |  1 331 592 |        1.3 M | 149.5 M |        149 M |         63.7 % |
| 0.5 - 160             |  1 331 592 |       1.32 M |  76.5 M |         76 M |         60.2 % |
| 0.25 - 224            |    470 072 |        0.5 M |  41.0 M |         41 M |         50.6 % |

The resolution multiplier is the sample's shape. Activations are ReLU6 as in the authors' code. "It was important to put very little or no
weight decay on the depthwise filters since there are so few parameters in them" (section 3.2): `laconic.train.decay` leaves them out.
"""

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor, nn

from laconic.zoo.blocks.conv import full_conv
from laconic.zoo.blocks.initialise import HeStarted
from laconic.zoo.blocks.separable import DepthwiseSeparable
from laconic.zoo.shapes import image_shape
from laconic.zoo.stages import Row, Stage, build_flat, channels_of, fitted, scaled


def _separable(width: int, depth: int, stride: int = 1) -> Stage:
    return Stage(width=width, depth=depth, stride=stride, activation=nn.ReLU6, block=DepthwiseSeparable)


STAGES = (
    Stage(width=32, stride=2, activation=nn.ReLU6, block=full_conv),
    _separable(64, 1),
    _separable(128, 2, stride=2),
    _separable(256, 2, stride=2),
    _separable(512, 6, stride=2),
    _separable(1024, 2, stride=2),
)
"""Table 1."""

FULL = tuple(replace(stage, block=full_conv) for stage in STAGES)
"""Full convolutions in the same places (table 4)."""


class MobileNetV1(HeStarted):
    """Depthwise separable convolutions in a row.

    Args:
        classes: number of outputs.
        sample_shape: `(channels, height, width)`, 8 × 8 or more.
        width: the paper's width multiplier α.
        rows: the table that α is applied to.
        skip: strides that are left out, from the first on; None chooses by the size of the sample, as `stages.fitted` says.
        dropout: share of the last features that training drops; the paper does not say, 0.001 is the authors' code.

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
        dropout: float = 0.001,
    ) -> None:
        super().__init__()
        channels, *sides = image_shape(sample_shape, least=8)
        rows = fitted(scaled(rows, width), min(sides), skip)
        self.features = build_flat(channels, rows)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(channels_of(rows), classes)
        self.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(n, classes)` of images `(n, channels, height, width)`."""
        return self.classifier(self.dropout(self.features(x).mean((2, 3))))
