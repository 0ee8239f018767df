"""Channel shuffle: what one group of a convolution has made reaches all groups of the next."""

from torch import Tensor, nn


class ChannelShuffle(nn.Module):
    """Groups of channels dealt out like cards (Zhang et al. 2018, section 3.1): `(g, c / g)` channels transposed and put in a row again.

    Args:
        groups: a divisor of the number of channels.

    `(n, channels, h, w)` → the same shape.

    >>> import torch
    >>> ChannelShuffle(2)(torch.arange(6).reshape(1, 6, 1, 1)).flatten().tolist()
    [0, 3, 1, 4, 2, 5]
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """The channels in their new order."""
        _, channels, height, width = x.shape
        x = x.reshape(-1, self.groups, channels // self.groups, height, width)
        return x.transpose(1, 2).reshape(-1, channels, height, width)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"
