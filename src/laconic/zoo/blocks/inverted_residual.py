"""The inverted residual: expand, filter depthwise, project to few channels without an activation.

M. Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018, table 1. With squeeze and excite behind the
depthwise filters: A. Howard et al., "Searching for MobileNetV3", ICCV 2019, figure 4.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor, nn

from laconic.zoo.blocks.conv import ConvNormAct, Norm
from laconic.zoo.blocks.squeeze_excite import SqueezeExcite
from laconic.zoo.stages import Stage, divisible


@dataclass(frozen=True, kw_only=True)
class InvertedStage(Stage):
    """A stage of inverted residuals.

    Args:
        expand: channels of the depthwise filters, as a multiple of those that enter: the paper's t. At 1 there is no expansion; below 1
            the block compresses first, as a classic bottleneck does.
        squeeze: channels between the layers of squeeze and excite, as a share of the expanded ones; 0 leaves it out.
        bottleneck: activation behind the projection; None is the paper's linear bottleneck.
    """

    expand: float = 6
    squeeze: float = 0
    bottleneck: type[nn.Module] | None = None


class InvertedResidual(nn.Module):
    """One block, added to what enters where the shapes agree.

    Args:
        inputs: channels that enter.
        stage: all of it is taken but the depth.
        stride: of the depthwise convolution.
        norm: builds a normalisation from the number of channels.

    `(n, inputs, h, w)` → `(n, width, h / stride, w / stride)`, rounded up.

    >>> block = InvertedResidual(24, InvertedStage(width=24, block=InvertedResidual), 1)
    >>> sum(p.numel() for p in block.parameters() if p.ndim == 4)
    8208
    """

    def __init__(self, inputs: int, stage: InvertedStage, stride: int, *, norm: Norm = nn.BatchNorm2d) -> None:
        super().__init__()
        self.block = nn.Sequential(*inverted(inputs, stage, stride, norm))
        self.adds = adds(inputs, stage, stride)

    def forward(self, x: Tensor) -> Tensor:
        """The block's maps, on top of `x` where it adds."""
        return x + self.block(x) if self.adds else self.block(x)


def adds(inputs: int, stage: Stage, stride: int) -> bool:
    """Whether what enters has the shape of what leaves."""
    return stride == 1 and inputs == stage.width


def inverted(inputs: int, stage: InvertedStage, stride: int, norm: Norm = nn.BatchNorm2d) -> Iterator[nn.Sequential | SqueezeExcite]:
    """The parts of a block in their order: expansion, depthwise filters, squeeze and excite, projection.

    Args:
        inputs, stage, stride, norm: as for `InvertedResidual`.
    """
    hidden = inputs if stage.expand == 1 else divisible(inputs * stage.expand)
    if hidden != inputs:
        yield ConvNormAct(inputs, hidden, 1, activation=stage.activation, norm=norm)
    yield ConvNormAct(hidden, hidden, stage.kernel, stride, groups=hidden, activation=stage.activation, norm=norm)
    if stage.squeeze:
        yield SqueezeExcite(hidden, divisible(hidden * stage.squeeze))
    yield ConvNormAct(hidden, stage.width, 1, activation=stage.bottleneck, norm=norm)
