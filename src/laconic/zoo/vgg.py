"""VGG-11, -13, -16 and -19, with and without batch normalisation.

K. Simonyan, A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015, tables 1 (A, B, D, E) and 2.

| network | parameters  | in the paper | MACs       | ImageNet top-1 error (table 3) |
|---------|------------:|-------------:|-----------:|-------------------------------:|
| VGG-11  | 132 863 336 |        133 M |  7 609.1 M |                         29.6 % |
| VGG-13  | 133 047 848 |        133 M | 11 308.5 M |                         28.7 % |
| VGG-16  | 138 357 544 |        138 M | 15 470.3 M |                         25.6 % |
| VGG-19  | 143 667 240 |        144 M | 19 632.1 M |                         25.5 % |

Names of parameters are torchvision's, whose checkpoints load as they are.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from laconic.zoo.blocks.initialise import HeStarted
from laconic.zoo.blocks.plain import PlainStage, averaged, last_side, plain_conv, plain_features
from laconic.zoo.shapes import image_shape
from laconic.zoo.stages import Pool, Row, channels_of, fitted


def table(*depths: int, norm: bool = False) -> tuple[Row, ...]:
    """Table 1: stages of 3 × 3 convolutions, each with a pooling behind it.

    Args:
        depths: convolutions in the five stages.
        norm: batch normalisation behind every convolution.
    """
    pairs = zip((64, 128, 256, 512, 512), depths, strict=True)
    return tuple(row for width, depth in pairs for row in (PlainStage(width=width, depth=depth, norm=norm, block=plain_conv), Pool(2, 2)))


DEPTHS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
"""Convolutions in the five stages, by the number of layers with weights."""


class VGG(HeStarted):
    """Stages of 3 × 3 convolutions and three fully connected layers.

    Args:
        classes: number of outputs.
        sample_shape: `(channels, height, width)`, 8 × 8 or more.
        rows: its table.
        hidden: channels of both hidden layers; None takes the paper's 4 096, and 512, as is usual for CIFAR, where less than 7 × 7
            pixels are left of the image.
        skip: poolings that are left out, from the first on; None leaves out no more than it takes for one pixel to be left.
        dropout: share of the hidden features that training drops.

    The last map is averaged down to 7 × 7 pixels; a smaller one stays as it is.

    Raises:
        ModelError: the sample is not an image, or too small.
    """

    def __init__(
        self,
        classes: int = 1000,
        sample_shape: tuple[int, ...] = (3, 224, 224),
        *,
        rows: Sequence[Row] | None = None,
        hidden: int | None = None,
        skip: int | None = None,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        channels, height, width = image_shape(sample_shape, least=8)
        rows = fitted(table(*DEPTHS[16]) if rows is None else rows, min(height, width), skip, least=1)
        self.features = plain_features(channels, rows)
        self.avgpool, pixels = averaged(last_side(height, rows), last_side(width, rows), 7)
        hidden = (4096 if pixels == 49 else 512) if hidden is None else hidden
        self.classifier = nn.Sequential(
            nn.Linear(channels_of(rows) * pixels, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, classes),
        )
        self.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(n, classes)` of images `(n, channels, height, width)`."""
        return self.classifier(self.avgpool(self.features(x)).flatten(1))
