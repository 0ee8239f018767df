"""A block that starts from the weight W `(T, C, h, w)` of the convolution that it stands for (blocks: nn/compact.py).

Linear blocks start as the convolution of their structure that is nearest to W in the least-squares sense:

    depthwise   of each channel's slice `(T, h·w)`, the best approximation of rank 1 (Guo et al. 2018)
    grouped     each group of outputs is tied to each group of inputs by M / g² channels of its own: of each of the g² pieces of W,
                the best approximation of that rank

A ReLU in the middle of a block would cut off half of what passes. But relu(z) − relu(−z) = z (Shang et al. 2016, "Concatenated Rectified
Linear Units", §2): with half of its channels as the negatives of the other half, a block does exactly what a linear one of half its width
does, and its ReLUs are there to be used by training.

    fire        the best approximation of rank S/2 over input channels, of W without the taps that 1 × 1 kernels lack
    bottleneck  Tucker-2 of ranks R/2 (Kim et al. 2016)
    inverted    of each channel's slice the best approximation of rank e/2; each channel is copied e times, so the first ReLU changes
                nothing where inputs are not negative, as they are after a ReLU

Channels that have no part in this keep their fresh weights on the way in, and none on the way out. Given second moments of the input
channels, it is outputs that are approximated, as far as channels go (`nn.decompose`).
"""

import itertools
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import nn

from laconic.nn.compact import convolutions
from laconic.nn.decompose import decompose
from laconic.nn.weights import to_torch

Moments = np.ndarray | None
Weights = list[np.ndarray]


@torch.no_grad()
def set_start(block: nn.Module, kind: str, layer: nn.Conv2d, weight: np.ndarray, moments: Moments = None) -> None:
    """Set the weights and biases of a fresh block, in place.

    Args:
        block: of this kind, in place of `layer`.
        kind: of `nn.compact`.
        layer: the convolution; its bias becomes that of what puts out.
        weight: its weight.
        moments: `(C, C)`, the mean of x xᵀ over inputs x of the layer; without it, the weight itself is met.

    >>> from laconic.nn.compact import compact
    >>> layer = nn.Conv2d(4, 1, 3)  # with one output, each channel has rank 1
    >>> block, x = compact(layer, "depthwise", 1), torch.randn(1, 4, 5, 5)
    >>> set_start(block, "depthwise", layer, layer.weight.detach().numpy())
    >>> bool(torch.allclose(block(x), layer(x), atol=1e-5))
    True
    """
    layers = convolutions(block)
    for own, values in zip(layers, START[kind](layers, weight, moments), strict=True):
        _put(own, values)
        if own.bias is not None:
            own.bias.zero_()
    _put_bias(layers[-2:] if kind == "fire" else layers[-1:], layer.bias)


def _depthwise(layers: list[nn.Conv2d], weight: np.ndarray, moments: Moments) -> Weights:
    return decompose("separable", weight, [1], moments)


def _grouped(layers: list[nn.Conv2d], weight: np.ndarray, moments: Moments) -> Weights:
    """Channel q of the rank from group i to group j is number j·rank + q of group i; the shuffle makes it number q·g + i of group j."""
    groups, between = layers[0].groups, layers[0].out_channels
    outputs, inputs, rank = weight.shape[0] // groups, weight.shape[1] // groups, between // groups**2
    kernels = np.zeros((groups, groups, rank, inputs, *weight.shape[2:]), weight.dtype)
    points = np.zeros((groups, outputs, rank, groups), weight.dtype)
    for i, j in itertools.product(range(groups), repeat=2):
        reads = slice(i * inputs, (i + 1) * inputs)
        piece = weight[j * outputs : (j + 1) * outputs, reads]
        kept = min(rank, outputs, piece[0].size)
        kernels[i, j, :kept], found = decompose("svd", piece, [kept], None if moments is None else moments[reads, reads])
        points[j, :, :kept, i] = found.reshape(outputs, kept)
    return [kernels.reshape(between, inputs, *weight.shape[2:]), points.reshape(groups * outputs, -1, 1, 1)]


def _fire(layers: list[nn.Conv2d], weight: np.ndarray, moments: Moments) -> Weights:
    outputs, inputs, height, width = weight.shape
    squeezed, few = layers[0].out_channels, layers[1].out_channels
    there = weight.copy()
    there[:few] = 0
    there[:few, :, height // 2, width // 2] = weight[:few, :, height // 2, width // 2]
    rows = there.transpose(0, 2, 3, 1).reshape(-1, inputs)
    rank = min(squeezed // 2, inputs, len(rows))
    squeeze, expand = decompose("svd", rows, [rank], moments)
    kernels = _signed(expand.reshape(outputs, height, width, rank).transpose(0, 3, 1, 2), 1)
    return [_signed(squeeze[..., None, None], 0), kernels[:few, :, height // 2, width // 2, None, None], kernels[few:]]


def _inverted(layers: list[nn.Conv2d], weight: np.ndarray, moments: Moments) -> Weights:
    outputs, inputs, height, width = weight.shape
    rank = min(layers[0].out_channels // inputs // 2, outputs, height * width)
    kernels, points = decompose("separable", weight, [rank], moments)
    copies = np.repeat(np.eye(inputs, dtype=weight.dtype), rank, 0)[..., None, None]
    return [np.concatenate([copies, copies]), _signed(kernels, 0), _signed(points, 1)]


def _bottleneck(layers: list[nn.Conv2d], weight: np.ndarray, moments: Moments) -> Weights:
    outputs, inputs = weight.shape[:2]
    half = layers[0].out_channels // 2
    reduce, core, expand = decompose("tucker", weight, [min(half, inputs), min(half, outputs)], moments)
    return [_signed(reduce, 0), _signed(_signed(core, 1), 0), _signed(expand, 1)]


START: Mapping[str, Callable[[list[nn.Conv2d], np.ndarray, Moments], Weights]] = {
    "depthwise": _depthwise,
    "grouped": _grouped,
    "fire": _fire,
    "inverted": _inverted,
    "bottleneck": _bottleneck,
}


def _signed(values: np.ndarray, axis: int) -> np.ndarray:
    return np.concatenate([values, -values], axis)


def _put(layer: nn.Conv2d, values: np.ndarray) -> None:
    """In the first channels; to channels of which nothing is known, nothing leads on."""
    rows, columns = values.shape[:2]
    layer.weight[:rows].zero_()
    layer.weight[:rows, :columns] = to_torch(np.ascontiguousarray(values)).to(layer.weight)


def _put_bias(layers: list[nn.Conv2d], bias: torch.Tensor | None) -> None:
    if bias is None:
        return
    for layer, own in zip(layers, torch.split(bias, [layer.out_channels for layer in layers]), strict=True):
        assert layer.bias is not None
        layer.bias.copy_(own)
