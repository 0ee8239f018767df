"""Which tensors of a model are weights, and which of them a pattern names."""

import fnmatch
from collections.abc import Mapping
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from laconic.base.dtypes import NIBBLES, dtype_of
from laconic.base.errors import RecipeError

Value = TypeVar("Value")

# torch cannot hand these out as NumPy's, nor take them from there, but for their bits.
_SEEN_AS = {"bfloat16": "int16", "float8_e4m3fn": "uint8", "float8_e5m2": "uint8"}


def weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """Name → parameter of every weight that a method may press: floats of 16 bits or more, of two or more axes, tied ones once.

    Biases and normalisation parameters are left out: they are few, and errors in them cost most.

    >>> list(weights(nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))))
    ['0.weight']
    """
    return {
        name: p for name, p in model.named_parameters() if p.ndim >= 2 and p.is_floating_point() and p.element_size() > 1 and p.numel() > 0
    }


def left_dense(model: nn.Module) -> dict[str, str]:
    """Name → reason, of the parameters of two or more axes that are no `weights`: no method can press them.

    >>> left_dense(nn.ParameterDict({"a": nn.Parameter(torch.zeros(0, 3))}))
    {'a': 'it is empty'}
    """
    pressed = weights(model)
    return {name: _why_not(p) for name, p in model.named_parameters() if p.ndim >= 2 and name not in pressed}


def _why_not(parameter: nn.Parameter) -> str:
    return "it is empty" if not parameter.numel() else f"its type is {str(parameter.dtype).removeprefix('torch.')}"


def matching(names: list[str], wanted: Value | Mapping[str, Value], field: str) -> dict[str, Value]:
    """Weight name → value, where `wanted` is one value for all, or a table pattern → value (the first match counts).

    A pattern such as `conv*` is matched against the weight's name, with and without its last part (`conv1.weight`, `conv1`).

    Raises:
        RecipeError: a pattern that names no weight.
    """
    if not isinstance(wanted, Mapping):
        return dict.fromkeys(names, wanted)
    for pattern in wanted:
        if not any(_fits(name, pattern) for name in names):
            known = ", ".join(names[:8]) + (" …" if len(names) > 8 else "")
            raise RecipeError(f"{field}: no weight is called {pattern!r}", hint=f"weights: {known}")
    first = {name: next((p for p in wanted if _fits(name, p)), None) for name in names}
    return {name: wanted[pattern] for name, pattern in first.items() if pattern is not None}


def _fits(name: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(name.rpartition(".")[0], pattern)


def viewed(tensor: torch.Tensor) -> np.ndarray:
    """The tensor's values as an array of the same type, bit for bit, in the same memory if it is the CPU's."""
    tensor, name = tensor.detach().cpu(), str(tensor.dtype).removeprefix("torch.")
    if name not in _SEEN_AS:
        return tensor.numpy()
    return tensor.view(getattr(torch, _SEEN_AS[name])).numpy().view(dtype_of(name))


def to_numpy(tensor: torch.Tensor) -> np.ndarray:
    """A copy of the tensor's values as an array of the same type, bit for bit."""
    return viewed(tensor).copy()


def to_torch(array: np.ndarray) -> torch.Tensor:
    """The inverse of `to_numpy`; integers of 4 bits, which torch does not compute with, become those of 8."""
    name = array.dtype.name
    plain = np.array(array.astype(np.int8) if name in NIBBLES else array)  # a copy of the same shape, scalars included
    return torch.from_numpy(plain.view(_SEEN_AS[name])).view(getattr(torch, name)) if name in _SEEN_AS else torch.from_numpy(plain)
