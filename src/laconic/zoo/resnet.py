"""ResNet for ImageNet: ResNet-18, -34, -50, -101 and -152.

K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, table 1.

| network    | parameters | MACs     | in the paper | ImageNet top-1 error (table 3 and 4) |
|------------|-----------:|---------:|-------------:|-------------------------------------:|
| ResNet-18  | 11 689 512 |  1 814 M |      1.8 · 10⁹ |                                27.88 % |
| ResNet-34  | 21 797 672 |  3 664 M |      3.6 · 10⁹ |                                25.03 % |
| ResNet-50  | 25 557 032 |  4 089 M |      3.8 · 10⁹ |                                22.85 % |
| ResNet-101 | 44 549 160 |  7 802 M |      7.6 · 10⁹ |                                21.75 % |
| ResNet-152 | 60 192 808 | 11 514 M |     11.3 · 10⁹ |                                21.43 % |

Where ours differs: the stride of a bottleneck is in its 3 × 3 convolution and not in the 1 × 1 before it, as in torchvision, whose names of
parameters and checkpoints these are; that costs the difference of the MACs. Shortcuts are option B.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from laconic.zoo.blocks.conv import ConvNormAct, full_conv
from laconic.zoo.blocks.initialise import HeStarted
from laconic.zoo.shapes import image_shape
from laconic.zoo.stages import Pool, Row, Stage, build, channels_of, fitted


class BasicBlock(nn.Module):
    """Two 3 × 3 convolutions (figure 5 left), added to a shortcut.

    Args:
        inputs: channels that enter.
        stage: its width, kernel and activation are taken.
        stride: of the first convolution.

    `(n, inputs, h, w)` → `(n, width, h / stride, w / stride)`, rounded up.
    """

    def __init__(self, inputs: int, stage: Stage, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = _conv_norm(inputs, stage.width, stage.kernel, stride)
        self.conv2, self.bn2 = _conv_norm(stage.width, stage.width, stage.kernel)
        self.activation = stage.activation()
        self.downsample = _shortcut(inputs, stage.width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """The block's maps."""
        residual = self.activation(self.bn1(self.conv1(x)))
        return self.activation(self.bn2(self.conv2(residual)) + self.downsample(x))


class Bottleneck(nn.Module):
    """A 1 × 1 convolution to a quarter of the width, 3 × 3, and 1 × 1 back (figure 5 right), added to a shortcut.

    Args:
        inputs: channels that enter.
        stage: its width, kernel and activation are taken.
        stride: of the 3 × 3 convolution.

    `(n, inputs, h, w)` → `(n, width, h / stride, w / stride)`, rounded up.
    """

    def __init__(self, inputs: int, stage: Stage, stride: int) -> None:
        super().__init__()
        narrow = stage.width // 4
        self.conv1, self.bn1 = _conv_norm(inputs, narrow, 1)
        self.conv2, self.bn2 = _conv_norm(narrow, narrow, stage.kernel, stride)
        self.conv3, self.bn3 = _conv_norm(narrow, stage.width, 1)
        self.activation = stage.activation()
        self.downsample = _shortcut(inputs, stage.width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """The block's maps."""
        residual = self.activation(self.bn1(self.conv1(x)))
        residual = self.activation(self.bn2(self.conv2(residual)))
        return self.activation(self.bn3(self.conv3(residual)) + self.downsample(x))


def _conv_norm(inputs: int, outputs: int, kernel: int, stride: int = 1) -> ConvNormAct:
    return ConvNormAct(inputs, outputs, kernel, stride, activation=None)


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    return nn.Identity() if stride == 1 and inputs == outputs else _conv_norm(inputs, outputs, 1, stride)


def table(block: type[nn.Module], depths: Sequence[int], width: int) -> tuple[Row, ...]:
    """Table 1.

    Args:
        block: `BasicBlock` or `Bottleneck`.
        depths: blocks in conv2_x to conv5_x.
        width: channels that leave conv2_x; they double with every stage.
    """
    rest = (Stage(width=width << n, depth=depth, stride=2 if n else 1, block=block) for n, depth in enumerate(depths))
    return (Stage(width=64, kernel=7, stride=2, block=full_conv), Pool(3, 2, padding=1), *rest)


TABLES = {
    18: table(BasicBlock, (2, 2, 2, 2), 64),
    34: table(BasicBlock, (3, 4, 6, 3), 64),
    50: table(Bottleneck, (3, 4, 6, 3), 256),
    101: table(Bottleneck, (3, 4, 23, 3), 256),
    152: table(Bottleneck, (3, 8, 36, 3), 256),
}
"""Tables by depth."""


class ResNet(HeStarted):
    """A residual network of four stages.

    Args:
        classes: number of outputs.
        sample_shape: `(channels, height, width)`, 8 × 8 or more.
        rows: its table: the first convolution, the pooling, and stages of blocks.
        skip: strides that are left out, from the first on; None chooses by the size of the sample, as `stages.fitted` says: for CIFAR the
            first convolution is 3 × 3 without a stride, and nothing is pooled.

    Raises:
        ModelError: the sample is not an image, or too small.
    """

    def __init__(
        self,
        classes: int = 1000,
        sample_shape: tuple[int, ...] = (3, 224, 224),
        *,
        rows: Sequence[Row] = TABLES[18],
        skip: int | None = None,
    ) -> None:
        super().__init__()
        channels, *sides = image_shape(sample_shape, least=8)
        table = build(channels, fitted(rows, min(sides), skip))
        (stem,), (self.maxpool,), self.layer1, self.layer2, self.layer3, self.layer4 = table
        self.conv1, self.bn1, self.relu = stem.children()
        self.fc = nn.Linear(channels_of(rows), classes)
        self.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(n, classes)` of images `(n, channels, height, width)`."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))
