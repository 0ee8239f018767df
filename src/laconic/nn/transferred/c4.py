"""Group convolutions on C4, the quarter turns: turn the input, and the output turns along (Cohen & Welling, ICML 2016).

Feature maps on the group are `(n, channels, 4, height, width)`; axis 2 is the orientation. A network of such layers is equivariant to
quarter turns when all between them is too: `nn.BatchNorm3d` and `nn.MaxPool3d((1, 2, 2))` are, pointwise activations are, and the
mean or maximum over the last three axes is invariant.

A stride s keeps the law where (side + 2·padding − kernel) is a multiple of s, so that windows reach from edge to edge.
"""

import torch
from torch import Tensor

from laconic.base.errors import ModelError
from laconic.nn.transferred.expanded import ExpandedConv2d

TURNS = 4


def turned(maps: Tensor, turns: int = 1) -> Tensor:
    """Feature maps on the group `(n, channels, 4, side, side)` as the turn of the input turns them: in space, and around the orientations.

    >>> turned(torch.arange(4.0).reshape(1, 1, 4, 1, 1)).flatten().tolist()
    [3.0, 0.0, 1.0, 2.0]
    """
    return maps.rot90(turns, (3, 4)).roll(turns, 2)


class LiftingConv2d(ExpandedConv2d):
    """From the plane to the group: each filter in four orientations (equation 10).

    Args:
        in_channels: C.
        out_channels: T, of four orientations each; weights are `(T, C, size, size)`.
        kernel_size: one number, as the kernel is square.
        stride, padding: as of `nn.Conv2d`, one number each.
        bias: whether every output channel has a bias, the same in all orientations.

    Raises:
        ModelError: the kernel is not one number.

    >>> LiftingConv2d(3, 8, 3, padding=1)(torch.zeros(1, 3, 9, 9)).shape
    torch.Size([1, 8, 4, 9, 9])
    >>> LiftingConv2d(1, 4, (3, 5))
    Traceback (most recent call last):
    laconic.base.errors.ModelError: a kernel is turned by quarters and so is square: its side is one number of pixels, not (3, 5)
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, padding: int = 0, *, bias: bool = True
    ) -> None:
        _check_side(kernel_size)
        shape = (out_channels, in_channels, kernel_size, kernel_size)
        super().__init__(shape, in_channels * kernel_size**2, out_channels * bias, kernel_size, stride, padding)

    def filters(self) -> Tensor:
        """`(4·T, C, size, size)`, the orientations of a channel side by side."""
        return torch.stack([self.weight.rot90(turns, (2, 3)) for turns in range(TURNS)], 1).flatten(0, 1)

    @property
    def multiplied(self) -> int:
        return TURNS * self.weight.numel()

    def forward(self, x: Tensor) -> Tensor:
        """`(n, T, 4, height, width)` of `(n, C, height, width)`."""
        return _apart(self.convolve(x, self.filters(), _of_all(self.bias)))


class GroupConv2d(ExpandedConv2d):
    """From the group to the group: each filter turned in space and around its own orientations (equation 11).

    Args: as of `LiftingConv2d`; weights are `(T, C, 4, size, size)`.

    >>> GroupConv2d(3, 8, 3, padding=1)(torch.zeros(1, 3, 4, 9, 9)).shape
    torch.Size([1, 8, 4, 9, 9])
    >>> GroupConv2d(3, 8, (3, 5))
    Traceback (most recent call last):
    laconic.base.errors.ModelError: a kernel is turned by quarters and so is square: its side is one number of pixels, not (3, 5)
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, padding: int = 0, *, bias: bool = True
    ) -> None:
        _check_side(kernel_size)
        shape = (out_channels, in_channels, TURNS, kernel_size, kernel_size)
        super().__init__(shape, in_channels * TURNS * kernel_size**2, out_channels * bias, kernel_size, stride, padding)

    def filters(self) -> Tensor:
        """`(4·T, 4·C, size, size)`, the orientations of a channel side by side."""
        return torch.stack([turned(self.weight, turns) for turns in range(TURNS)], 1).flatten(2, 3).flatten(0, 1)

    @property
    def multiplied(self) -> int:
        return TURNS * self.weight.numel()

    def forward(self, x: Tensor) -> Tensor:
        """`(n, T, 4, height, width)` of `(n, C, 4, height, width)`."""
        return _apart(self.convolve(x.flatten(1, 2), self.filters(), _of_all(self.bias)))


def _check_side(kernel_size: object) -> None:
    if not isinstance(kernel_size, int):
        raise ModelError(f"a kernel is turned by quarters and so is square: its side is one number of pixels, not {kernel_size}")


def _of_all(bias: Tensor | None) -> Tensor | None:
    """One bias an orientation, all alike."""
    return None if bias is None else bias.repeat_interleave(TURNS)


def _apart(outputs: Tensor) -> Tensor:
    """The orientations on an axis of their own."""
    return outputs.reshape(-1, outputs.shape[1] // TURNS, TURNS, *outputs.shape[2:])
