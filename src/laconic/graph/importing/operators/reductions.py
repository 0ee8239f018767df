"""Operators that take sums, maxima and the like over axes; and the running sum and the ranking, which keep an axis."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Axes = list[int] | None


def reducing(operation: Callable[[Tensor, list[int], bool], Tensor]) -> Callable[..., Tensor]:
    """An operation on (tensor, axes, whether they are kept with length 1) as an operator; no axes are all axes."""

    def reduction(x: Tensor, axes: Axes = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Tensor:
        if not axes and noop_with_empty_axes:
            return operation(x[None], [0], False)
        return operation(x, [axis % x.ndim for axis in axes or range(x.ndim)], bool(keepdims)) if x.ndim else operation(x[None], [0], False)

    return reduction


def total(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    return x.sum(axes, keep, dtype=x.dtype)


def mean(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    return x.mean(axes, keep)


def greatest(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    return x.amax(axes, keep)


def least(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    return x.amin(axes, keep)


def product(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    for axis in sorted(axes, reverse=True):
        x = x.prod(axis, keep, dtype=x.dtype)
    return x


def l1(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    return total(x.abs(), axes, keep)


def l2(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    return total(x * x, axes, keep).sqrt()


def squares(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    return total(x * x, axes, keep)


def log_sum(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    return total(x, axes, keep).log()


def log_sum_exp(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    return x.logsumexp(axes, keep)


def arg(find: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """torch's argmax or argmin as an operator."""

    def place(x: Tensor, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Tensor:
        if not select_last_index:
            return find(x, axis, bool(keepdims))
        return x.shape[axis] - 1 - find(x.flip(axis), axis, bool(keepdims))

    return place


def running_sum(x: Tensor, axis: Any, *, exclusive: int = 0, reverse: int = 0) -> Tensor:
    along = axis[0] if isinstance(axis, list) else axis
    whole = x.flip(along) if reverse else x
    sums = whole.cumsum(along, dtype=x.dtype)
    sums = sums - whole if exclusive else sums
    return sums.flip(along) if reverse else sums


def top(x: Tensor, k: Any, *, axis: int = -1, largest: int = 1, sorted: int = 1) -> tuple[Tensor, Tensor]:
    values, places = torch.topk(x, k[0] if isinstance(k, list) else k, axis, bool(largest), bool(sorted))
    return values, places
