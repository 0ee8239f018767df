"""Weights as matrices: each use of a weight as a linear map is y = W · patches(x), whatever the layer is called.

A use is found where torch's own function is called, not where a module of some class stands: so layers used twice, weights shared
by two layers, and forward passes that call `functional.conv2d` themselves are all seen. A grouped convolution is one matrix a group.

    linear      W (1, outputs, inputs)                        patches: the last axis of every position
    conv        W (groups, outputs/groups, inputs · kernel)   patches: im2col
    embedding   Wᵀ (1, width, words)                          patches: one word each, so no two inputs are ever on together
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


class Map(ABC):
    """How one call turns its weight into a matrix for each group, and its inputs and outputs into columns."""

    @abstractmethod
    def matrix(self, weight: Tensor) -> Tensor:
        """`(groups, rows, columns)` of a weight."""

    @abstractmethod
    def weight(self, matrix: Tensor, shape: tuple[int, ...]) -> Tensor:
        """The inverse of `matrix`."""

    @abstractmethod
    def patches(self, inputs: Tensor, most: int) -> Tensor | None:
        """`(groups, columns, positions)` of a call's inputs, or None where the patches are single words.

        Where there are many more than `most` positions, some of them, evenly spread; the same ones for inputs of the same shape.
        """

    @abstractmethod
    def outputs(self, outputs: Tensor) -> Tensor:
        """`(groups, rows, positions)` of a call's outputs, or of their gradient."""

    def alike(self, other: "Map") -> bool:
        """Whether the other makes the same matrix of the same weight."""
        return isinstance(other, self.__class__)


class LinearMap(Map):
    """`functional.linear`."""

    def matrix(self, weight: Tensor) -> Tensor:
        return weight[None]

    def weight(self, matrix: Tensor, shape: tuple[int, ...]) -> Tensor:
        return matrix.reshape(shape)

    def patches(self, inputs: Tensor, most: int) -> Tensor | None:
        rows = inputs.reshape(-1, inputs.shape[-1])
        return rows[:: max(1, len(rows) // most)].T[None]

    def outputs(self, outputs: Tensor) -> Tensor:
        return outputs.reshape(-1, outputs.shape[-1]).T[None]


class EmbeddingMap(Map):
    """`functional.embedding`."""

    def matrix(self, weight: Tensor) -> Tensor:
        return weight.T[None]

    def weight(self, matrix: Tensor, shape: tuple[int, ...]) -> Tensor:
        return matrix[0].T.reshape(shape)

    def patches(self, inputs: Tensor, most: int) -> Tensor | None:
        return None

    def outputs(self, outputs: Tensor) -> Tensor:
        return outputs.reshape(-1, outputs.shape[-1]).T[None]


@dataclass(frozen=True)
class ConvMap(Map):
    """`conv1d`, `conv2d`, `conv3d` on batches.

    Args:
        kernel, stride, padding, dilation: one number an axis of space; padding before and behind.
        groups: of channels.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    groups: int

    def matrix(self, weight: Tensor) -> Tensor:
        return weight.reshape(self.groups, weight.shape[0] // self.groups, -1)

    def weight(self, matrix: Tensor, shape: tuple[int, ...]) -> Tensor:
        return matrix.reshape(shape)

    def patches(self, inputs: Tensor, most: int) -> Tensor | None:
        """Im2col: the values under each tap of the kernel, at each position."""
        found = F.pad(inputs, [side for pair in reversed(self.padding) for side in pair])
        for axis, (size, stride, dilation) in enumerate(zip(self.kernel, self.stride, self.dilation, strict=True), 2):
            found = found.unfold(axis, dilation * (size - 1) + 1, stride)[..., ::dilation]
        space = len(self.kernel)
        sites = found.shape[2 : 2 + space]
        stride = max(1, int((len(inputs) * math.prod(sites) / most) ** (1 / space)))
        found = found[:, :, *[slice(stride // 2 % max(size, 1), None, stride) for size in sites]]
        taps, positions = range(2 + space, 2 + 2 * space), range(2, 2 + space)
        columns = found.shape[1] // self.groups * math.prod(self.kernel)
        return found.permute(1, *taps, 0, *positions).reshape(self.groups, columns, -1)

    def outputs(self, outputs: Tensor) -> Tensor:
        channels = outputs.shape[1]
        return outputs.transpose(0, 1).reshape(self.groups, channels // self.groups, -1)

    def alike(self, other: Map) -> bool:
        return isinstance(other, ConvMap) and other.groups == self.groups


@dataclass(frozen=True, eq=False)
class Operands:
    """What one call was given, and what kind of map it is."""

    inputs: Tensor
    weight: Tensor
    bias: Tensor | None
    map: Map


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Operands | None:
    if input.ndim < 2:  # a sample without its batch
        return None
    return Operands(input, weight, bias, LinearMap())


def _embedding(input: Tensor, weight: Tensor, *_: Any, **__: Any) -> Operands:
    return Operands(input, weight, None, EmbeddingMap())


def _conv(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Operands | None:
    if input.ndim != weight.ndim:  # a sample without its batch
        return None
    kernel = tuple(weight.shape[2:])
    stride, dilation = _each(stride, kernel), _each(dilation, kernel)
    return Operands(input, weight, bias, ConvMap(kernel, stride, _padding(padding, kernel, dilation), dilation, groups))


def _each(value: Any, kernel: tuple[int, ...]) -> tuple[int, ...]:
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * len(kernel) if len(values) == 1 else values


def _padding(padding: Any, kernel: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    if padding == "same":
        total = [d * (size - 1) for size, d in zip(kernel, dilation, strict=True)]
        return tuple((whole // 2, whole - whole // 2) for whole in total)
    return tuple((side, side) for side in _each(0 if padding == "valid" else padding, kernel))


LINEAR_MAPS: Mapping[Any, Callable[..., Operands | None]] = {
    F.linear: _linear,
    F.embedding: _embedding,
    torch.conv1d: _conv,
    torch.conv2d: _conv,
    torch.conv3d: _conv,
}
"""torch's functions that multiply by a weight → what they were given."""


def _open(function: Any) -> Callable[..., Any]:
    """The same function, but for the question whether somebody stands in for it: a mode would be asked again and again."""
    words = {**function.__globals__, "has_torch_function": lambda _: False}
    return FunctionType(function.__code__, words, function.__name__, function.__defaults__, function.__closure__)


THROUGH: Mapping[Any, Callable[..., Any]] = {F.multi_head_attention_forward: _open(F.multi_head_attention_forward)}
"""torch's functions that call such functions themselves → what to call with this mode still on."""


@dataclass(frozen=True, eq=False)
class Use:
    """One call that multiplies by a parameter of the model.

    Args:
        name: of the parameter.
        bias: name of the parameter that is added, or "".
        operands: what the call was given.
        call: the same call with other (inputs, weight, bias).
    """

    name: str
    bias: str
    operands: Operands
    call: Callable[[Tensor, Tensor, Tensor | None], Tensor]


class Uses(TorchFunctionMode):
    """While it is entered, `visit` stands in for every call that multiplies by a parameter of the model; what it returns is the call's.

    Nor does torch take its fused attention meanwhile, in which no such call could be seen.

    Args:
        model: whose parameters are looked for.
        visit: a use → the outputs that the forward pass goes on with.
    """

    def __init__(self, model: nn.Module, visit: Callable[[Use], Tensor]) -> None:
        super().__init__()
        self._names = {id(parameter): name for name, parameter in model.named_parameters()}
        self._visit = visit

    def __torch_function__(self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        kwargs = kwargs or {}
        if function in THROUGH:
            with self:
                return THROUGH[function](*args, **kwargs)
        operands = LINEAR_MAPS[function](*args, **kwargs) if function in LINEAR_MAPS else None
        if operands is None or id(operands.weight) not in self._names:
            return function(*args, **kwargs)
        return self._visit(self._use(function, operands, args, kwargs))

    def _use(self, function: Any, operands: Operands, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Use:
        given = ("input", "weight") if function is F.embedding else ("input", "weight", "bias")
        rest, named = args[len(given) :], {word: value for word, value in kwargs.items() if word not in given}

        def call(*operands: Tensor | None) -> Tensor:
            return function(*operands[: len(given)], *rest, **named)

        return Use(self._names[id(operands.weight)], self._names.get(id(operands.bias), ""), operands, call)
