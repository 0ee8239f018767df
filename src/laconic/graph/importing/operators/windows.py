"""Convolutions and pools: operators that slide a window over the spatial axes (those after batch and channels)."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from laconic.base.errors import ModelError

_CONV = (F.conv1d, F.conv2d, F.conv3d)
_TRANSPOSED = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)
_MAX = (F.max_pool1d, F.max_pool2d, F.max_pool3d)
_AVERAGE: Sequence[Any] = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)
MOST_AXES = 3


def same_pads(x: Tensor, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int], upper: bool) -> list[int]:
    """The pads (all before, then all after) that give ⌈side / stride⌉ outputs; an odd one goes to the end (upper) or the start."""
    spans = [dilation * (side - 1) + 1 for side, dilation in zip(kernel, dilations, strict=True)]
    whole = [max(0, (-(-n // s) - 1) * s + k - n) for n, k, s in zip(x.shape[2:], spans, strides, strict=True)]
    small, large = [total // 2 for total in whole], [total - total // 2 for total in whole]
    return small + large if upper else large + small


def same_padded(x: Tensor, *, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int], upper: bool) -> Tensor:
    """x with zeros around it, as `same_pads` has them."""
    return padded(x, same_pads(x, kernel, strides, dilations, upper))


def padded(x: Tensor, pads: Sequence[int], value: float = 0.0) -> Tensor:
    """x with so many elements of `value` before (first half) and after (second half) each spatial axis."""
    axes = len(pads) // 2
    ordered = [pads[axis + half * axes] for axis in reversed(range(axes)) for half in (0, 1)]
    return F.pad(x, ordered, value=value) if any(ordered) else x


def window_pads(
    x: Tensor, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int], pads: Sequence[int] | None, auto_pad: str
) -> list[int]:
    """The pads that the attributes say, all before, then all after."""
    if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        return same_pads(x, kernel, strides, dilations, auto_pad == "SAME_UPPER")
    return list(pads or [0] * 2 * len(kernel)) if auto_pad == "NOTSET" else [0] * 2 * len(kernel)


def conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: list[int] | None = None,
    group: int = 1,
    kernel_shape: list[int] | None = None,
    pads: list[int] | None = None,
    strides: list[int] | None = None,
) -> Tensor:
    axes = axes_of(weight)
    strides, dilations = strides or [1] * axes, dilations or [1] * axes
    around = window_pads(x, weight.shape[2:], strides, dilations, pads, auto_pad)
    if around[:axes] == around[axes:]:
        return _CONV[axes - 1](x, weight, bias, strides, around[:axes], dilations, group)
    return _CONV[axes - 1](padded(x, around), weight, bias, strides, 0, dilations, group)


def axes_of(weight: Tensor) -> int:
    """How many spatial axes a convolution with this weight has.

    Raises:
        ModelError: none, or more than torch has.
    """
    axes = weight.ndim - 2
    if not 1 <= axes <= MOST_AXES:
        raise ModelError(f"a convolution over {axes} axes is not known to torch")
    return axes


def conv_transpose(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: list[int] | None = None,
    group: int = 1,
    kernel_shape: list[int] | None = None,
    output_padding: list[int] | None = None,
    output_shape: list[int] | None = None,
    pads: list[int] | None = None,
    strides: list[int] | None = None,
) -> Tensor:
    """The whole transposed convolution, from which the pads are cut off."""
    axes = axes_of(weight)
    if output_shape or auto_pad not in ("NOTSET", "VALID"):
        raise ModelError("a transposed convolution whose pads follow from its output is not known here")
    around, more = list(pads or [0] * 2 * axes), output_padding or [0] * axes
    if around[:axes] == around[axes:]:
        return _TRANSPOSED[axes - 1](x, weight, bias, strides or 1, around[:axes], more, group, dilations or 1)
    whole = _TRANSPOSED[axes - 1](x, weight, bias, strides or 1, 0, 0, group, dilations or 1)
    return padded(whole, [extra - side for side, extra in zip(around, [0] * axes + more, strict=True)])


def max_pool(
    x: Tensor,
    *,
    kernel_shape: list[int],
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: list[int] | None = None,
    pads: list[int] | None = None,
    storage_order: int = 0,
    strides: list[int] | None = None,
) -> Tensor:
    axes = len(kernel_shape)
    strides, dilations = strides or [1] * axes, dilations or [1] * axes
    around = window_pads(x, kernel_shape, strides, dilations, pads, auto_pad)
    inside = around[:axes] == around[axes:] and all(2 * pad <= side for pad, side in zip(around[:axes], kernel_shape, strict=True))
    least = -math.inf if x.is_floating_point() else torch.iinfo(x.dtype).min
    given, left = (x, around[:axes]) if inside else (padded(x, around, least), [0] * axes)
    return _MAX[axes - 1](given, kernel_shape, strides, left, dilations, bool(ceil_mode))


def average_pool(
    x: Tensor,
    *,
    kernel_shape: list[int],
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
    dilations: list[int] | None = None,
    pads: list[int] | None = None,
    strides: list[int] | None = None,
) -> Tensor:
    """Where pads do not count and differ, or are wider than torch allows, the sum is divided by the sum of ones."""
    axes = len(kernel_shape)
    strides = strides or [1] * axes
    if any(dilation != 1 for dilation in dilations or ()):
        raise ModelError("average pooling with dilations is not known to torch")
    around = window_pads(x, kernel_shape, strides, [1] * axes, pads, auto_pad)
    inside = around[:axes] == around[axes:] and all(2 * pad <= side for pad, side in zip(around[:axes], kernel_shape, strict=True))
    pool = _AVERAGE[axes - 1]
    if inside:
        return pool(x, kernel_shape, strides, around[:axes], bool(ceil_mode), bool(count_include_pad))
    found = pool(padded(x, around), kernel_shape, strides, 0, bool(ceil_mode))
    return found if count_include_pad else found / pool(padded(torch.ones_like(x), around), kernel_shape, strides, 0, bool(ceil_mode))


def global_average_pool(x: Tensor) -> Tensor:
    return x.mean(list(range(2, x.ndim)), keepdim=True)


def global_max_pool(x: Tensor) -> Tensor:
    return x.amax(list(range(2, x.ndim)), keepdim=True)
