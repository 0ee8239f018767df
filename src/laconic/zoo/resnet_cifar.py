"""ResNet for CIFAR-10: ResNet-20, -32, -44, -56 and -110.

K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, section 4.2.

| network    | parameters | in the paper | CIFAR-10 test error (table 6) |
|------------|-----------:|-------------:|------------------------------:|
| ResNet-20  |    269 722 |       0.27 M |                        8.75 % |
| ResNet-32  |    464 154 |       0.46 M |                        7.51 % |
| ResNet-44  |    658 586 |       0.66 M |                        7.17 % |
| ResNet-56  |    853 018 |       0.85 M |                        6.97 % |
| ResNet-110 |  1 727 962 |        1.7 M |                        6.43 % |

A depth of 6n + 2: a 3 × 3 convolution, three stages of n blocks on 32, 16 and 8 pixels with 16, 32 and 64 filters, average pooling,
one linear layer. Names of parameters are those of the well-known public checkpoints, which load as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from laconic.base.errors import ModelError
from laconic.zoo.blocks.conv import ConvNormAct, full_conv
from laconic.zoo.blocks.initialise import HeStarted
from laconic.zoo.shapes import image_shape
from laconic.zoo.stages import Row, Stage, build, channels_of

Shortcut = Literal["A", "B"]


@dataclass(frozen=True, kw_only=True)
class ResidualStage(Stage):
    """A stage of residual blocks.

    Args:
        shortcut: where the shape changes, "A" subsamples and pads with zero channels (no parameters; the paper's choice on CIFAR), "B"
            projects with a 1 × 1 convolution and batch norm.
    """

    shortcut: Shortcut = "A"


class Block(nn.Module):
    """Two 3 × 3 convolutions with batch norm, added to a shortcut (figure 2, equations 1 and 2).

    Args:
        inputs: channels that enter.
        stage: its width, kernel, activation and shortcut are taken.
        stride: of the first convolution and of the shortcut.

    `(n, inputs, h, w)` → `(n, width, h / stride, w / stride)`, rounded up.
    """

    def __init__(self, inputs: int, stage: ResidualStage, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = ConvNormAct(inputs, stage.width, stage.kernel, stride, activation=None)
        self.conv2, self.bn2 = ConvNormAct(stage.width, stage.width, stage.kernel, activation=None)
        self.activation = stage.activation()
        self.shortcut = _shortcut(inputs, stage, stride)

    def forward(self, x: Tensor) -> Tensor:
        """The block's maps."""
        residual = self.activation(self.bn1(self.conv1(x)))
        return self.activation(self.bn2(self.conv2(residual)) + self.shortcut(x))


class SubsampleAndPad(nn.Module):
    """Option A: every `stride`-th pixel, and as many zero channels before as after to fill up to `outputs`."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.before = (outputs - inputs) // 2
        self.after = outputs - inputs - self.before

    def forward(self, x: Tensor) -> Tensor:
        """`(n, outputs, height / stride, width / stride)` of `(n, inputs, height, width)`."""
        return functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.before, self.after))


def _shortcut(inputs: int, stage: ResidualStage, stride: int) -> nn.Module:
    if stride == 1 and inputs == stage.width:
        return nn.Identity()
    if stage.shortcut == "A":
        return SubsampleAndPad(inputs, stage.width, stride)
    return ConvNormAct(inputs, stage.width, 1, stride, activation=None)


STAGES: tuple[Row, ...] = (
    Stage(width=16, block=full_conv),
    ResidualStage(width=16, block=Block),
    ResidualStage(width=32, stride=2, block=Block),
    ResidualStage(width=64, stride=2, block=Block),
)
"""The table of section 4.2, for n = 1: the network's depth says how many blocks are in its stages."""


class ResNetCifar(HeStarted):
    """A residual network of depth 6n + 2 for small images.

    Args:
        depth: number of layers with weights on the longest path; 20, 32, 44, 56, 110 in the paper.
        classes: number of outputs.
        sample_shape: `(channels, height, width)`, 8 × 8 or more.
        shortcut: "A" or "B", for all stages.
        rows: its table: the first convolution, and three stages of blocks whose depth and shortcut are set.

    Raises:
        ModelError: the depth is not 6n + 2, or the sample is not an image, or too small.
    """

    def __init__(
        self,
        depth: int = 20,
        classes: int = 10,
        sample_shape: tuple[int, ...] = (3, 32, 32),
        *,
        shortcut: Shortcut = "A",
        rows: Sequence[Row] = STAGES,
    ) -> None:
        super().__init__()
        if depth < 8 or depth % 6 != 2:
            raise ModelError(f"a ResNet for CIFAR has a depth of 6n + 2, not {depth}", hint="20, 32, 44, 56 or 110")
        channels, _, _ = image_shape(sample_shape, least=8)
        blocks = (depth - 2) // 6
        table = [replace(row, depth=blocks, shortcut=shortcut) if isinstance(row, ResidualStage) else row for row in rows]
        (stem,), *stages = build(channels, table)
        self.conv1, self.bn1, self.activation = stem.children()
        self.layer1, self.layer2, self.layer3 = stages
        self.linear = nn.Linear(channels_of(rows), classes)
        self.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(n, classes)` of images `(n, channels, height, width)`."""
        x = self.activation(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))
