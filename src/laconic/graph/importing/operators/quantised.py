"""Operators on integers with a scale: exact integer sums, and rounding whose gradient passes straight through."""

from typing import Any

import torch
from torch import Tensor

from laconic.graph.importing.operators.elementwise import type_of
from laconic.graph.importing.operators.windows import conv


class _Rounded(torch.autograd.Function):
    """To the nearest integer, even at halves; backwards as if nothing had been done (straight-through)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.round()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


def _rounded(x: Tensor) -> Tensor:
    return _Rounded.apply(x)  # type: ignore[no-untyped-call]


def along(values: Tensor, x: Tensor, axis: int, block: int) -> Tensor:
    """One value for all of x, for each index of an axis, or for each block of it, shaped so that it broadcasts."""
    if values.numel() == 1 and not block:
        return values.reshape(())
    if block:
        return values.repeat_interleave(block, axis).narrow(axis, 0, x.shape[axis])
    return values.reshape([-1 if place == axis % x.ndim else 1 for place in range(x.ndim)])


def _levels(x: Tensor, scale: Tensor, zero: Tensor | None, dtype: torch.dtype, axis: int, block: int) -> Tensor:
    """The integers that x is rounded to, as floating-point numbers."""
    levels = _rounded(x / along(scale, x, axis, block))
    levels = levels if zero is None else levels + along(zero, x, axis, block).to(x.dtype)
    return levels.clamp(torch.iinfo(dtype).min, torch.iinfo(dtype).max)


def quantize(
    x: Tensor,
    scale: Tensor,
    zero: Tensor | None = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
    precision: int = 0,
    saturate: int = 1,
) -> Tensor:
    dtype = zero.dtype if zero is not None else type_of(output_dtype) if output_dtype else torch.uint8
    if dtype.is_floating_point:
        return (x / along(scale, x, axis, block_size)).to(dtype)
    return _levels(x, scale, zero, dtype, axis, block_size).to(dtype)


def dequantize(
    x: Tensor, scale: Tensor, zero: Tensor | None = None, *, axis: int = 1, block_size: int = 0, output_dtype: int = 0
) -> Tensor:
    kind = type_of(output_dtype) if output_dtype else scale.dtype
    levels = x.to(torch.float32) if zero is None else x.to(torch.float32) - along(zero, x, axis, block_size).to(torch.float32)
    return (levels * along(scale, x, axis, block_size).to(torch.float32)).to(kind)


def fake_quantize(
    x: Tensor, scale: Tensor, zero: Tensor | None = None, *, axis: int = 1, block_size: int = 0, output_dtype: int = 0, saturate: int = 1
) -> Tensor:
    """QuantizeLinear and DequantizeLinear in one go, with a gradient: x as it is where it lies within the range, else none."""
    dtype = zero.dtype if zero is not None else type_of(output_dtype) if output_dtype else torch.uint8
    levels = _levels(x, scale, zero, dtype, axis, block_size)
    levels = levels if zero is None else levels - along(zero, x, axis, block_size).to(x.dtype)
    return levels * along(scale, x, axis, block_size)


def dynamic_quantize(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """8-bit levels of x, their scale and their zero, from the least and the greatest value of x and 0."""
    low, high = x.amin().clamp(max=0), x.amax().clamp(min=0)
    scale = (high - low) / 255
    zero = (-low / scale).round().clamp(0, 255).to(torch.uint8)
    return quantize(x, scale, zero), scale, zero


def _shifted(x: Tensor, zero: Tensor | None, axis: int) -> Tensor:
    """Integers less their zero, in double precision, which holds every sum of theirs."""
    return x.double() if zero is None else x.double() - along(zero, x, axis, 0).double()


def matmul_integer(a: Tensor, b: Tensor, a_zero: Tensor | None = None, b_zero: Tensor | None = None) -> Tensor:
    return (_shifted(a, a_zero, -2) @ _shifted(b, b_zero, -1)).to(torch.int32)


def conv_integer(x: Tensor, weight: Tensor, x_zero: Tensor | None = None, weight_zero: Tensor | None = None, **said: Any) -> Tensor:
    return conv(_shifted(x, x_zero, 1), _shifted(weight, weight_zero, 0), **said).to(torch.int32)


def matmul_quantized(
    a: Tensor, a_scale: Tensor, a_zero: Tensor, b: Tensor, b_scale: Tensor, b_zero: Tensor, y_scale: Tensor, y_zero: Tensor
) -> Tensor:
    product = dequantize(a, a_scale, a_zero, axis=-2) @ dequantize(b, b_scale, b_zero, axis=-1)
    return quantize(product, y_scale, y_zero)


def conv_quantized(
    x: Tensor,
    x_scale: Tensor,
    x_zero: Tensor,
    weight: Tensor,
    weight_scale: Tensor,
    weight_zero: Tensor,
    y_scale: Tensor,
    y_zero: Tensor,
    bias: Tensor | None = None,
    **said: Any,
) -> Tensor:
    """The bias is in steps of the product of both scales."""
    sums = conv(_shifted(x, x_zero, 1), _shifted(weight, weight_zero, 0), None if bias is None else bias.double(), **said)
    steps = along(x_scale * weight_scale / y_scale, sums, 1, 0)
    return quantize(sums.float() * steps, torch.ones_like(y_scale), y_zero)
