"""Operators that work element by element, with broadcasting. Shapes of the results are those that torch broadcasts to."""

from collections.abc import Callable
from functools import reduce

import torch
from onnx import TensorProto
from torch import Tensor
from torch.nn import functional as F

from laconic.base.errors import ModelError

TYPES: dict[int, torch.dtype] = {
    TensorProto.FLOAT: torch.float32,
    TensorProto.FLOAT16: torch.float16,
    TensorProto.BFLOAT16: torch.bfloat16,
    TensorProto.DOUBLE: torch.float64,
    TensorProto.FLOAT8E4M3FN: torch.float8_e4m3fn,
    TensorProto.FLOAT8E4M3FNUZ: torch.float8_e4m3fnuz,
    TensorProto.FLOAT8E5M2: torch.float8_e5m2,
    TensorProto.FLOAT8E5M2FNUZ: torch.float8_e5m2fnuz,
    TensorProto.INT4: torch.int8,
    TensorProto.UINT4: torch.uint8,
    TensorProto.INT8: torch.int8,
    TensorProto.UINT8: torch.uint8,
    TensorProto.INT16: torch.int16,
    TensorProto.UINT16: torch.int32,
    TensorProto.INT32: torch.int32,
    TensorProto.UINT32: torch.int64,
    TensorProto.INT64: torch.int64,
    TensorProto.BOOL: torch.bool,
}
"""ONNX's types → torch's; the few that torch does not compute with have the next wider one."""


def type_of(number: int) -> torch.dtype:
    """The type of torch for a type of ONNX.

    Raises:
        ModelError: there is none (text, complex numbers, unsigned integers of 64 bits).
    """
    if number not in TYPES:
        raise ModelError(f"values of type {TensorProto.DataType.Name(number)} have no counterpart in torch")
    return TYPES[number]


def same(x: Tensor) -> Tensor:
    return x


def cast(x: Tensor, *, to: int, saturate: int = 1) -> Tensor:
    return x.to(type_of(to))


def cast_like(x: Tensor, like: Tensor, *, saturate: int = 1) -> Tensor:
    return x.to(like.dtype)


def divide(a: Tensor, b: Tensor) -> Tensor:
    return a / b if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc")


def modulo(a: Tensor, b: Tensor, *, fmod: int = 0) -> Tensor:
    return torch.fmod(a, b) if fmod else torch.remainder(a, b)


def power(x: Tensor, exponent: Tensor) -> Tensor:
    return torch.pow(x, exponent).to(x.dtype)


def folded(operation: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """An operation of two made one of any number."""
    return lambda *tensors: reduce(operation, tensors)


def mean(*tensors: Tensor) -> Tensor:
    return reduce(torch.add, tensors) / len(tensors)


def is_inf(x: Tensor, *, detect_negative: int = 1, detect_positive: int = 1) -> Tensor:
    return (torch.isneginf(x) & bool(detect_negative)) | (torch.isposinf(x) & bool(detect_positive))


def shift(a: Tensor, b: Tensor, *, direction: str) -> Tensor:
    return torch.bitwise_left_shift(a, b) if direction == "LEFT" else torch.bitwise_right_shift(a, b)


def clip(x: Tensor, least: Tensor | None = None, most: Tensor | None = None) -> Tensor:
    return x if least is None and most is None else torch.clamp(x, least, most)


def celu(x: Tensor, *, alpha: float = 1.0) -> Tensor:
    return F.celu(x, alpha)


def elu(x: Tensor, *, alpha: float = 1.0) -> Tensor:
    return F.elu(x, alpha)


def selu(x: Tensor, *, alpha: float = 1.67326319217681884765625, gamma: float = 1.05070102214813232421875) -> Tensor:
    return gamma * torch.where(x > 0, x, alpha * torch.expm1(x))


def gelu(x: Tensor, *, approximate: str = "none") -> Tensor:
    return F.gelu(x, approximate=approximate)


def hard_sigmoid(x: Tensor, *, alpha: float = 0.2, beta: float = 0.5) -> Tensor:
    return torch.clamp(alpha * x + beta, 0, 1)


def leaky_relu(x: Tensor, *, alpha: float = 0.01) -> Tensor:
    return F.leaky_relu(x, alpha)


def prelu(x: Tensor, slope: Tensor) -> Tensor:
    return torch.where(x < 0, slope * x, x)


def shrink(x: Tensor, *, bias: float = 0.0, lambd: float = 0.5) -> Tensor:
    return torch.where(x < -lambd, x + bias, torch.where(x > lambd, x - bias, torch.zeros_like(x)))


def swish(x: Tensor, *, alpha: float = 1.0) -> Tensor:
    return x * torch.sigmoid(alpha * x)


def thresholded_relu(x: Tensor, *, alpha: float = 1.0) -> Tensor:
    return torch.where(x > alpha, x, torch.zeros_like(x))


def softmax(x: Tensor, *, axis: int = -1) -> Tensor:
    return torch.softmax(x, axis)


def log_softmax(x: Tensor, *, axis: int = -1) -> Tensor:
    return torch.log_softmax(x, axis)


def hardmax(x: Tensor, *, axis: int = -1) -> Tensor:
    return torch.zeros_like(x).scatter(axis, x.argmax(axis, keepdim=True), 1)


def dropout(x: Tensor, ratio: Tensor | None = None, training_mode: Tensor | None = None, *, seed: int = 0) -> Tensor:
    """What it does in evaluation mode: nothing."""
    return x
