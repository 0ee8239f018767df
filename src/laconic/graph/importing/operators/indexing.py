"""Operators that take elements by index, or put them there. Indices count from the end where they are negative."""

import math
from typing import Any

import torch
from torch import Tensor


def gather(x: Tensor, indices: Tensor, *, axis: int = 0) -> Tensor:
    """Slices of x along an axis; the axes of `indices` stand where that axis was."""
    axis %= x.ndim
    if indices.ndim == 0:
        return x.index_select(axis, _positive(indices, x.shape[axis]).reshape(1)).squeeze(axis)
    found = x.index_select(axis, _positive(indices, x.shape[axis]).reshape(-1))
    return found.reshape(*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]) if indices.ndim != 1 else found


def _positive(indices: Tensor, length: int) -> Tensor:
    indices = indices.long()
    return torch.where(indices < 0, indices + length, indices)


def gather_elements(x: Tensor, indices: Tensor, *, axis: int = 0) -> Tensor:
    return x.gather(axis, _positive(indices, x.shape[axis]))


def gather_nd(x: Tensor, indices: Tensor, *, batch_dims: int = 0) -> Tensor:
    return x[_places(x, indices, batch_dims)]


def _places(x: Tensor, indices: Tensor, batch_dims: int = 0) -> tuple[Tensor, ...]:
    """An index for each of the first axes of x, from the last axis of `indices`."""
    lead = indices.shape[:batch_dims]
    around = [_column(torch.arange(side), place, indices.ndim - 1) for place, side in enumerate(lead)]
    last = indices.unbind(-1)
    return (*around, *(_positive(index, x.shape[batch_dims + place]) for place, index in enumerate(last)))


def _column(places: Tensor, axis: int, axes: int) -> Tensor:
    return places.reshape([-1 if place == axis else 1 for place in range(axes)])


_REDUCED = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}


def scatter_elements(x: Tensor, indices: Tensor, updates: Tensor, *, axis: int = 0, reduction: str = "none") -> Tensor:
    places = _positive(indices, x.shape[axis])
    if reduction == "none":
        return x.scatter(axis, places, updates)
    return x.scatter_reduce(axis, places, updates, _REDUCED[reduction])


def scatter_nd(x: Tensor, indices: Tensor, updates: Tensor, *, reduction: str = "none") -> Tensor:
    places: Any = _places(x, indices)
    if reduction in ("none", "add"):
        return x.index_put(places, updates, accumulate=reduction == "add")
    rows = x.reshape(-1, math.prod(x.shape[len(places) :]))
    flat = sum((place * _stride(x, axis, len(places)) for axis, place in enumerate(places)), torch.zeros((), dtype=torch.int64))
    changes = updates.reshape(-1, rows.shape[1])
    return rows.scatter_reduce(0, flat.reshape(-1, 1).expand_as(changes), changes, _REDUCED[reduction]).reshape(x.shape)


def _stride(x: Tensor, axis: int, axes: int) -> int:
    return math.prod(x.shape[axis + 1 : axes])


def nonzero(x: Tensor) -> Tensor:
    return x.nonzero().T
