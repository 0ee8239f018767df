"""MobileNetV2.

M. Sandler, A. Howard, M. Zhu, A. Zhmoginov, L.-C. Chen, "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018.

| network, width - side | parameters | in the paper | MACs | in the paper | ImageNet top-1 |
|-----------------------|-----------:|-------------:|-----:|-------------:|---------------:|
| 1.0 - 224             |  3 504 872 |        3.4 M | 301 M |       300 M |         72.0 % |
| 1.4 - 224             |  6 108 776 |        6.9 M | 583 M |       585 M |         74.7 % |

Names of parameters are torchvision's, whose checkpoints load as they are. Multipliers below 1 leave the last layer at 1 280 channels
(section 6.1). Where ours differs: the paper's 1.4 has 6.9 M parameters, more than its table 2 gives.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from laconic.zoo.blocks.conv import full_conv
from laconic.zoo.blocks.initialise import HeStarted
from laconic.zoo.blocks.inverted_residual import InvertedStage, adds, inverted
from laconic.zoo.shapes import image_shape
from laconic.zoo.stages import Row, Stage, build_flat, channels_of, fitted, scaled


class Bottleneck(nn.Module):
    """An inverted residual under torchvision's names, where the projection and its batch norm stand beside the other parts.

    Args:
        inputs, stage, stride: as for `InvertedResidual`.
    """

    def __init__(self, inputs: int, stage: InvertedStage, stride: int) -> None:
        super().__init__()
        *parts, projection = inverted(inputs, stage, stride)
        self.conv = nn.Sequential(*parts, *projection.children())
        self.adds = adds(inputs, stage, stride)

    def forward(self, x: Tensor) -> Tensor:
        """The block's maps, on top of `x` where it adds."""
        return x + self.conv(x) if self.adds else self.conv(x)


def _row(expand: int, width: int, depth: int, stride: int) -> InvertedStage:
    return InvertedStage(expand=expand, width=width, depth=depth, stride=stride, activation=nn.ReLU6, block=Bottleneck)


STAGES = (
    Stage(width=32, stride=2, activation=nn.ReLU6, block=full_conv),
    _row(1, 16, 1, 1),
    _row(6, 24, 2, 2),
    _row(6, 32, 3, 2),
    _row(6, 64, 4, 2),
    _row(6, 96, 3, 1),
    _row(6, 160, 3, 2),
    _row(6, 320, 1, 1),
    Stage(width=1280, kernel=1, activation=nn.ReLU6, block=full_conv),
)
"""Table 2: its columns t, c, n, s."""


class MobileNetV2(HeStarted):
    """Inverted residuals with linear bottlenecks.

    Args:
        classes: number of outputs.
        sample_shape: `(channels, height, width)`, 8 × 8 or more.
        width: the width multiplier.
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
        *body, last = rows
        rows = fitted((*scaled(body, width), *scaled([last], max(width, 1))), min(sides), skip)
        self.features = build_flat(channels, rows)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(channels_of(rows), classes))
        self.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(n, classes)` of images `(n, channels, height, width)`."""
        return self.classifier(self.features(x).mean((2, 3)))
