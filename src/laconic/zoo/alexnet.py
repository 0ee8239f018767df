"""AlexNet, in two groups as in its paper and in one as in torchvision.

A. Krizhevsky, I. Sutskever, G. E. Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", NIPS 2012. In one group:
A. Krizhevsky, "One weird trick for parallelizing convolutional neural networks", arXiv 1404.5997, 2014.

| network         | side | parameters | MACs    | ImageNet top-1 error       |
|-----------------|-----:|-----------:|--------:|---------------------------:|
| AlexNet, 2012   |  227 | 60 965 224 | 724.4 M | 40.7 % (table 2, validation) |
| AlexNet, 2014   |  224 | 61 100 840 | 714.2 M | 43.5 % (torchvision)       |

The paper says 60 million parameters, and 224 × 224 pixels, from which its 55 × 55 maps cannot come. Names of parameters of the second are
torchvision's, whose checkpoint loads as it is.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from laconic.zoo.blocks.initialise import HeStarted
from laconic.zoo.blocks.plain import PlainStage, averaged, last_side, plain_conv, plain_features
from laconic.zoo.shapes import image_shape
from laconic.zoo.stages import Pool, Row, channels_of, fitted

PLAIN: tuple[Row, ...] = (
    PlainStage(width=64, kernel=11, stride=4, padding=2, block=plain_conv),
    Pool(3, 2),
    PlainStage(width=192, kernel=5, block=plain_conv),
    Pool(3, 2),
    PlainStage(width=384, block=plain_conv),
    PlainStage(width=256, depth=2, block=plain_conv),
    Pool(3, 2),
)
"""2014: one group, no response normalisation."""

GROUPED: tuple[Row, ...] = (
    PlainStage(width=96, kernel=11, stride=4, padding=0, responses=True, block=plain_conv),
    Pool(3, 2),
    PlainStage(width=256, kernel=5, groups=2, responses=True, block=plain_conv),
    Pool(3, 2),
    PlainStage(width=384, block=plain_conv),
    PlainStage(width=384, groups=2, block=plain_conv),
    PlainStage(width=256, groups=2, block=plain_conv),
    Pool(3, 2),
)
"""2012, figure 2: the groups are the two GPUs."""


class AlexNet(HeStarted):
    """Five convolutions and three fully connected layers.

    Args:
        classes: number of outputs.
        sample_shape: `(channels, height, width)`, 8 × 8 or more.
        rows: its table of convolutions and poolings.
        hidden: channels of both hidden layers.
        skip: strides that are left out, from the first on; None chooses by the size of the sample, as `stages.fitted` says.
        dropout: share of what enters the hidden layers that training drops.

    The last map is averaged down to 6 × 6 pixels; a smaller one stays as it is.

    Raises:
        ModelError: the sample is not an image, or too small.
    """

    def __init__(
        self,
        classes: int = 1000,
        sample_shape: tuple[int, ...] = (3, 224, 224),
        *,
        rows: Sequence[Row] = PLAIN,
        hidden: int = 4096,
        skip: int | None = None,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        channels, height, width = image_shape(sample_shape, least=8)
        rows = fitted(rows, min(height, width), skip)
        self.features = plain_features(channels, rows)
        self.avgpool, pixels = averaged(last_side(height, rows), last_side(width, rows), 6)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(channels_of(rows) * pixels, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, classes),
        )
        self.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(n, classes)` of images `(n, channels, height, width)`."""
        return self.classifier(self.avgpool(self.features(x)).flatten(1))
