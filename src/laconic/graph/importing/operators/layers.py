"""Products with weights, normalisations, and what else a network calls a layer."""

import torch
from torch import Tensor
from torch.nn import functional as F


def gemm(
    a: Tensor, b: Tensor, c: Tensor | None = None, *, alpha: float = 1.0, beta: float = 1.0, transA: int = 0, transB: int = 0
) -> Tensor:
    product = (a.T if transA else a) @ (b.T if transB else b)
    product = product if alpha == 1 else alpha * product
    return product if c is None else product + (c if beta == 1 else beta * c)


def einsum(*tensors: Tensor, equation: str) -> Tensor:
    return torch.einsum(equation.replace(" ", ""), *tensors)


def batch_norm(
    x: Tensor,
    scale: Tensor,
    bias: Tensor,
    mean: Tensor,
    var: Tensor,
    *,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    training_mode: int = 0,
) -> Tensor:
    """In training mode by the statistics of the batch itself, as some networks do even when they are used. The others may be computed."""
    if training_mode:
        return F.batch_norm(x, None, None, scale, bias, training=True, eps=epsilon)
    along = [1, -1] + [1] * (x.ndim - 2)
    gain = scale / torch.sqrt(var + epsilon)
    return (x - mean.reshape(along)) * gain.reshape(along) + bias.reshape(along)


def instance_norm(x: Tensor, scale: Tensor, bias: Tensor, *, epsilon: float = 1e-5) -> Tensor:
    return F.instance_norm(x, weight=scale, bias=bias, eps=epsilon)


def group_norm(x: Tensor, scale: Tensor, bias: Tensor, *, num_groups: int, epsilon: float = 1e-5, stash_type: int = 1) -> Tensor:
    """Up to opset 20 one gain and shift a group, later one a channel."""
    channels = x.shape[1]
    gains, shifts = (t if len(t) == channels else t.repeat_interleave(channels // num_groups) for t in (scale, bias))
    return F.group_norm(x, num_groups, gains, shifts, epsilon)


def layer_norm(
    x: Tensor, scale: Tensor, bias: Tensor | None = None, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1
) -> Tensor:
    shape = x.shape[axis:]
    return F.layer_norm(x, shape, scale.expand(shape), None if bias is None else bias.expand(shape), epsilon)


def rms_norm(x: Tensor, scale: Tensor, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1) -> Tensor:
    return F.rms_norm(x, x.shape[axis:], scale.expand(x.shape[axis:]), epsilon)


def local_response_norm(x: Tensor, *, size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0) -> Tensor:
    """x / (bias + alpha / size · Σ x²)^beta over `size` channels around each."""
    squares = (x * x).flatten(2).transpose(1, 2)
    mean = F.avg_pool1d(F.pad(squares, ((size - 1) // 2, size // 2)), size, 1)
    return x / (bias + alpha * mean.transpose(1, 2).reshape(x.shape)) ** beta


def lp_norm(x: Tensor, *, axis: int = -1, p: int = 2) -> Tensor:
    return F.normalize(x, p, axis)
