"""Activations that make several channels of one, for networks that are built with them: the layer before needs fewer filters."""

import torch
from torch import Tensor, nn


class CReLU(nn.Module):
    """Both halves of a value: (max(x, 0), max(−x, 0)), channels of the first half first.

    W. Shang, K. Sohn, D. Almeida, H. Lee, "Understanding and Improving Convolutional Neural Networks via Concatenated Rectified Linear
    Units", ICML 2016, definition 2.1: trained filters of low layers come in pairs of opposite phase, so half of them suffice.

    >>> CReLU()(torch.tensor([[2.0, -3.0]])).tolist()
    [[2.0, 0.0, 0.0, 3.0]]
    """

    def forward(self, x: Tensor) -> Tensor:
        """`(n, 2·channels, …)` of `(n, channels, …)`."""
        return torch.cat((x, -x), 1).relu()


class MultiBias(nn.Module):
    """Each channel several times, with a bias of its own each time: max(x + bₖ, 0), channels of the first k first.

    H. Li, W. Ouyang, X. Wang, "Multi-Bias Non-linear Activation in Deep Neural Networks", ICML 2016, equation 3: one response is parted
    by ranges of its magnitude.

    Args:
        channels: that enter.
        copies: of each of them.

    >>> MultiBias(3, copies=2)(torch.zeros(1, 3, 5, 5)).shape
    torch.Size([1, 6, 5, 5])
    """

    def __init__(self, channels: int, copies: int = 2) -> None:
        super().__init__()
        self.copies = copies
        self.bias = nn.Parameter(torch.empty(copies * channels))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Spread the biases of a channel evenly from −1 to 1."""
        self.bias.copy_(torch.linspace(-1, 1, self.copies).repeat_interleave(len(self.bias) // self.copies))

    def forward(self, x: Tensor) -> Tensor:
        """`(n, copies·channels, …)` of `(n, channels, …)`."""
        return (torch.cat([x] * self.copies, 1) + self.bias.reshape(-1, *[1] * (x.ndim - 2))).relu()
