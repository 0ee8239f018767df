"""ShuffleNet, the first.

X. Zhang, X. Zhou, M. Lin, J. Sun, "ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices", CVPR 2018.

| network 1×, groups | parameters | MACs    | in the paper | ImageNet top-1 error (table 2) |
|--------------------|-----------:|--------:|-------------:|-------------------------------:|
| 1                  |  1 531 936 | 143.1 M |        143 M |                         33.6 % |
| 2                  |  1 733 848 | 140.8 M |        140 M |                         32.7 % |
| 3                  |  1 865 728 | 137.5 M |        137 M |                         32.6 % |
| 4                  |  1 968 344 | 134.3 M |        133 M |                         32.8 % |
| 8                  |  2 434 768 | 138.4 M |        137 M |                         32.4 % |

At other widths channels are rounded to what the groups ask for. With three groups, 0.5× costs 37.6 M MACs (38 M in the paper) and 0.25×
costs 11.0 M (13 M in the paper).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from laconic.nn.shuffle import ChannelShuffle
from laconic.zoo.blocks.conv import ConvNormAct, full_conv
from laconic.zoo.blocks.initialise import HeStarted
from laconic.zoo.shapes import image_shape
from laconic.zoo.stages import Pool, Row, Stage, build_flat, channels_of, fitted, scaled


@dataclass(frozen=True, kw_only=True)
class ShuffleStage(Stage):
    """A stage of ShuffleNet units.

    Args:
        groups: of the 1 × 1 convolutions.
        first_groups: of the first unit's first one; stage 2 has few channels there, and does not group them (section 3.2).
    """

    groups: int
    first_groups: int


class Unit(nn.Module):
    """Grouped 1 × 1, shuffle, depthwise, grouped 1 × 1 (figure 2b), added to what enters.

    Where the channels change, the branch makes only those that are new, and what enters is put before them, averaged over 3 × 3 pixels
    where there is a stride (figure 2c).

    Args:
        inputs: channels that enter.
        stage: its width, groups, kernel and activation are taken; a quarter of the width are the channels of the depthwise filters.
        stride: of the depthwise filters and of the average.

    `(n, inputs, h, w)` → `(n, width, h / stride, w / stride)`, rounded up.
    """

    def __init__(self, inputs: int, stage: ShuffleStage, stride: int) -> None:
        super().__init__()
        self.widens = inputs != stage.width
        narrow, outputs = stage.width // 4, stage.width - inputs if self.widens else stage.width
        groups = stage.first_groups if self.widens else stage.groups
        self.branch = nn.Sequential(
            ConvNormAct(inputs, narrow, 1, groups=groups, activation=stage.activation),
            ChannelShuffle(stage.groups),
            ConvNormAct(narrow, narrow, stage.kernel, stride, groups=narrow, activation=None),
            ConvNormAct(narrow, outputs, 1, groups=stage.groups, activation=None),
        )
        self.shortcut = nn.AvgPool2d(3, stride, 1) if stride > 1 else nn.Identity()
        self.activation = stage.activation()

    def forward(self, x: Tensor) -> Tensor:
        """The unit's maps."""
        kept, made = self.shortcut(x), self.branch(x)
        return self.activation(torch.cat([kept, made], 1) if self.widens else kept + made)


WIDTHS = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}
"""Channels of stage 2 by the number of groups (table 1): about as many MACs in all five networks."""


def table(groups: int) -> tuple[Row, ...]:
    """Table 1.

    Args:
        groups: of the 1 × 1 convolutions: 1, 2, 3, 4 or 8.
    """
    units = (_row(WIDTHS[groups] << n, depth, groups, first_groups=groups if n else 1) for n, depth in enumerate((4, 8, 4)))
    return (Stage(width=24, stride=2, multiple=groups, block=full_conv), Pool(3, 2, padding=1), *units)


def _row(width: int, depth: int, groups: int, first_groups: int) -> ShuffleStage:
    """Scaled, a quarter of its width must still be shared out among the groups."""
    return ShuffleStage(width=width, depth=depth, stride=2, multiple=4 * groups, groups=groups, first_groups=first_groups, block=Unit)


STAGES = table(groups=3)


class ShuffleNetV1(HeStarted):
    """Units of grouped 1 × 1 convolutions with their channels shuffled between.

    Args:
        classes: number of outputs.
        sample_shape: `(channels, height, width)`, 8 × 8 or more.
        width: the paper's scale factor of channels s.
        rows: the table that it is applied to.
        skip: strides that are left out, from the first on; None chooses by the size of the sample, as `stages.fitted` says.

    Raises:
        ModelError: the sample is not an image, or too small; a table's channels cannot be shared out among its groups.
    """

    def __init__(
        self,
        classes: int = 1000,
        sample_shape: tuple[int, ...] = (3, 224, 224),
        *,
        width: float = 1.0,
        rows: Sequence[Row] = STAGES,
        skip: int | None = None,
    ) -> None:
        super().__init__()
        channels, *sides = image_shape(sample_shape, least=8)
        rows = fitted(scaled(rows, width), min(sides), skip)
        self.features = build_flat(channels, rows)
        self.classifier = nn.Linear(channels_of(rows), classes)
        self.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(n, classes)` of images `(n, channels, height, width)`."""
        return self.classifier(self.features(x).mean((2, 3)))
