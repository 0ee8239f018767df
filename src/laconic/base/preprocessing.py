"""What stands between a raw sample and the network's input; stored with the artifact."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from laconic.base.errors import DataError


@dataclass(frozen=True)
class Preprocessing:
    """`(raw * scale - mean) / std`, channel by channel; or whole numbers as they are, for a network that looks them up.

    Args:
        shape: one sample as the network takes it, without the batch: `(channels, height, width)` for images, any shape otherwise.
        scale: factor from raw values to units; 1/255 for 8-bit pixels.
        mean: one value per channel (the sample's first axis), or a single value for all, in units.
        std: likewise.
        dtype: "float32", or "int64" for token numbers, which nothing is done to.

    Raises:
        DataError: when the numbers of means and deviations do not fit the channels, a deviation is not positive, or numbers that nothing
            is done to have a scale, mean or deviation.

    >>> Preprocessing((1, 2, 2), mean=(0.5,), std=(0.5,)).apply(np.full((1, 1, 2, 2), 255, np.uint8)).max()
    np.float32(1.0)
    """

    shape: tuple[int, ...]
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    dtype: Literal["float32", "int64"] = "float32"

    def __post_init__(self) -> None:
        channels = self.shape[0] if self.shape else 1
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, channels):
                raise DataError(f"{name} has {len(values)} values for {channels} channels", hint="give one value, or one per channel")
        finite = all(math.isfinite(v) for v in (self.scale, *self.mean, *self.std))
        if not finite or any(s <= 0 for s in self.std):
            said = f"scale={self.scale}, mean={self.mean}, std={self.std}"
            raise DataError(f"scale, mean and std must be finite and std positive, got {said}", hint="std=(1.0,) changes nothing")
        if self.dtype == "int64" and (self.scale, self.mean, self.std) != (1.0, (0.0,), (1.0,)):
            raise DataError("token numbers have no scale, mean or deviation", hint="laconic.tokens(length) is how they are given")

    def apply(self, raw: np.ndarray) -> np.ndarray:
        """Network input, of `dtype`, from raw samples `(n, *shape)` of any real dtype; of integers for "int64"."""
        if tuple(raw.shape[1:]) != self.shape:
            raise DataError(
                f"samples of shape {tuple(raw.shape[1:])} where the network takes {self.shape}",
                hint="shapes are written without the batch axis, channels first",
            )
        if self.dtype == "int64":
            return self._numbers(raw)
        along = (-1,) + (1,) * (len(self.shape) - 1) if self.shape else ()
        mean = np.asarray(self.mean, np.float32).reshape(along)
        std = np.asarray(self.std, np.float32).reshape(along)
        scaled: np.ndarray = (raw.astype(np.float32) * np.float32(self.scale) - mean) / std
        return scaled

    def _numbers(self, raw: np.ndarray) -> np.ndarray:
        if raw.dtype.kind not in "iub":
            raise DataError(f"the network takes whole numbers, and the samples are {raw.dtype}", hint="tokens.astype('int64')")
        return raw.astype(np.int64)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, for the artifact and for JSON."""
        if self.dtype == "int64":
            return {"shape": list(self.shape), "dtype": self.dtype}
        return {"shape": list(self.shape), "scale": self.scale, "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "Preprocessing":
        """The inverse of `to_dict`."""
        if fields.get("dtype") == "int64":
            return tokens(*fields["shape"])
        return cls(tuple(fields["shape"]), float(fields["scale"]), tuple(fields["mean"]), tuple(fields["std"]))


def tokens(*shape: int) -> Preprocessing:
    """Samples of whole numbers that the network looks up, such as `tokens(64)` for 64 words of a text.

    >>> tokens(3).apply(np.array([[7, 0, 2]], np.uint8))
    array([[7, 0, 2]])
    """
    return Preprocessing(shape, scale=1.0, dtype="int64")
