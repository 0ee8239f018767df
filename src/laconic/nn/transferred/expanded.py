"""Convolutions whose filters are computed from fewer weights in every forward pass; in a session once, when it is opened."""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

Size = int | tuple[int, ...]


def pair(size: Size) -> tuple[int, int]:
    """One number an axis."""
    return (size, size) if isinstance(size, int) else (size[0], size[1])


class ExpandedConv2d(nn.Module, ABC):
    """What such convolutions have in common: the geometry of `nn.Conv2d`, base weights, a bias.

    Args:
        weight_shape: of the base weights.
        fan_in: weights of one filter, for the start.
        biases: how many there are; 0 for none.
        kernel_size, stride, padding, dilation: as of `nn.Conv2d`.
    """

    def __init__(
        self,
        weight_shape: tuple[int, ...],
        fan_in: int,
        biases: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.dilation = pair(kernel_size), pair(stride), pair(dilation)
        self.padding = padding if isinstance(padding, str) else pair(padding)
        self.fan_in = fan_in
        self.weight = nn.Parameter(torch.empty(weight_shape))
        self.bias = nn.Parameter(torch.empty(biases)) if biases else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw base weights and biases as torch draws those of its convolutions: evenly within 1 / √fan-in."""
        bound = 1 / math.sqrt(self.fan_in)
        for parameter in self.parameters(recurse=False):
            nn.init.uniform_(parameter, -bound, bound)

    @abstractmethod
    def filters(self) -> Tensor:
        """The filters that the base stands for, `(outputs, inputs, height, width)`, all channels flat."""

    @property
    @abstractmethod
    def multiplied(self) -> int:
        """Multiply-adds at one position of the output, all channels together."""

    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """`functional.conv2d` in this layer's geometry."""
        return nn.functional.conv2d(x, weight, bias, self.stride, self.padding, self.dilation)

    def extra_repr(self) -> str:
        base = "×".join(map(str, self.weight.shape))
        return f"base {base}, kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
