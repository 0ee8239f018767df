"""Batches: from raw samples to what a network takes, shuffled and augmented as a seed says."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from laconic.base.errors import DataError, UsageError
from laconic.base.preprocessing import Preprocessing
from laconic.base.seeds import derive
from laconic.datasets.data import Split


@dataclass(frozen=True)
class Augmentation:
    """What is drawn anew each time an image is seen (He et al. 2016, section 4.2: shift 4 and flip, on CIFAR).

    Args:
        shift: the image moves by up to so many pixels in either direction; raw zeros fill the border.
        flip: the image is mirrored left to right, every other time on average.

    Raises:
        UsageError: a negative shift.
    """

    shift: int = 0
    flip: bool = False

    def __post_init__(self) -> None:
        if self.shift < 0:
            raise UsageError(f"an image cannot be shifted by up to {self.shift} pixels", hint="0 or more")

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Raw images `(n, channels, height, width)`, each shifted and flipped by its own draw from `generator`."""
        return self.draw(len(images), generator).put(images)

    def draw(self, images: int, generator: torch.Generator) -> "Placements":
        """Shifts and flips for so many images."""
        moved = torch.randint(0, 2 * self.shift + 1, (2, images), generator=generator).T if self.shift else None
        return Placements(self.shift, moved, torch.rand(images, generator=generator) < 0.5 if self.flip else None)


@dataclass(frozen=True)
class Placements:
    """How each of some images is shown.

    Args:
        shift: images move by up to so many pixels in either direction.
        moved: how far down and to the right, from the uppermost leftmost place, `(n, 2)`; None where nothing moves.
        mirrored: which are mirrored left to right, `(n,)`; None where none is.
    """

    shift: int
    moved: Tensor | None
    mirrored: Tensor | None

    def of(self, rows: np.ndarray) -> "Placements":
        """Those of these images alone."""
        moved, mirrored = (None if drawn is None else drawn[torch.from_numpy(rows)] for drawn in (self.moved, self.mirrored))
        return Placements(self.shift, moved, mirrored)

    def put(self, images: Tensor) -> Tensor:
        """Raw images `(n, channels, height, width)` as they are shown."""
        if self.moved is not None:
            images = _shifted(images, self.shift, self.moved)
        if self.mirrored is not None:
            images = torch.where(self.mirrored[:, None, None, None], images.flip(3), images)
        return images


def batches(
    split: Split,
    preprocessing: Preprocessing,
    size: int,
    *,
    seed: int | None = None,
    augment: Augmentation | None = None,
    view: int | None = None,
    first: int = 0,
) -> Iterator[tuple[Tensor, Tensor]]:
    """One pass over a split, in batches; the last may be smaller.

    Args:
        split: raw samples and targets.
        preprocessing: from raw samples to the network's input; carried out on whole batches, equal to `Preprocessing.apply`.
        size: samples in a batch.
        seed: shuffles the samples and draws the augmentation, each batch from a stream of its own; without it, samples come in their order.
        augment: for images `(channels, height, width)` only; needs the seed.
        view: seed of an augmentation that is drawn for the whole split at once: each sample is shown as this seed has it, in whatever
            batch it comes.
        first: the batch to begin with; what comes is what would have come anyway.

    Yields:
        Inputs `(n, *shape)`, of the preprocessing's type, and targets, int64 or float32 `(n, …)`.

    Raises:
        UsageError: a size below 1, or an augmentation without a seed.
        DataError: samples that the preprocessing does not fit, or an augmentation of what is no image.

    >>> split = Split(np.zeros((5, 1, 2, 2), np.uint8), np.arange(5))
    >>> [targets.tolist() for inputs, targets in batches(split, Preprocessing((1, 2, 2)), 2)]
    [[0, 1], [2, 3], [4]]
    """
    if size < 1:
        raise UsageError(f"a batch of {size} samples", hint="1 or more")
    if split.inputs.shape[1:] != preprocessing.shape:
        raise DataError(f"samples of shape {split.inputs.shape[1:]} where the network takes {preprocessing.shape}")
    if augment is not None and seed is None:
        raise UsageError("an augmentation draws at random and was given no seed")
    if augment is not None and len(preprocessing.shape) != 3:
        raise DataError(f"samples of shape {preprocessing.shape} are no images: they cannot be shifted or flipped")
    tensor, prepare = (_floats, _normalise(preprocessing)) if preprocessing.dtype == "float32" else (_whole, _as_it_is)
    starts = range(first * size, len(split), size)
    fixed = None if augment is None or view is None else augment.draw(len(split), seeded(view))

    def show(raw: Tensor, rows: np.ndarray, start: int) -> Tensor:
        if augment is None or seed is None:
            return raw
        return augment(raw, seeded(derive(seed, start))) if fixed is None else fixed.of(rows).put(raw)

    return _batches(split, lambda rows, start: prepare(show(tensor(split.inputs[rows]), rows, start)), starts, seed)


def _batches(
    split: Split, samples: Callable[[np.ndarray, int], Tensor], starts: range, seed: int | None
) -> Iterator[tuple[Tensor, Tensor]]:
    order = np.arange(len(split)) if seed is None else torch.randperm(len(split), generator=seeded(seed)).numpy()
    for start in starts:
        rows = order[start : start + starts.step]
        yield samples(rows, start), _targets(split.targets[rows])


def seeded(seed: int) -> torch.Generator:
    """A generator that starts from `seed`."""
    return torch.Generator().manual_seed(seed)


def _normalise(preprocessing: Preprocessing) -> Callable[[Tensor], Tensor]:
    """`Preprocessing.apply` in place on float32 tensors, operation by operation."""
    along = (-1,) + (1,) * (len(preprocessing.shape) - 1) if preprocessing.shape else ()
    mean, std = (torch.tensor(values).reshape(along) for values in (preprocessing.mean, preprocessing.std))

    def normalise(raw: Tensor) -> Tensor:
        return raw.mul_(preprocessing.scale).sub_(mean).div_(std)

    return normalise


def _shifted(images: Tensor, shift: int, moved: Tensor) -> Tensor:
    height, width = images.shape[2:]
    padded = functional.pad(images, (shift, shift, shift, shift))
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # every placement, as a view: (n, channels, down, right, height, width)
    return windows[torch.arange(len(images)), :, moved[:, 0], moved[:, 1]]


# Both are given the copy that indexing by rows makes: without a conversion there is no second one.
def _floats(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values.astype(np.float32, copy=False))


def _whole(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values.astype(np.int64, copy=False))


def _as_it_is(raw: Tensor) -> Tensor:
    return raw


def _targets(values: np.ndarray) -> Tensor:
    return _floats(values) if values.dtype.kind == "f" else _whole(values)
