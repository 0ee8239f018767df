"""What stands between a raw sample and the network's input; stored with the artifact."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from laconic.base.errors import DataError


@dataclass(frozen=True)
class Preprocessing:
    """`(raw * scale - mean) / std`, channel by channel.

    Args:
        shape: one sample as the network takes it, without the batch: `(channels, height, width)` for images, any shape otherwise.
        scale: factor from raw values to units; 1/255 for 8-bit pixels.
        mean: one value per channel (the sample's first axis), or a single value for all, in units.
        std: likewise.

    Raises:
        DataError: when the numbers of means and deviations do not fit the channels, or a deviation is not positive.

    >>> Preprocessing((1, 2, 2), mean=(0.5,), std=(0.5,)).apply(np.full((1, 1, 2, 2), 255, np.uint8)).max()
    np.float32(1.0)
    """

    shape: tuple[int, ...]
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        channels = self.shape[0] if self.shape else 1
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, channels):
                raise DataError(f"{name} has {len(values)} values for {channels} channels", hint="give one value, or one per channel")
        finite = all(math.isfinite(v) for v in (self.scale, *self.mean, *self.std))
        if not finite or any(s <= 0 for s in self.std):
            said = f"scale={self.scale}, mean={self.mean}, std={self.std}"
            raise DataError(f"scale, mean and std must be finite and std positive, got {said}", hint="std=(1.0,) changes nothing")

    def apply(self, raw: np.ndarray) -> np.ndarray:
        """Network input, float32, from raw samples `(n, *shape)` of any real dtype."""
        if tuple(raw.shape[1:]) != self.shape:
            raise DataError(
                f"samples of shape {tuple(raw.shape[1:])} where the network takes {self.shape}",
                hint="shapes are written without the batch axis, channels first",
            )
        along = (-1,) + (1,) * (len(self.shape) - 1) if self.shape else ()
        mean = np.asarray(self.mean, np.float32).reshape(along)
        std = np.asarray(self.std, np.float32).reshape(along)
        scaled: np.ndarray = (raw.astype(np.float32) * np.float32(self.scale) - mean) / std
        return scaled

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, for the artifact and for JSON."""
        return {"shape": list(self.shape), "scale": self.scale, "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "Preprocessing":
        """The inverse of `to_dict`."""
        return cls(tuple(fields["shape"]), float(fields["scale"]), tuple(fields["mean"]), tuple(fields["std"]))
