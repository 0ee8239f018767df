"""Layers that stand for one: chains of convolutions, or of linear layers, whose product is a weight of low rank.

    kind        of a linear layer or a convolution (T outputs, C inputs, kernel h × w)                              MACs a position
    svd         C → R with the whole kernel, R → T 1 × 1 (Zhang et al. 2016); of a linear layer, C → R → T          R (C·h·w + T)
    spatial     C → R with a kernel h × 1, R → T with 1 × w (Jaderberg et al. 2014, scheme 2)                       R (C·h + T·w)
    tucker      C → R₁ 1 × 1, R₁ → R₂ with the whole kernel, R₂ → T 1 × 1 (Kim et al. 2016)                         C·R₁ + R₁·R₂·h·w + R₂·T
    cp          C → R 1 × 1, R by h × 1 and by 1 × w, each channel by itself, R → T 1 × 1 (Lebedev et al. 2015)     R (C + h + w + T)
    separable   each input channel by M kernels h × w, then C·M → T 1 × 1 (Guo et al. 2018)                         M·C (h·w + T)

No activation stands between, and the last layer has the bias.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import nn

from laconic.base.errors import ModelError

KINDS = ("svd", "spatial", "tucker", "cp", "separable")

Layer = nn.Linear | nn.Conv1d | nn.Conv2d


def suits(kind: str, layer: nn.Module) -> bool:
    """Whether a layer can be factored so."""
    if type(layer) is nn.Linear:
        return kind == "svd"
    if type(layer) not in (nn.Conv1d, nn.Conv2d) or layer.groups != 1 or layer.padding_mode != "zeros":
        return False
    assert isinstance(layer, nn.Conv1d | nn.Conv2d)
    return kind == "svd" or (isinstance(layer, nn.Conv2d) and min(layer.kernel_size) > 1 and not isinstance(layer.padding, str))


def most(kind: str, shape: Sequence[int]) -> tuple[int, ...]:
    """The greatest ranks that make sense for a weight `(T, C, *kernel)`: more would add nothing.

    >>> most("svd", (8, 4, 3, 3)), most("tucker", (8, 4, 3, 3))
    ((8,), (4, 8))
    """
    outputs, inputs, taps = shape[0], shape[1], math.prod(shape[2:])
    match kind:
        case "svd":
            return (min(outputs, inputs * taps),)
        case "spatial":
            return (min(inputs * shape[2], outputs * shape[3]),)
        case "tucker":
            return inputs, outputs
        case "cp":
            return (math.prod(shape) // max(shape),)
        case _:
            return (min(outputs, taps),)


def chain(layer: nn.Module, kind: str, ranks: Sequence[int]) -> nn.Sequential:
    """Fresh layers in place of one, of its type and on its device.

    Raises:
        ModelError: the layer cannot be factored so, or the ranks are none.

    >>> [tuple(p.shape) for p in chain(nn.Conv2d(8, 6, 3, padding=1), "spatial", (4,)).parameters()]
    [(4, 8, 3, 1), (6, 4, 1, 3), (6,)]
    """
    if kind not in KINDS or not suits(kind, layer):
        raise ModelError(f"{type(layer).__name__} cannot be factored as {kind!r}", hint=f"known: {', '.join(KINDS)}")
    assert isinstance(layer, Layer)
    limits = most(kind, tuple(layer.weight.shape))
    if len(ranks) != len(limits) or not all(1 <= rank <= limit for rank, limit in zip(ranks, limits, strict=True)):
        raise ModelError(
            f"{kind} of ranks {tuple(ranks)} makes no sense for a weight {tuple(layer.weight.shape)}", hint=f"{limits} at most"
        )
    made = _linear(layer, ranks[0]) if isinstance(layer, nn.Linear) else _convolutions(layer, kind, tuple(ranks))
    return made.to(layer.weight.device, layer.weight.dtype).train(layer.training)


def _linear(layer: nn.Linear, rank: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(layer.in_features, rank, bias=False), nn.Linear(rank, layer.out_features, layer.bias is not None))


def _convolutions(layer: nn.Conv1d | nn.Conv2d, kind: str, ranks: tuple[int, ...]) -> nn.Sequential:
    inputs, outputs, bias, conv = layer.in_channels, layer.out_channels, layer.bias is not None, type(layer)
    whole: dict[str, Any] = {
        "kernel_size": layer.kernel_size,
        "stride": layer.stride,
        "padding": layer.padding,
        "dilation": layer.dilation,
        "bias": False,
    }
    first = ranks[0]
    match kind:
        case "svd":
            return nn.Sequential(conv(inputs, first, **whole), conv(first, outputs, 1, bias=bias))
        case "spatial":
            return nn.Sequential(
                nn.Conv2d(inputs, first, **_along(layer, 0), bias=False), nn.Conv2d(first, outputs, **_along(layer, 1), bias=bias)
            )
        case "tucker":
            core = conv(first, ranks[1], **whole)
            return nn.Sequential(nn.Conv2d(inputs, first, 1, bias=False), core, nn.Conv2d(ranks[1], outputs, 1, bias=bias))
        case "cp":
            sides = [nn.Conv2d(first, first, **_along(layer, axis), groups=first, bias=False) for axis in (0, 1)]
            return nn.Sequential(nn.Conv2d(inputs, first, 1, bias=False), *sides, nn.Conv2d(first, outputs, 1, bias=bias))
        case _:
            return nn.Sequential(conv(inputs, inputs * first, **whole, groups=inputs), conv(inputs * first, outputs, 1, bias=bias))


def _along(layer: nn.Conv1d | nn.Conv2d, axis: int) -> dict[str, Any]:
    """The layer's geometry along one axis, and none along the other."""
    geometry: dict[str, Any] = {
        "kernel_size": layer.kernel_size,
        "stride": layer.stride,
        "padding": layer.padding,
        "dilation": layer.dilation,
    }
    nothing = {"kernel_size": 1, "stride": 1, "padding": 0, "dilation": 1}
    return {name: tuple(sides[i] if i == axis else nothing[name] for i in (0, 1)) for name, sides in geometry.items()}


def product(kind: str, ranks: Sequence[int], factors: Sequence[np.ndarray]) -> np.ndarray:
    """The weight that a chain of weights stands for.

    >>> product("svd", (2,), [np.ones((2, 3)), np.ones((4, 2))]).tolist()[0]
    [2.0, 2.0, 2.0]
    """
    first, last = factors[0], factors[-1].reshape(factors[-1].shape[0], factors[-1].shape[1], -1)
    match kind:
        case "svd":
            found = np.einsum("tr,rc...->tc...", last[..., 0], first)
        case "spatial":
            found = np.einsum("trw,rch->tchw", last, first[..., 0])
        case "tucker":
            found = np.einsum("ts,srhw,rc->tchw", last[..., 0], factors[1], first[..., 0, 0], optimize=True)
        case "cp":
            found = np.einsum(
                "tr,rh,rw,rc->tchw", last[..., 0], factors[1][:, 0, :, 0], factors[2][:, 0, 0], first[..., 0, 0], optimize=True
            )
        case _:
            kernels = first.reshape(-1, ranks[0], *first.shape[2:])
            found = np.einsum("tcm,cmhw->tchw", last.reshape(len(last), *kernels.shape[:2]), kernels)
    return found


def macs(kind: str, ranks: Sequence[int], shape: Sequence[int], stride: Sequence[int] = ()) -> float:
    """Multiply-adds a position of the output, of a chain in place of a weight `(T, C, *kernel)`.

    >>> macs("svd", (2,), (8, 4)), macs("separable", (1,), (8, 4, 3, 3)), macs("tucker", (2, 2), (8, 4, 3, 3), (2, 2))
    (24, 68, 84)
    """
    outputs, inputs, kernel = shape[0], shape[1], tuple(shape[2:])
    rank, every, along = ranks[0], math.prod(stride), stride[1] if len(stride) > 1 else 1  # before a stride there are more positions
    match kind:
        case "svd":
            return rank * (inputs * math.prod(kernel) + outputs)
        case "spatial":
            return rank * (inputs * kernel[0] * along + outputs * kernel[1])
        case "tucker":
            return inputs * rank * every + rank * ranks[1] * math.prod(kernel) + ranks[1] * outputs
        case "cp":
            return rank * (inputs * every + kernel[0] * along + kernel[1] + outputs)
        case _:
            return rank * inputs * (math.prod(kernel) + outputs)
