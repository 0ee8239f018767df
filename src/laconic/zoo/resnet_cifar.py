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

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from laconic.base.errors import ModelError
from laconic.zoo.blocks.initialise import he_normal
from laconic.zoo.shapes import image_shape

Shortcut = Literal["A", "B"]


class ResNetCifar(nn.Module):
    """A residual network of depth 6n + 2 for small images.

    Args:
        depth: number of layers with weights on the longest path; 20, 32, 44, 56, 110 in the paper.
        classes: number of outputs.
        sample_shape: `(channels, height, width)`, 8 × 8 or more.
        shortcut: where the shape changes, "A" subsamples and pads with zero channels (no parameters; the paper's choice on
            CIFAR), "B" projects with a 1 × 1 convolution and batch norm.

    Raises:
        ModelError: the depth is not 6n + 2, or the sample is not an image, or too small.
    """

    def __init__(
        self, depth: int = 20, classes: int = 10, sample_shape: tuple[int, ...] = (3, 32, 32), *, shortcut: Shortcut = "A"
    ) -> None:
        super().__init__()
        if depth < 8 or depth % 6 != 2:
            raise ModelError(f"a ResNet for CIFAR has a depth of 6n + 2, not {depth}", hint="20, 32, 44, 56 or 110")
        channels, _, _ = image_shape(sample_shape, least=8)
        blocks = (depth - 2) // 6
        self.conv1 = nn.Conv2d(channels, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = _stage(16, 16, blocks, stride=1, shortcut=shortcut)
        self.layer2 = _stage(16, 32, blocks, stride=2, shortcut=shortcut)
        self.layer3 = _stage(32, 64, blocks, stride=2, shortcut=shortcut)
        self.linear = nn.Linear(64, classes)
        self.apply(he_normal)

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(n, classes)` of images `(n, channels, height, width)`."""
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))


class Block(nn.Module):
    """Two 3 × 3 convolutions with batch norm, added to a shortcut (figure 2, equations 1 and 2)."""

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1, shortcut: Shortcut = "A") -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = _shortcut(inputs, outputs, stride, shortcut)

    def forward(self, x: Tensor) -> Tensor:
        """`(n, outputs, height / stride, width / stride)` of `(n, inputs, height, width)`."""
        residual = functional.relu(self.bn1(self.conv1(x)))
        residual = self.bn2(self.conv2(residual))
        return functional.relu(residual + self.shortcut(x))


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


def _shortcut(inputs: int, outputs: int, stride: int, kind: Shortcut) -> nn.Module:
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    if kind == "A":
        return SubsampleAndPad(inputs, outputs, stride)
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs))


def _stage(inputs: int, outputs: int, blocks: int, *, stride: int, shortcut: Shortcut) -> nn.Sequential:
    first = Block(inputs, outputs, stride=stride, shortcut=shortcut)
    return nn.Sequential(first, *(Block(outputs, outputs) for _ in range(1, blocks)))
