"""Resize and GridSample: values between the pixels."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from laconic.base.errors import ModelError


def resize(
    x: Tensor,
    roi: Tensor | None = None,
    scales: list[float] | None = None,
    sizes: list[int] | None = None,
    *,
    antialias: int = 0,
    axes: list[int] | None = None,
    coordinate_transformation_mode: str = "half_pixel",
    cubic_coeff_a: float = -0.75,
    exclude_outside: int = 0,
    extrapolation_value: float = 0.0,
    keep_aspect_ratio_policy: str = "stretch",
    mode: str = "nearest",
    nearest_mode: str = "round_prefer_floor",
) -> Tensor:
    """Axis by axis, each output pixel from those around its coordinate; cubic only as torch has it."""
    if antialias or exclude_outside or keep_aspect_ratio_policy != "stretch" or coordinate_transformation_mode == "tf_crop_and_resize":
        raise ModelError("Resize with antialias, exclude_outside, a kept aspect ratio or a crop is not known here")
    chosen = list(range(x.ndim)) if axes is None else [axis % x.ndim for axis in axes]
    if scales:
        changed = [(axis, scale, int(x.shape[axis] * scale)) for axis, scale in zip(chosen, scales, strict=True) if scale != 1]
    else:
        changed = [(axis, size / x.shape[axis], size) for axis, size in zip(chosen, sizes or [], strict=True) if size != x.shape[axis]]
    if mode == "cubic":
        return _cubic(x, changed, coordinate_transformation_mode, cubic_coeff_a)
    for axis, factor, length in changed:
        places = _coordinates(length, x.shape[axis], factor, coordinate_transformation_mode)
        x = _nearest(x, axis, places, nearest_mode) if mode == "nearest" else _linear(x, axis, places)
    return x


def _coordinates(length: int, before: int, factor: float, mode: str) -> Tensor:
    """Where each of the new pixels lies among the old ones."""
    new = torch.arange(length, dtype=torch.float32)
    match mode:
        case "half_pixel":
            return (new + 0.5) / factor - 0.5
        case "half_pixel_symmetric":
            return before / 2 * (1 - length / (before * factor)) + (new + 0.5) / factor - 0.5
        case "pytorch_half_pixel":
            return (new + 0.5) / factor - 0.5 if length > 1 else new * 0
        case "align_corners":
            return new * (before - 1) / (length - 1) if length > 1 else new * 0
        case "asymmetric":
            return new / factor
    raise ModelError(f"Resize has no coordinates of the mode {mode!r}")


_ROUNDING: dict[str, Any] = {
    "round_prefer_floor": lambda places: torch.ceil(places - 0.5),
    "round_prefer_ceil": lambda places: torch.floor(places + 0.5),
    "floor": torch.floor,
    "ceil": torch.ceil,
}


def _nearest(x: Tensor, axis: int, places: Tensor, mode: str) -> Tensor:
    return x.index_select(axis, _ROUNDING[mode](places).long().clamp(0, x.shape[axis] - 1))


def _linear(x: Tensor, axis: int, places: Tensor) -> Tensor:
    last = x.shape[axis] - 1
    places = places.clamp(0, last)
    low = places.floor().long()
    share = (places - low).to(x.dtype).reshape([-1 if place == axis else 1 for place in range(x.ndim)])
    return x.index_select(axis, low) * (1 - share) + x.index_select(axis, (low + 1).clamp(max=last)) * share


def _cubic(x: Tensor, changed: list[tuple[int, float, int]], mode: str, a: float) -> Tensor:
    known = mode in ("half_pixel", "pytorch_half_pixel", "align_corners") and a == -0.75
    if not known or x.ndim != 4 or [axis for axis, *_ in changed] != [2, 3]:
        raise ModelError("cubic Resize is known for height and width, half pixels or aligned corners, and a = -0.75 only")
    sizes, factors = [length for *_, length in changed], [factor for _, factor, _ in changed]
    if mode == "align_corners":
        return F.interpolate(x, sizes, mode="bicubic", align_corners=True)
    return F.interpolate(x, scale_factor=factors, mode="bicubic", align_corners=False)


def grid_sample(x: Tensor, grid: Tensor, *, align_corners: int = 0, mode: str = "linear", padding_mode: str = "zeros") -> Tensor:
    names = {"linear": "bilinear", "cubic": "bicubic"}
    return F.grid_sample(x, grid, names.get(mode, mode), padding_mode, bool(align_corners))
