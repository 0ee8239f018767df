"""Compact blocks that stand for one convolution (T outputs, C inputs, kernel h × w).

    kind        layers                                                             size                   weights
    depthwise   each channel by one kernel h × w, then C → T 1 × 1                 1, kernels a channel   C (h·w + T)
                (Howard et al. 2017, "MobileNets", §3.1)
    grouped     C → M by kernels h × w in g groups, shuffle, M → T 1 × 1 in g      g, groups              M (C·h·w + T) / g
                groups (X. Zhang et al. 2018, "ShuffleNet", figure 1; T. Zhang
                et al. 2017, "Interleaved Group Convolutions", §3)
    fire        C → S 1 × 1, then S → ⌊T/2⌋ 1 × 1 and S → ⌈T/2⌉ by kernels h × w   S, squeezed channels   S (C + ⌊T/2⌋ + ⌈T/2⌉·h·w)
                side by side (Iandola et al. 2016, "SqueezeNet", §3.2)
    inverted    C → e·C 1 × 1, each channel by one kernel h × w, e·C → T 1 × 1     e, expansion           e·C (C + h·w + T)
                (Sandler et al. 2018, "MobileNetV2", table 1)
    bottleneck  C → R 1 × 1, R → R by kernels h × w, R → T 1 × 1                   R, channels between    R (C + R·h·w + T)
                (He et al. 2016, "Deep Residual Learning", figure 5)

A block puts out what the convolution put out: what came after it, normalisation, activation, a path around it, stays where it is. Inside,
depthwise and grouped blocks are linear (Chollet 2017, "Xception", §4.7, finds depthwise separable convolutions better so); in the others a
ReLU follows each layer but the last, and these layers have a bias. There is no normalisation inside: it would be folded in the end.
M is the multiple of g² that is nearest to T, so that each group of outputs reads as many channels of each group of inputs.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from laconic.base.errors import ModelError
from laconic.nn.shuffle import ChannelShuffle


class SideBySide(nn.Module):
    """Two layers that read the same value; their channels one after the other."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first, self.second = first, second

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.first(x), self.second(x)], 1)


def obstacle(layer: nn.Conv2d, kind: str, size: int) -> str:
    """Why a convolution cannot be such a block; empty where it can.

    >>> obstacle(nn.Conv2d(8, 8, 1), "depthwise", 1), obstacle(nn.Conv2d(8, 8, 3), "grouped", 4)
    ('its kernel is 1 × 1', '')
    """
    way = layer.padding if isinstance(layer.padding, str) else layer.padding_mode
    reasons = (
        (layer.groups != 1, "it is grouped already"),
        (max(layer.kernel_size) == 1, "its kernel is 1 × 1"),
        (way != "zeros", f"its padding is {way!r}"),
        (kind == "grouped" and _indivisible(layer, size), f"{layer.in_channels} → {layer.out_channels} channels make no {size} groups"),
        (kind == "fire" and not _centred(layer), "its padding does not centre its kernel"),
        (kind == "fire" and layer.out_channels < 2, "it has one output"),
    )
    return next((reason for applies, reason in reasons if applies), "")


def most(layer: nn.Conv2d, kind: str) -> int:
    """The greatest size that makes sense for a block in place of a convolution.

    >>> most(nn.Conv2d(8, 16, 3), "fire"), most(nn.Conv2d(8, 16, 3), "inverted")
    (16, 18)
    """
    match kind:
        case "depthwise":
            return 1
        case "grouped":
            return layer.in_channels
        case "inverted":
            return 2 * math.prod(layer.kernel_size)  # a kernel and its negative for each tap
        case _:
            return max(layer.in_channels, layer.out_channels)


def compact(layer: nn.Module, kind: str, size: int) -> nn.Sequential:
    """A fresh block in place of a convolution, of its type and on its device.

    Raises:
        ModelError: the layer cannot be such a block, or there is none of that size.

    >>> block = compact(nn.Conv2d(8, 6, 3, padding=1), "depthwise", 1)
    >>> [tuple(p.shape) for p in block.parameters()]
    [(8, 1, 3, 3), (6, 8, 1, 1), (6,)]
    """
    if kind not in BLOCKS or type(layer) is not nn.Conv2d:
        raise ModelError(f"{type(layer).__name__} cannot be a block {kind!r}", hint=f"blocks of a Conv2d: {', '.join(BLOCKS)}")
    if not 1 <= size <= most(layer, kind):
        raise ModelError(f"a block {kind} of size {size} makes no sense here", hint=f"1 to {most(layer, kind)}")
    if reason := obstacle(layer, kind, size):
        raise ModelError(f"the convolution cannot be a block {kind}: {reason}")
    block = nn.Sequential(*BLOCKS[kind](layer, size))
    return block.to(layer.weight.device, layer.weight.dtype).train(layer.training)


def convolutions(block: nn.Module) -> list[nn.Conv2d]:
    """Those of a block, in the order of the table above."""
    return [layer for layer in block.modules() if isinstance(layer, nn.Conv2d)]


def linear(kind: str) -> bool:
    """Whether a block is one convolution of low rank, so that `product` has its weight."""
    return kind in ("depthwise", "grouped")


def product(kind: str, size: int, kernels: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The weight `(T, C, h, w)` that a linear block stands for.

    Args:
        kind: depthwise or grouped.
        size: of the block.
        kernels: of its first layer.
        points: of its last layer, `(T, …, 1, 1)`.

    >>> product("depthwise", 1, np.full((3, 1, 2, 2), 2.0), np.full((4, 3, 1, 1), 5.0)).shape
    (4, 3, 2, 2)
    """
    before, after = (len(kernels), 1) if kind == "depthwise" else (size, size)
    whole = _spread(kernels, before)
    order = np.arange(len(whole)).reshape(after, -1).T.reshape(-1)
    return np.einsum("tm,mchw->tchw", _spread(points, after)[..., 0, 0], whole[order], optimize=True)


def _spread(weight: np.ndarray, groups: int) -> np.ndarray:
    """A grouped weight as one of a single group, with zeros."""
    outputs, inputs, *kernel = weight.shape
    whole = np.zeros((groups, outputs // groups, groups, inputs, *kernel), weight.dtype)
    for group, own in enumerate(weight.reshape(groups, outputs // groups, inputs, *kernel)):
        whole[group, :, group] = own
    return whole.reshape(outputs, groups * inputs, *kernel)


def _depthwise(layer: nn.Conv2d, size: int) -> list[nn.Module]:
    channels = layer.in_channels
    return [nn.Conv2d(channels, channels, **_geometry(layer), groups=channels, bias=False), _last(layer, channels)]


def _grouped(layer: nn.Conv2d, groups: int) -> list[nn.Module]:
    between = max(round(layer.out_channels / groups**2), 1) * groups**2
    first = nn.Conv2d(layer.in_channels, between, **_geometry(layer), groups=groups, bias=False)
    return [first, ChannelShuffle(groups), _last(layer, between, groups)]


def _fire(layer: nn.Conv2d, squeezed: int) -> list[nn.Module]:
    few = layer.out_channels // 2
    geometry, bias = _geometry(layer), layer.bias is not None
    points = nn.Conv2d(squeezed, few, 1, geometry["stride"], bias=bias)
    kernels = nn.Conv2d(squeezed, layer.out_channels - few, **geometry, bias=bias)
    return [nn.Conv2d(layer.in_channels, squeezed, 1), nn.ReLU(), SideBySide(points, kernels)]


def _inverted(layer: nn.Conv2d, expansion: int) -> list[nn.Module]:
    hidden = expansion * layer.in_channels
    kernels = nn.Conv2d(hidden, hidden, **_geometry(layer), groups=hidden)
    return [nn.Conv2d(layer.in_channels, hidden, 1), nn.ReLU(), kernels, nn.ReLU(), _last(layer, hidden)]


def _bottleneck(layer: nn.Conv2d, between: int) -> list[nn.Module]:
    kernels = nn.Conv2d(between, between, **_geometry(layer))
    return [nn.Conv2d(layer.in_channels, between, 1), nn.ReLU(), kernels, nn.ReLU(), _last(layer, between)]


BLOCKS: Mapping[str, Callable[[nn.Conv2d, int], list[nn.Module]]] = {
    "depthwise": _depthwise,
    "grouped": _grouped,
    "fire": _fire,
    "inverted": _inverted,
    "bottleneck": _bottleneck,
}


def _last(layer: nn.Conv2d, inputs: int, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, layer.out_channels, 1, groups=groups, bias=layer.bias is not None)


def _geometry(layer: nn.Conv2d) -> dict[str, Any]:
    return {"kernel_size": layer.kernel_size, "stride": layer.stride, "padding": layer.padding, "dilation": layer.dilation}


def _indivisible(layer: nn.Conv2d, groups: int) -> bool:
    return bool(layer.in_channels % groups or layer.out_channels % groups)


def _centred(layer: nn.Conv2d) -> bool:
    """Whether the kernel's middle tap reads what a 1 × 1 kernel reads."""
    sides = zip(layer.kernel_size, layer.padding, layer.dilation, strict=True)
    return all(size % 2 == 1 and pad == dilation * (size - 1) // 2 for size, pad, dilation in sides)
