"""The loss of outputs against labels, as a training wants it: labels smoothed, or those of two samples at once."""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from laconic.base.errors import DataError, RecipeError
from laconic.datasets.data import Data
from laconic.train.mixing import Blend
from laconic.train.task import Loss, Task
from laconic.train.training import Training

LabelLoss = Callable[[Tensor, Any], Tensor]
"""(outputs, targets) → scalar, where targets are a tensor or a `Blend`."""


def labels(task: Task, training: Training) -> LabelLoss:
    """The task's loss, its labels smoothed by `training.smoothing` and mixed where the targets are.

    Smoothed, it is (1 − ε) · H(y) + ε · H(u), u every class alike (Szegedy et al. 2016, "Rethinking the Inception Architecture", §7).

    Raises:
        RecipeError: labels are to be smoothed, and the task's loss is no cross-entropy.

    >>> from laconic.train.task import classification
    >>> import torch
    >>> float(labels(classification, Training(smoothing=0.3))(torch.zeros(1, 4), torch.tensor([0]))) == torch.tensor(4.0).log()
    tensor(True)
    """
    own = _smoothed(task, training.smoothing) if training.smoothing else task.loss

    def loss(outputs: Tensor, targets: Tensor | Blend) -> Tensor:
        if isinstance(targets, Blend):
            return targets.share * own(outputs, targets.first) + (1 - targets.share) * own(outputs, targets.second)
        return own(outputs, targets)

    return loss


def _smoothed(task: Task, smoothing: float) -> Loss:
    if task.loss is not F.cross_entropy:
        found = "labels can be smoothed where the loss is the cross-entropy of classes, and the task has a loss of its own"
        raise RecipeError(found, where=f"smoothing, {task.metric}", hint="leave smoothing out, or smooth in Task(loss=…)")
    return lambda outputs, targets: F.cross_entropy(outputs, targets, label_smoothing=smoothing)


def check_training(training: Training, data: Data, task: Task) -> None:
    """Refuse in a moment what a training cannot do with these data and this task.

    Raises:
        RecipeError: labels to smooth that are no classes. DataError: samples that cannot be mixed, shifted or flipped.
    """
    labels(task, training)
    if training.smoothing and data.train.targets.dtype.kind == "f":
        found = f"targets of type {data.train.targets.dtype} are no class numbers"
        raise RecipeError(found, where="smoothing", hint="leave smoothing out: it spreads a label over the classes")
    shape, dtype = data.preprocessing.shape, data.preprocessing.dtype
    if training.mixing is not None and dtype != "float32":
        raise DataError("samples of whole numbers cannot be mixed", where=data.name, hint="leave mixup and cutmix out")
    if len(shape) != 3 and (training.cutmix or training.augmentation is not None):
        words = "cutmix, shift and flip"
        raise DataError(f"samples of shape {shape} are no images", where=data.name, hint=f"leave {words} out")
