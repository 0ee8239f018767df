"""Squeeze and excite: each channel is scaled by what all of them have seen.

J. Hu, L. Shen, G. Sun, "Squeeze-and-Excitation Networks", CVPR 2018, equations 2 to 4.
"""

from torch import Tensor, nn


class SqueezeExcite(nn.Module):
    """`x · gate(W₂ relu(W₁ mean(x)))`, the mean over the image.

    Args:
        channels: that enter and leave.
        hidden: channels between the two 1 × 1 convolutions.
        gate: class of the last activation; MobileNetV3 takes the hard sigmoid for the sigmoid.

    `(n, channels, h, w)` → the same shape.

    >>> sum(p.numel() for p in SqueezeExcite(16, 4).parameters())
    148
    """

    def __init__(self, channels: int, hidden: int, gate: type[nn.Module] = nn.Hardsigmoid) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, hidden, 1)
        self.activation = nn.ReLU()
        self.fc2 = nn.Conv2d(hidden, channels, 1)
        self.gate = gate()

    def forward(self, x: Tensor) -> Tensor:
        """The scaled channels."""
        scale = self.fc2(self.activation(self.fc1(x.mean((2, 3), keepdim=True))))
        return x * self.gate(scale)
