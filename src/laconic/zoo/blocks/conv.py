"""Convolution, batch normalisation, activation."""

from collections.abc import Callable

from torch import nn

from laconic.base.errors import ModelError
from laconic.zoo.stages import Stage

Norm = Callable[[int], nn.Module]


class ConvNormAct(nn.Sequential):
    """A convolution without bias, padded so that the stride alone divides the image; batch norm; an activation.

    Args:
        inputs, outputs: channels.
        kernel: side in pixels, odd.
        stride: of the convolution.
        groups: of the convolution; with as many as `inputs` it is depthwise.
        activation: its class; None stays linear.
        norm: builds the normalisation from the number of channels.

    Raises:
        ModelError: the channels cannot be shared out among the groups.

    `(n, inputs, h, w)` → `(n, outputs, h / stride, w / stride)`, rounded up.

    >>> [type(layer).__name__ for layer in ConvNormAct(3, 8)]
    ['Conv2d', 'BatchNorm2d', 'ReLU']
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        stride: int = 1,
        groups: int = 1,
        *,
        activation: type[nn.Module] | None = nn.ReLU,
        norm: Norm = nn.BatchNorm2d,
    ) -> None:
        check_groups(inputs, outputs, groups)
        conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        super().__init__(conv, norm(outputs), *([] if activation is None else [activation()]))


def full_conv(inputs: int, stage: Stage, stride: int, *, norm: Norm = nn.BatchNorm2d) -> ConvNormAct:
    """The block of a stage of full convolutions."""
    return ConvNormAct(inputs, stage.width, stage.kernel, stride, activation=stage.activation, norm=norm)


def check_groups(inputs: int, outputs: int, groups: int) -> None:
    """Refuse a convolution whose channels cannot be shared out among its groups.

    Raises:
        ModelError: inputs or outputs are no multiple of the groups, or there are none.
    """
    if groups < 1 or inputs % groups or outputs % groups:
        raise ModelError(f"{inputs} → {outputs} channels make no {groups} groups", hint="take groups that divide both, or change the width")
