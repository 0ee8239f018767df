"""SqueezeNet 1.0 and 1.1.

F. N. Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size", arXiv 1602.07360, 2016.

| network              | parameters | MACs    | ImageNet top-1 (table 3) |
|----------------------|-----------:|--------:|-------------------------:|
| 1.0                  |  1 248 424 | 819 M   | 57.5 %                   |
| 1.0, simple bypass   |  1 248 424 | 819 M   | 60.4 %                   |
| 1.0, complex bypass  |  1 589 672 | 1 165 M | 58.8 %                   |
| 1.1 (authors' code)  |  1 235 496 | 349 M   | as 1.0                   |

Names of parameters are torchvision's, whose checkpoints load as they are. It has a fiftieth of AlexNet's parameters but not fewer MACs:
AlexNet takes 724 M. The 4.8 MB of the paper's table are 1.248 M parameters in float32; its 7.7 MB for the complex bypass are more than the
1 × 1 convolutions of section 6 hold, 6.4 MB.
"""

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor, nn

from laconic.zoo.blocks.fire import Bypass, Fire, FireStage
from laconic.zoo.blocks.initialise import HeStarted
from laconic.zoo.shapes import image_shape
from laconic.zoo.stages import Pool, Row, Stage, build, channels_of, fitted


def _conv(inputs: int, stage: Stage, stride: int) -> nn.Sequential:
    padding = 0 if stride > 1 else stage.kernel // 2
    return nn.Sequential(nn.Conv2d(inputs, stage.width, stage.kernel, stride, padding), stage.activation())


def _fires(squeeze: int, width: int, depth: int = 1) -> FireStage:
    return FireStage(squeeze=squeeze, width=width, depth=depth, block=Fire)


POOL = Pool(3, 2, ceil=True)
SQUEEZENET_1_0: tuple[Row, ...] = (
    Stage(width=96, kernel=7, stride=2, block=_conv),
    POOL,
    _fires(16, 128, depth=2),
    _fires(32, 256),
    POOL,
    _fires(32, 256),
    _fires(48, 384, depth=2),
    _fires(64, 512),
    POOL,
    _fires(64, 512),
)
"""Table 1: poolings behind conv1, fire4 and fire8."""

SQUEEZENET_1_1: tuple[Row, ...] = (
    Stage(width=64, kernel=3, stride=2, block=_conv),
    POOL,
    _fires(16, 128, depth=2),
    POOL,
    _fires(32, 256, depth=2),
    POOL,
    _fires(48, 384, depth=2),
    _fires(64, 512, depth=2),
)
"""The authors' later version: a smaller conv1, and poolings behind conv1, fire3 and fire5."""


class SqueezeNet(HeStarted):
    """Fire modules, then a 1 × 1 convolution to the classes and the mean over the image.

    Args:
        classes: number of outputs.
        sample_shape: `(channels, height, width)`, 8 × 8 or more.
        rows: its table, `SQUEEZENET_1_0` or `SQUEEZENET_1_1`.
        bypass: "none", "simple" or "complex", for all Fire modules (figure 2).
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
        rows: Sequence[Row] = SQUEEZENET_1_0,
        bypass: Bypass = "none",
        skip: int | None = None,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        channels, *sides = image_shape(sample_shape, least=8)
        fires = [replace(row, bypass=bypass) if isinstance(row, FireStage) else row for row in rows]
        (stem,), *rest = build(channels, fitted(fires, min(sides), skip))
        self.features = nn.Sequential(*stem.children(), *(block for row in rest for block in row))
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Conv2d(channels_of(rows), classes, 1), nn.ReLU())
        self.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(n, classes)` of images `(n, channels, height, width)`."""
        return self.classifier(self.features(x)).mean((2, 3))
