"""MobileNetV3, large and small.

A. Howard et al., "Searching for MobileNetV3", ICCV 2019.

| network     | parameters | in the paper | MACs | in the paper | ImageNet top-1 |
|-------------|-----------:|-------------:|-----:|-------------:|---------------:|
| large - 224 |  5 483 032 |        5.4 M | 217 M |       219 M |         75.2 % |
| small - 224 |  2 542 856 |        2.5 M |  56 M |        56 M |         67.4 % |

Names of parameters are torchvision's, whose checkpoints load as they are. The activation h-swish and the gate of squeeze and excite are
made of ReLU6 (section 5.2): what that means in float16 is in docs/convolution.md.
"""

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from laconic.zoo.blocks.conv import full_conv
from laconic.zoo.blocks.initialise import HeStarted
from laconic.zoo.blocks.inverted_residual import InvertedResidual, InvertedStage
from laconic.zoo.shapes import image_shape
from laconic.zoo.stages import Row, Stage, build_flat, channels_of, divisible, fitted, scaled

RE, HS = nn.ReLU, nn.Hardswish
NORM = partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)


def _conv(width: int, kernel: int, stride: int = 1) -> Stage:
    return Stage(width=width, kernel=kernel, stride=stride, activation=HS, block=partial(full_conv, norm=NORM))


def _row(kernel: int, expand: float, width: int, squeeze: float, activation: type[nn.Module], stride: int, depth: int = 1) -> InvertedStage:
    return InvertedStage(
        kernel=kernel,
        expand=expand,
        width=width,
        squeeze=squeeze,
        activation=activation,
        stride=stride,
        depth=depth,
        block=partial(InvertedResidual, norm=NORM),
    )


LARGE = (
    _conv(16, 3, stride=2),
    _row(3, 1, 16, 0, RE, 1),
    _row(3, 4, 24, 0, RE, 2),
    _row(3, 3, 24, 0, RE, 1),
    _row(5, 3, 40, 1 / 4, RE, 2, depth=3),
    _row(3, 6, 80, 0, HS, 2),
    _row(3, 2.5, 80, 0, HS, 1),
    _row(3, 2.3, 80, 0, HS, 1, depth=2),
    _row(3, 6, 112, 1 / 4, HS, 1, depth=2),
    _row(5, 6, 160, 1 / 4, HS, 2, depth=3),
    _conv(960, 1),
)
"""Table 1, with the size of the expansion as a multiple of what enters."""

SMALL = (
    _conv(16, 3, stride=2),
    _row(3, 1, 16, 1 / 4, RE, 2),
    _row(3, 72 / 16, 24, 0, RE, 2),
    _row(3, 88 / 24, 24, 0, RE, 1),
    _row(5, 4, 40, 1 / 4, HS, 2),
    _row(5, 6, 40, 1 / 4, HS, 1, depth=2),
    _row(5, 3, 48, 1 / 4, HS, 1, depth=2),
    _row(5, 6, 96, 1 / 4, HS, 2, depth=3),
    _conv(576, 1),
)
"""Table 2, likewise."""


class MobileNetV3(HeStarted):
    """Inverted residuals, some with squeeze and excite, found by search.

    Args:
        classes: number of outputs.
        sample_shape: `(channels, height, width)`, 8 × 8 or more.
        width: the width multiplier.
        rows: the table that it is applied to: `LARGE` or `SMALL`.
        hidden: channels of the hidden layer before the last, at width 1: 1 280 in the large network, 1 024 in the small one.
        skip: strides that are left out, from the first on; None chooses by the size of the sample, as `stages.fitted` says.
        dropout: share of the hidden features that training drops.

    Raises:
        ModelError: the sample is not an image, or too small.
    """

    def __init__(
        self,
        classes: int = 1000,
        sample_shape: tuple[int, ...] = (3, 224, 224),
        *,
        width: float = 1.0,
        rows: Sequence[Row] = LARGE,
        hidden: int = 1280,
        skip: int | None = None,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        channels, *sides = image_shape(sample_shape, least=8)
        rows = fitted(scaled(rows, width), min(sides), skip)
        features, hidden = channels_of(rows), divisible(hidden * width)
        self.features = build_flat(channels, rows)
        self.classifier = nn.Sequential(nn.Linear(features, hidden), nn.Hardswish(), nn.Dropout(dropout), nn.Linear(hidden, classes))
        self.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(n, classes)` of images `(n, channels, height, width)`."""
        return self.classifier(self.features(x).mean((2, 3)))
