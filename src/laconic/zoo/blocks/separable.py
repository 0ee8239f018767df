"""Depthwise separable convolution: space and channels one after the other."""

from torch import nn

from laconic.zoo.blocks.conv import ConvNormAct, check_groups
from laconic.zoo.stages import Stage


class DepthwiseSeparable(nn.Sequential):
    """A depthwise and a 1 × 1 convolution, each with batch norm and activation.

    Howard et al. 2017, figure 3 right: `k²·I + I·O` weights for the `k²·I·O` of a full convolution, a share of `1/O + 1/k²` (equation 5).

    Args:
        inputs: channels that enter.
        stage: its width, kernel and activation are taken.
        stride: of the depthwise convolution.

    `(n, inputs, h, w)` → `(n, width, h / stride, w / stride)`, rounded up.

    >>> sum(p.numel() for p in DepthwiseSeparable(2, Stage(width=4, block=DepthwiseSeparable), 1).parameters() if p.ndim == 4)
    26
    """

    def __init__(self, inputs: int, stage: Stage, stride: int) -> None:
        super().__init__(
            ConvNormAct(inputs, inputs, stage.kernel, stride, groups=inputs, activation=stage.activation),
            ConvNormAct(inputs, stage.width, 1, activation=stage.activation),
        )


class SeparableConv(nn.Sequential):
    """A grouped spatial and a 1 × 1 convolution with nothing between them, then batch norm.

    Chollet 2017: between a full convolution (`groups=1`) and a depthwise one (as many groups as channels) lies the spectrum on which an
    Inception module has three or four groups and Xception is the far end (section 1.2, figures 2 to 4).

    Args:
        inputs, outputs: channels.
        kernel: side of the spatial convolution in pixels, odd.
        groups: of the spatial convolution; a divisor of `inputs`, None for one per channel.

    Raises:
        ModelError: the groups do not divide the inputs.

    `(n, inputs, h, w)` → `(n, outputs, h, w)`.

    >>> [sum(p.numel() for p in SeparableConv(8, 16, groups=g).parameters()) - 32 for g in (1, 2, 4, None)]
    [704, 416, 272, 200]
    """

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, groups: int | None = None) -> None:
        groups = inputs if groups is None else groups
        check_groups(inputs, inputs, groups)
        super().__init__(
            nn.Conv2d(inputs, inputs, kernel, padding=kernel // 2, groups=groups, bias=False),
            nn.Conv2d(inputs, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
