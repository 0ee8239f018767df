"""How long and how fast to train, as one value that steps share."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch

from laconic.base.errors import RecipeError
from laconic.datasets.batches import Augmentation


@dataclass(frozen=True)
class Training:
    """Hyper-parameters of a stretch of training.

    Args:
        epochs: passes over the training split.
        lr: peak learning rate.
        batch: samples a step.
        optimizer: "sgd" (Nesterov momentum 0.9) or "adam".
        weight_decay: L2 term of the optimiser.
        schedule: of the learning rate: "cosine" down to zero, or "constant".
        warmup: share of the steps over which the rate climbs from zero.
        shift: random shift of each training image, in pixels either way.
        flip: mirror each training image left to right half of the time.
        views: so many shifted and mirrored versions are drawn of each image, which come in turns, epoch by epoch; 0 draws anew each time.
            A teacher who is asked about the same versions again need not think again.
        precision: "mixed" multiplies in bfloat16, which some processors are fast at; weights and losses stay as they are
            (Micikevicius et al. 2018; Kalamkar et al. 2019).

    >>> Training(epochs=2).rate(0, 10) > Training(epochs=2).rate(9, 10)
    True
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid", "strict": True}

    epochs: int = 1
    lr: float = 0.01
    batch: int = 128
    optimizer: Literal["sgd", "adam"] = "sgd"
    weight_decay: float = 0.0
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: float = 0.0
    shift: int = 0
    flip: bool = False
    views: int = 0
    precision: Literal["full", "mixed"] = "full"

    def __post_init__(self) -> None:
        for name, holds, allowed in (
            ("epochs", self.epochs >= 0, "a whole number from 0"),
            ("lr", 0 < self.lr < math.inf, "a number above 0"),
            ("batch", self.batch >= 1, "a whole number from 1"),
            ("optimizer", self.optimizer in ("sgd", "adam"), "sgd or adam"),
            ("weight_decay", 0 <= self.weight_decay < math.inf, "a number from 0"),
            ("schedule", self.schedule in ("cosine", "constant"), "cosine or constant"),
            ("warmup", 0 <= self.warmup < 1, "a share from 0 to below 1"),
            ("shift", self.shift >= 0, "a whole number from 0"),
            ("views", self.views >= 0 and (not self.views or self.augmentation is not None), "a whole number from 0, with shift or flip"),
            ("precision", self.precision in ("full", "mixed"), "full or mixed"),
        ):
            if not holds:
                where = f"{type(self).__name__.lower()}, {name}"
                raise RecipeError(f"{name} cannot be {getattr(self, name)!r}", where=where, hint=f"{name} is {allowed}")

    @property
    def augmentation(self) -> Augmentation | None:
        """What is done to training images, or None."""
        return Augmentation(self.shift, self.flip) if self.shift or self.flip else None

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of one step, 0 … `steps` − 1, of `steps`."""
        climb = self.warmup * steps
        if step < climb:
            return self.lr * min((step + 1) / climb, 1.0)
        if self.schedule == "constant":
            return self.lr
        return self.lr * 0.5 * (1 + math.cos(math.pi * (step - climb) / (steps - climb)))

    def build_optimizer(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """The optimiser over `parameters`."""
        if self.optimizer == "adam":
            return torch.optim.Adam(parameters, self.lr, weight_decay=self.weight_decay)
        return torch.optim.SGD(parameters, self.lr, momentum=0.9, nesterov=True, weight_decay=self.weight_decay)
