"""ShuffleNet V2.

N. Ma, X. Zhang, H.-T. Zheng, J. Sun, "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design", ECCV 2018.

| network | parameters | MACs  | in the paper (table 5) | ImageNet top-1 error (table 8) |
|---------|-----------:|------:|-----------------------:|-------------------------------:|
| 0.5×    |  1 366 792 | 40.5 M |           1.4 M,  41 M |                         39.7 % |
| 1×      |  2 278 604 | 145 M |           2.3 M, 146 M |                         30.6 % |
| 1.5×    |  3 503 624 | 296 M |           3.5 M, 299 M |                         27.4 % |
| 2×      |  7 393 996 | 583 M |           7.4 M, 591 M |                         25.1 % |

Names of parameters are torchvision's, whose checkpoints load as they are.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from laconic.nn.shuffle import ChannelShuffle
from laconic.zoo.blocks.conv import ConvNormAct, full_conv
from laconic.zoo.blocks.initialise import HeStarted
from laconic.zoo.shapes import image_shape
from laconic.zoo.stages import Pool, Row, Stage, build, channels_of, fitted


class Unit(nn.Module):
    """Half of the channels pass, the others go through 1 × 1, depthwise and 1 × 1 (figure 3c); then all are shuffled.

    Where shape or channels change, both halves are made from all that enters (figure 3d).

    Args:
        inputs: channels that enter.
        stage: its width, kernel and activation are taken.
        stride: of the depthwise filters.

    `(n, inputs, h, w)` → `(n, width, h / stride, w / stride)`, rounded up.
    """

    def __init__(self, inputs: int, stage: Stage, stride: int) -> None:
        super().__init__()
        half, act = stage.width // 2, stage.activation
        self.splits = stride == 1 and inputs == stage.width
        entering = half if self.splits else inputs
        self.branch1 = (
            nn.Sequential()
            if self.splits
            else nn.Sequential(
                *ConvNormAct(inputs, inputs, stage.kernel, stride, groups=inputs, activation=None),
                *ConvNormAct(inputs, half, 1, activation=act),
            )
        )
        self.branch2 = nn.Sequential(
            *ConvNormAct(entering, half, 1, activation=act),
            *ConvNormAct(half, half, stage.kernel, stride, groups=half, activation=None),
            *ConvNormAct(half, half, 1, activation=act),
        )
        self.shuffle = ChannelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        """The unit's maps."""
        left, right = x.chunk(2, 1) if self.splits else (x, x)
        return self.shuffle(torch.cat([self.branch1(left), self.branch2(right)], 1))


def table(width: int, last: int = 1024) -> tuple[Row, ...]:
    """Table 5.

    Args:
        width: channels of stage 2, which double in stages 3 and 4.
        last: channels of conv5.
    """
    units = (Stage(width=width << n, depth=depth, stride=2, block=Unit) for n, depth in enumerate((4, 8, 4)))
    return (Stage(width=24, stride=2, block=full_conv), Pool(3, 2, padding=1), *units, Stage(width=last, kernel=1, block=full_conv))


TABLES = {"0_5": table(48), "1_0": table(116), "1_5": table(176), "2_0": table(244, last=2048)}
"""Tables by the scale of the channels."""


class ShuffleNetV2(HeStarted):
    """Units that split, filter and shuffle.

    Args:
        classes: number of outputs.
        sample_shape: `(channels, height, width)`, 8 × 8 or more.
        rows: its table.
        skip: strides that are left out, from the first on; None chooses by the size of the sample, as `stages.fitted` says.

    Raises:
        ModelError: the sample is not an image, or too small.
    """

    def __init__(
        self,
        classes: int = 1000,
        sample_shape: tuple[int, ...] = (3, 224, 224),
        *,
        rows: Sequence[Row] = TABLES["1_0"],
        skip: int | None = None,
    ) -> None:
        super().__init__()
        channels, *sides = image_shape(sample_shape, least=8)
        rows = fitted(rows, min(sides), skip)
        (self.conv1,), (self.maxpool,), self.stage2, self.stage3, self.stage4, (self.conv5,) = build(channels, rows)
        self.fc = nn.Linear(channels_of(rows), classes)
        self.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(n, classes)` of images `(n, channels, height, width)`."""
        x = self.stage4(self.stage3(self.stage2(self.maxpool(self.conv1(x)))))
        return self.fc(self.conv5(x).mean((2, 3)))
