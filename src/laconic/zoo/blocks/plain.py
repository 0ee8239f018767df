"""Networks before residuals: convolutions and poolings in a row, then three fully connected layers."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from laconic.zoo.blocks.conv import check_groups
from laconic.zoo.stages import Pool, Row, Stage, build


@dataclass(frozen=True, kw_only=True)
class PlainStage(Stage):
    """A stage of convolutions with biases, each with an activation behind it.

    Args:
        padding: pixels on every side, no more than half a window; None for half a window, which keeps the sides but for the stride.
        groups: of the convolutions.
        responses: local response normalisation behind the activation (Krizhevsky et al. 2012, section 3.3).
        norm: batch normalisation before the activation.
    """

    padding: int | None = None
    groups: int = 1
    responses: bool = False
    norm: bool = False

    @property
    def margin(self) -> int:
        """The padding in pixels, for windows of this kernel."""
        return self.kernel // 2 if self.padding is None else min(self.padding, self.kernel // 2)


def plain_conv(inputs: int, stage: PlainStage, stride: int) -> nn.Sequential:
    """The block of a plain stage.

    Krizhevsky et al. divide by `(2 + 10⁻⁴ Σ a²)^0.75`, the sum over five channels; torch's α is that of the sum's mean.

    Raises:
        ModelError: the channels cannot be shared out among the groups.
    """
    check_groups(inputs, stage.width, stage.groups)
    layers: list[nn.Module] = [nn.Conv2d(inputs, stage.width, stage.kernel, stride, stage.margin, groups=stage.groups)]
    layers += [nn.BatchNorm2d(stage.width)] if stage.norm else []
    layers += [stage.activation()]
    layers += [nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)] if stage.responses else []
    return nn.Sequential(*layers)


def plain_features(inputs: int, rows: Sequence[Row]) -> nn.Sequential:
    """The layers of a table of plain stages and poolings, one after the other.

    Args:
        inputs: channels of the image.
        rows: stages and poolings.
    """
    layers: list[nn.Module] = []
    for row in build(inputs, rows):
        for block in row:
            layers += block.children() if isinstance(block, nn.Sequential) else [block]
    return nn.Sequential(*layers)


def last_side(side: int, rows: Sequence[Row]) -> int:
    """Side of the last map in pixels, for an image of this side.

    >>> last_side(32, [PlainStage(width=8, block=plain_conv), Pool(2, 2), Pool(3, 2, ceil=True)])
    8
    """
    for row in rows:
        if isinstance(row, PlainStage):
            for number in range(row.depth):
                side = (side - row.kernel + 2 * row.margin) // (1 if number else row.stride) + 1
        elif isinstance(row, Pool) and row.stride > 1:
            past = side - row.kernel + 2 * row.padding
            side = (-(-past // row.stride) if row.ceil else past // row.stride) + 1
    return side


def averaged(height: int, width: int, side: int) -> tuple[nn.Module, int]:
    """What brings a last map to `side` × `side` pixels, and how many pixels then are left: a smaller map stays as it is.

    Args:
        height, width: of the map.
        side: that the paper's network has.
    """
    if height <= side and width <= side:
        return nn.Identity(), height * width
    return nn.AdaptiveAvgPool2d((min(height, side), min(width, side))), min(height, side) * min(width, side)
