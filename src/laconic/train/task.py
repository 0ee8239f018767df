"""What a problem asks of a network: a loss to train by and a score to judge by."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn
from torch.nn import functional as F

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
BatchLoss = Callable[[nn.Module, torch.Tensor, Any], torch.Tensor]
"""(model, inputs, targets) → scalar, as the loop takes it. Targets are a tensor, or a `Blend` where the training mixes samples."""

Match = Literal["soft", "mse"]
"""Outputs of two networks are compared as logits of classes, softened; or as numbers, by their squares."""


class Scheduled(ABC):
    """A loss that changes as the training goes on: a temperature that falls, a term that fades in.

    >>> class Fading(Scheduled):
    ...     def at(self, progress: float) -> BatchLoss:
    ...         return lambda model, inputs, targets: (1 - progress) * model(inputs).square().mean()
    >>> float(Fading().at(0.75)(nn.Identity(), torch.full((1, 1), 2.0), torch.zeros(1)))
    1.0
    """

    @abstractmethod
    def at(self, progress: float) -> BatchLoss:
        """The loss of the step that is taken when this share of the training is behind, 0 … below 1."""


@dataclass(frozen=True)
class Task:
    """Two callables and the score's name; a third where the problem is to decide between classes, or the metric no mean over samples.

    Args:
        loss: (outputs, targets) → scalar to minimise.
        score: (outputs, targets) → one value a sample `(n,)`; the mean over a split, times `factor`, is the metric. With `aggregate`, one
            row a sample `(n, …)`: whatever of it the metric counts.
        metric: the metric's name, e.g. "top-1 accuracy".
        unit: of the metric.
        factor: from the mean score, or what `aggregate` makes of the rows, to `unit`: 100 for shares in per cent.
        higher_is_better: direction of the metric.
        decide: outputs → one class number a sample `(n,)`, to be held against targets that are such numbers too; None where nothing is
            decided.
        aggregate: rows of `score` `(m, …)` → the metric of these samples together, one number, where that is no mean over samples: a mean
            average precision, a mean intersection over union, an F1. It is asked about a whole split, and, to know how sure that is, about
            the split without one part or another.

    >>> def hits(outputs, targets):  # (n, 3): what of a sample precision and recall are made of
    ...     found = outputs > 0
    ...     return torch.stack([found & targets, found, targets], 1).float()
    >>> def f1(rows):
    ...     true, found, wanted = rows.sum(0)
    ...     return 2 * true / (found + wanted)
    >>> task = Task(F.binary_cross_entropy_with_logits, hits, "F1", aggregate=f1)
    >>> round(float(task.aggregate(hits(torch.tensor([2.0, 1.0, -1.0]), torch.tensor([True, False, True])))), 3)
    0.5
    """

    loss: Loss
    score: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    metric: str
    unit: str = "%"
    factor: float = 100.0
    higher_is_better: bool = True
    decide: Callable[[torch.Tensor], torch.Tensor] | None = None
    aggregate: Callable[[torch.Tensor], torch.Tensor] | None = None

    @property
    def match(self) -> Match:
        """How the outputs of two networks are compared: as logits where classes are decided between, else as numbers."""
        return "mse" if self.decide is None else "soft"


def _likeliest(outputs: torch.Tensor) -> torch.Tensor:
    return outputs.argmax(1)


def _hits(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return (_likeliest(outputs) == targets).float()


classification = Task(F.cross_entropy, _hits, "top-1 accuracy", decide=_likeliest)


def _charge(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(outputs, targets, reduction="none").flatten(1).mean(1)


next_token = Task(F.cross_entropy, _charge, "bits a token", unit="bits", factor=1 / math.log(2), higher_is_better=False)
"""Of a language model with logits `(n, tokens of the vocabulary, length)`, and the tokens `(n, length)` that came next."""
