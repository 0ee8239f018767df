"""Operators that move elements and compute nothing. Sizes (shapes, axes, pads …) come as plain integers, or symbols of a free batch."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from laconic.base.errors import ModelError
from laconic.graph.importing.operators.elementwise import type_of
from laconic.graph.reading.arithmetic import backwards

Sizes = list[int]


def concat(*tensors: Tensor, axis: int) -> Tensor:
    """What was written for a batch of one, such as a class token, stands for every sample of a longer batch."""
    batch = next((t.shape[0] for t in tensors if t.shape[0] != 1), 1) if axis and tensors[0].ndim > 1 else 1
    return torch.cat([t.expand(batch, *t.shape[1:]) if t.shape[0] == 1 != batch else t for t in tensors], axis)


def filled(shape: Sizes, *, value: np.ndarray | None = None) -> Tensor:
    one = torch.zeros(()) if value is None else torch.from_numpy(value.reshape(()).copy())
    return torch.full(shape, one.item(), dtype=one.dtype)


def depth_to_space(x: Tensor, *, blocksize: int, mode: str = "DCR") -> Tensor:
    n, c, h, w = x.shape
    b = blocksize
    if mode == "CRD":
        return F.pixel_shuffle(x, b)
    return x.reshape(n, b, b, c // b**2, h, w).permute(0, 3, 4, 1, 5, 2).reshape(n, c // b**2, h * b, w * b)


def space_to_depth(x: Tensor, *, blocksize: int) -> Tensor:
    n, c, h, w = x.shape
    b = blocksize
    return x.reshape(n, c, h // b, b, w // b, b).permute(0, 3, 5, 1, 2, 4).reshape(n, c * b**2, h // b, w // b)


def expand(x: Tensor, shape: Sizes) -> Tensor:
    """Broadcast x with a shape: a side of 1 on either hand gives way to the other's."""
    own = [1] * (len(shape) - x.ndim) + list(x.shape)
    wanted = [1] * (x.ndim - len(shape)) + list(shape)
    return x.expand([mine if side == 1 else side for mine, side in zip(own, wanted, strict=True)])


def eye_like(x: Tensor, *, dtype: int = 0, k: int = 0) -> Tensor:
    rows, columns = x.shape
    diagonal = torch.arange(rows)[:, None] + k == torch.arange(columns)[None]
    return diagonal.to(type_of(dtype) if dtype else x.dtype)


def flatten(x: Tensor, *, axis: int = 1) -> Tensor:
    if axis in (1, 1 - x.ndim):
        return x.flatten(1) if x.ndim > 1 else x[:, None]
    return x.reshape(math.prod(x.shape[:axis]), -1)


def one_hot(indices: Tensor, depth: Any, values: Tensor, *, axis: int = -1) -> Tensor:
    classes = depth[0] if isinstance(depth, list) else depth
    place = torch.arange(classes) == (indices.long() % classes).unsqueeze(-1)
    inside = ((indices >= -classes) & (indices < classes)).unsqueeze(-1)
    return torch.where(place & inside, values[1], values[0]).movedim(-1, axis)


def pad(x: Tensor, pads: Sizes, value: float | None = None, axes: Sizes | None = None, *, mode: str = "constant") -> Tensor:
    chosen = list(range(x.ndim)) if axes is None else [axis % x.ndim for axis in axes]
    sides = dict(zip(chosen, zip(pads[: len(chosen)], pads[len(chosen) :], strict=True), strict=True))
    ordered = [side for axis in reversed(range(x.ndim)) for side in sides.get(axis, (0, 0))]
    if mode == "constant":
        return F.pad(x, ordered, value=value or 0.0)
    for axis, (before, after) in sides.items():
        x = _mirrored(x, axis, before, after, mode) if before or after else x
    return x


def _mirrored(x: Tensor, axis: int, before: int, after: int, mode: str) -> Tensor:
    """The axis lengthened by its own elements."""
    length = x.shape[axis]
    places = torch.arange(-before, length + after)
    if mode == "edge":
        places = places.clamp(0, length - 1)
    elif mode == "wrap":
        places = places % length
    elif mode == "reflect":
        period = max(2 * (length - 1), 1)
        places = (places % period - (length - 1)).abs().neg() + (length - 1)
    else:
        raise ModelError(f"padding of mode {mode!r} is not known")
    return x.index_select(axis, places)


def sequence(start: Any, limit: Any, delta: Any) -> Tensor:
    return torch.arange(start, limit, delta)


def reshape(x: Tensor, shape: Sizes, *, allowzero: int = 0) -> Tensor:
    return x.reshape([x.shape[place] if side == 0 and not allowzero else side for place, side in enumerate(shape)])


def cut(x: Tensor, starts: Sizes, ends: Sizes, axes: Sizes | None = None, steps: Sizes | None = None) -> Tensor:
    for place, (start, end) in enumerate(zip(starts, ends, strict=True)):
        axis = place if axes is None else axes[place] % x.ndim
        step = 1 if steps is None else steps[place]
        if step > 0:
            x = x[(slice(None),) * axis + (slice(start, end, step),)]
        else:
            x = x.index_select(axis, torch.tensor(backwards(start, end, step, x.shape[axis]), dtype=torch.int64))
    return x


def split(x: Tensor, sizes: Sizes | None = None, *, axis: int = 0, num_outputs: int = 1) -> tuple[Tensor, ...]:
    """Equal parts, the last one smaller, unless sizes are said."""
    return torch.split(x, -(-x.shape[axis] // num_outputs) if sizes is None else sizes, axis)


def squeeze(x: Tensor, axes: Sizes | None = None) -> Tensor:
    return x.squeeze() if axes is None else x.squeeze([axis % x.ndim for axis in axes])


def unsqueeze(x: Tensor, axes: Sizes) -> Tensor:
    for axis in sorted(axis % (x.ndim + len(axes)) for axis in axes):
        x = x.unsqueeze(axis)
    return x


def tile(x: Tensor, repeats: Sizes) -> Tensor:
    return torch.tile(x, repeats)


def transpose(x: Tensor, *, perm: Sizes | None = None) -> Tensor:
    return x.permute(perm or list(reversed(range(x.ndim))))


def triangle(x: Tensor, k: Any = 0, *, upper: int = 1) -> Tensor:
    diagonal = k[0] if isinstance(k, list) else k or 0
    return x.triu(diagonal) if upper else x.tril(diagonal)
