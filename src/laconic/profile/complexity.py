"""Weights and multiply-adds of a layer, from its shapes alone.

One MAC is one multiplication by a weight with its addition. As is the custom, biases and activations are not counted, and
a kernel that overhangs the padding counts in full. Every count is for one sample unless `positions` or the sides say otherwise.
"""

from collections.abc import Sequence
from math import prod


def output_side(side: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """Side of a convolution's output map in pixels: `floor((H − d + 2z)/s) + 1`, with `d` the kernel's span.

    >>> output_side(224, kernel=7, stride=2, padding=3)
    112
    """
    span = dilation * (kernel - 1) + 1
    return (side - span + 2 * padding) // stride + 1


def transposed_side(side: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1, *, extra: int = 0) -> int:
    """Side of a transposed convolution's output map in pixels; `extra` is its output padding.

    >>> transposed_side(output_side(224, 7, 2, 3), 7, 2, 3, extra=1)
    224
    """
    span = dilation * (kernel - 1) + 1
    return (side - 1) * stride - 2 * padding + span + extra


def conv_weights(inputs: int, outputs: int, kernel: Sequence[int], groups: int = 1) -> int:
    """Weights of a convolution (or of its transpose) without bias: `d·d·C·T/groups`.

    >>> conv_weights(3, 64, (7, 7))
    9408
    """
    return prod(kernel) * inputs * outputs // groups


def conv_macs(inputs: int, outputs: int, kernel: Sequence[int], sides: Sequence[int], groups: int = 1) -> int:
    """MACs of a convolution whose *output* map has these sides: `H'·W'·d·d·C·T/groups`.

    >>> conv_macs(3, 64, (7, 7), (112, 112))
    118013952
    """
    return prod(sides) * conv_weights(inputs, outputs, kernel, groups)


def transposed_conv_macs(inputs: int, outputs: int, kernel: Sequence[int], sides: Sequence[int], groups: int = 1) -> int:
    """MACs of a transposed convolution whose *input* map has these sides: every input pixel is spread by the whole kernel.

    >>> transposed_conv_macs(64, 3, (7, 7), (112, 112)) == conv_macs(3, 64, (7, 7), (112, 112))
    True
    """
    return prod(sides) * conv_weights(inputs, outputs, kernel, groups)


def linear_macs(inputs: int, outputs: int, positions: int = 1) -> int:
    """MACs of a fully-connected layer applied at so many positions (the product of all leading axes).

    >>> linear_macs(800, 500)
    400000
    """
    return positions * inputs * outputs


def separable_weights(inputs: int, outputs: int, kernel: Sequence[int]) -> int:
    """Weights of a depthwise and a pointwise convolution in place of a full one: `k²·I + I·O`.

    >>> conv_weights(2, 4, (3, 3)), separable_weights(2, 4, (3, 3))
    (72, 26)
    """
    return conv_weights(inputs, inputs, kernel, groups=inputs) + inputs * outputs


def separable_macs(inputs: int, outputs: int, kernel: Sequence[int], sides: Sequence[int]) -> int:
    """MACs of the same pair on an output map of these sides (Howard et al. 2017, eq. 5).

    >>> conv_macs(3, 256, (5, 5), (8, 8)), separable_macs(3, 256, (5, 5), (8, 8))
    (1228800, 53952)
    """
    return prod(sides) * separable_weights(inputs, outputs, kernel)
