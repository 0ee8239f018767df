"""How long, how fast and on what to train, as one value that steps share."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import torch

from laconic.base.errors import RecipeError
from laconic.datasets.batches import Augmentation
from laconic.train.mixing import Mixing
from laconic.train.schedules import SCHEDULES, last_quarter

FUSED = ("cpu", "cuda")  # devices on which torch makes one operation of an optimiser's six
DECAY = 0.999  # of a moving average, unless another is said

Targets = Literal["labels", "original", "both"]


@dataclass(frozen=True)
class Training:
    """Hyper-parameters of a stretch of training.

    Args:
        epochs: passes over the training split.
        lr: peak learning rate.
        batch: samples that go through the network at a time.
        optimizer: "sgd" (Nesterov momentum 0.9) or "adam".
        weight_decay: L2 term of the optimiser.
        schedule: of the learning rate: "cosine" down to zero, "constant", or "step" (a tenth of it from one half, a hundredth from three
            quarters of the way; He et al. 2016).
        warmup: share of the steps over which the rate climbs from zero.
        shift: random shift of each training image, in pixels either way.
        flip: mirror each training image left to right half of the time.
        views: so many shifted and mirrored versions are drawn of each image, which come in turns, epoch by epoch; 0 draws anew each time.
            A teacher who is asked about the same versions again need not think again.
        precision: "mixed" multiplies in bfloat16, which some processors are fast at; weights and losses stay as they are
            (Micikevicius et al. 2018; Kalamkar et al. 2019).
        accumulate: batches whose gradients make one step.
        average: the weights that come out are a mean of those along the way: "ema" (Tarvainen & Valpola 2017) or "swa" (Izmailov et al.
            2018: of the last quarter, in which the rate stays where it was).
        decay: of "ema": the share that the mean keeps of itself in a step.
        smoothing: share of each label that is spread over all classes (Szegedy et al. 2016).
        mixup: α of mixup (Zhang et al. 2018); 0 leaves it out.
        cutmix: α of CutMix (Yun et al. 2019); 0 leaves it out.
        patience: stop after so many epochs without a better score on the validation split, and give back the best weights.
        targets: what is learnt from: "labels", what the "original" says, or "both"; None is the step's own way, and the original alone
            where the data have no labels.
        clip: norm of all gradients together, above which a step is shortened (Pascanu et al. 2013). None is 10, or 0.1 / lr where that is
            less, if the original or a teacher is learnt from: softened outputs pull by the square of their temperature. It is no bound
            elsewhere, nor in `squeeze`.
        decay_depthwise: False leaves depthwise filters out of the weight decay: they have few parameters (Howard et al. 2017, §3.2).

    Raises:
        RecipeError: a value that cannot be, or one that means nothing beside the others.

    >>> Training(epochs=2).rate(0, 10) > Training(epochs=2).rate(9, 10)
    True
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid", "strict": True}

    epochs: int = 1
    lr: float = 0.01
    batch: int = 128
    optimizer: Literal["sgd", "adam"] = "sgd"
    weight_decay: float = 0.0
    schedule: Literal["cosine", "constant", "step"] = "cosine"
    warmup: float = 0.0
    shift: int = 0
    flip: bool = False
    views: int = 0
    precision: Literal["full", "mixed"] = "full"
    accumulate: int = 1
    average: Literal["ema", "swa"] | None = None
    decay: float | None = None
    smoothing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    patience: int | None = None
    targets: Targets | None = None
    clip: float | None = None
    decay_depthwise: bool = True

    def __post_init__(self) -> None:
        for name, holds, allowed in (
            ("epochs", self.epochs >= 0, "a whole number from 0"),
            ("lr", 0 < self.lr < math.inf, "a number above 0"),
            ("batch", self.batch >= 1, "a whole number from 1"),
            ("optimizer", self.optimizer in ("sgd", "adam"), "sgd or adam"),
            ("weight_decay", 0 <= self.weight_decay < math.inf, "a number from 0"),
            ("schedule", self.schedule in SCHEDULES, "cosine, constant or step"),
            ("warmup", 0 <= self.warmup < 1, "a share from 0 to below 1"),
            ("shift", self.shift >= 0, "a whole number from 0"),
            ("views", self.views >= 0 and (not self.views or self.augmentation is not None), "a whole number from 0, with shift or flip"),
            ("precision", self.precision in ("full", "mixed"), "full or mixed"),
            ("accumulate", self.accumulate >= 1, "a whole number from 1"),
            ("average", self.average in (None, "ema", "swa"), "ema or swa"),
            ("decay", self.decay is None or 0 < self.decay < 1, "a share between 0 and 1"),
            ("smoothing", 0 <= self.smoothing < 1, "a share from 0 to below 1"),
            ("mixup", 0 <= self.mixup < math.inf, "a number from 0"),
            ("cutmix", 0 <= self.cutmix < math.inf, "a number from 0"),
            ("patience", self.patience is None or self.patience >= 1, "a whole number from 1"),
            ("clip", self.clip is None or 0 < self.clip < math.inf, "a number above 0"),
            ("targets", self.targets in (None, *get_args(Targets)), "labels, original or both"),
        ):
            if not holds:
                raise self._refused(name, f"{name} cannot be {getattr(self, name)!r}", f"{name} is {allowed}")
        if self.decay is not None and self.average != "ema":
            raise self._refused("decay", "decay belongs to a moving average", "average: ema")
        if self.patience is not None and self.average == "swa":
            found = "patience may stop before the last quarter, of which swa is the mean"
            raise self._refused("patience", found, "average: ema, or no patience")

    def _refused(self, name: str, found: str, hint: str) -> RecipeError:
        return RecipeError(found, where=f"{type(self).__name__.lower()}, {name}", hint=hint)

    @property
    def augmentation(self) -> Augmentation | None:
        """What is done to training images, or None."""
        return Augmentation(self.shift, self.flip) if self.shift or self.flip else None

    @property
    def mixing(self) -> Mixing | None:
        """How training samples are mixed, or None."""
        return Mixing(self.mixup, self.cutmix) if self.mixup or self.cutmix else None

    @property
    def kept(self) -> float:
        """The share that a moving average keeps of itself in a step."""
        return DECAY if self.decay is None else self.decay

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of one step, 0 … `steps` − 1, of `steps`."""
        if self.average == "swa":
            step = min(step, max(last_quarter(steps) - 1, 0))
        climb = self.warmup * steps
        if step < climb:
            return self.lr * min((step + 1) / climb, 1.0)
        begin = 0.0 if self.schedule == "step" else climb
        return self.lr * SCHEDULES[self.schedule]((step - begin) / (steps - begin))

    def build_optimizer(
        self, parameters: Iterable[torch.nn.Parameter] | Iterable[dict[str, Any]], sparse: bool = False
    ) -> torch.optim.Optimizer:
        """The optimiser over `parameters`, or over groups of them; as one operation for each tensor, where the device has that.

        Args:
            parameters: or groups of them.
            sparse: whether some gradients are sparse, as those of large embeddings may be; there is no such operation for them.
        """
        groups: list[Any] = list(parameters)
        every = [one for group in groups for one in (group["params"] if isinstance(group, dict) else [group])]
        fused = not sparse and all(one.device.type in FUSED and one.is_floating_point() for one in every)
        if self.optimizer == "adam":
            return torch.optim.Adam(groups, self.lr, weight_decay=self.weight_decay, fused=fused)
        return torch.optim.SGD(groups, self.lr, momentum=0.9, nesterov=True, weight_decay=self.weight_decay, fused=fused)
