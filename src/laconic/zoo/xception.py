"""Xception, and the spectrum between it and full convolutions.

F. Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", CVPR 2017, figure 5.

| network, side  | parameters | in the paper (table 3) | MACs    | ImageNet top-1 (table 1) |
|----------------|-----------:|-----------------------:|--------:|-------------------------:|
| Xception - 299 | 22 855 952 |             22 855 952 | 8 471 M |                   79.0 % |

Where ours differs: the first two convolutions are padded, as all others are.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor, nn

from laconic.zoo.blocks.conv import ConvNormAct, full_conv
from laconic.zoo.blocks.initialise import HeStarted
from laconic.zoo.blocks.separable import SeparableConv
from laconic.zoo.shapes import image_shape
from laconic.zoo.stages import Row, Stage, build_flat, channels_of, fitted, scaled


@dataclass(frozen=True, kw_only=True)
class SeparableStage(Stage):
    """A stage of modules of separable convolutions.

    Args:
        convs: separable convolutions in a module.
        late: the last of them changes the number of channels, not the first.
        groups: of their spatial convolutions; None for one per channel.
    """

    convs: int = 2
    late: bool = False
    groups: int | None = None

    def chain(self, inputs: int) -> list[int]:
        """Channels before, between and behind the separable convolutions."""
        between = inputs if self.late else self.width
        return [inputs, *[between] * (self.convs - 1), self.width]


class Separables(nn.Module):
    """Activations and separable convolutions in turn, a pooling where there is a stride, added to a shortcut.

    Args:
        inputs: channels that enter.
        stage: all of it is taken but the depth.
        stride: of the pooling and of the shortcut.

    `(n, inputs, h, w)` → `(n, width, h / stride, w / stride)`, rounded up.
    """

    def __init__(self, inputs: int, stage: SeparableStage, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*_separables(inputs, stage))
        if stride > 1:
            self.layers.append(nn.MaxPool2d(3, stride, 1))
        same = stride == 1 and inputs == stage.width
        self.shortcut = nn.Identity() if same else ConvNormAct(inputs, stage.width, 1, stride, activation=None)

    def forward(self, x: Tensor) -> Tensor:
        """The module's maps."""
        return self.layers(x) + self.shortcut(x)


def _separables(inputs: int, stage: SeparableStage) -> list[nn.Module]:
    chain, layers = stage.chain(inputs), list[nn.Module]()
    for entering, leaving in itertools.pairwise(chain):
        layers += [stage.activation(), SeparableConv(entering, leaving, stage.kernel, stage.groups)]
    return layers


def exit_conv(inputs: int, stage: SeparableStage, stride: int) -> nn.Sequential:
    """A separable convolution with the activation behind it, as at the exit."""
    return nn.Sequential(SeparableConv(inputs, stage.width, stage.kernel, stage.groups), stage.activation())


STAGES: tuple[Row, ...] = (
    Stage(width=32, stride=2, block=full_conv),
    Stage(width=64, block=full_conv),
    *(SeparableStage(width=width, stride=2, block=Separables) for width in (128, 256, 728)),
    SeparableStage(width=728, depth=8, convs=3, block=Separables),
    SeparableStage(width=1024, stride=2, late=True, block=Separables),
    SeparableStage(width=1536, block=exit_conv),
    SeparableStage(width=2048, block=exit_conv),
)
"""Figure 5: entry, middle and exit flow."""


class Xception(HeStarted):
    """Residual modules of separable convolutions.

    Args:
        classes: number of outputs.
        sample_shape: `(channels, height, width)`, 8 × 8 or more.
        groups: of all spatial convolutions but the first two; 1 for full convolutions between 1 × 1 ones, None for the paper's one per
            channel. It must divide all widths: 2, 4 and 8 do.
        width: a width multiplier.
        rows: the table that it is applied to.
        skip: strides that are left out, from the first on; None chooses by the size of the sample, as `stages.fitted` says.
        dropout: share of the last features that training drops.

    Raises:
        ModelError: the sample is not an image, or too small; channels cannot be shared out among the groups.
    """

    def __init__(
        self,
        classes: int = 1000,
        sample_shape: tuple[int, ...] = (3, 299, 299),
        *,
        groups: int | None = None,
        width: float = 1.0,
        rows: Sequence[Row] = STAGES,
        skip: int | None = None,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        channels, *sides = image_shape(sample_shape, least=8)
        grouped = [replace(row, groups=groups) if isinstance(row, SeparableStage) else row for row in rows]
        table = fitted(scaled(grouped, width), min(sides), skip)
        self.features = build_flat(channels, table)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(channels_of(table), classes))
        self.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(n, classes)` of images `(n, channels, height, width)`."""
        return self.classifier(self.features(x).mean((2, 3)))
