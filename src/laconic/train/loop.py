"""The training loop, a generator: the caller owns it, so pruning while training is an ordinary `for` loop."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import nn

from laconic.base.errors import DataError
from laconic.base.preprocessing import Preprocessing
from laconic.datasets.batches import batches
from laconic.datasets.data import Split
from laconic.train.task import Loss
from laconic.train.training import Training

BatchLoss = Callable[[nn.Module, torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Tick:
    """One optimiser step that has just been taken."""

    step: int
    steps: int
    epoch: int
    loss: float

    @property
    def progress(self) -> float:
        """Share of the training that is done, 0 … 1."""
        return (self.step + 1) / self.steps


def loop(
    model: nn.Module,
    split: Split,
    preprocessing: Preprocessing,
    loss: BatchLoss,
    training: Training,
    generator: torch.Generator,
) -> Iterator[Tick]:
    """Train `model` in place, yielding after every optimiser step.

    Args:
        model: trained in place; in training mode while the loop runs, in evaluation mode after it.
        split: the samples.
        preprocessing: from raw samples to inputs.
        loss: (model, inputs, targets) → scalar; `from_task(task.loss)` for the ordinary case.
        training: the hyper-parameters.
        generator: draws the order of samples and the augmentation.

    Raises:
        DataError: the loss is not a finite number.
    """
    optimizer = training.build_optimizer(p for p in model.parameters() if p.requires_grad)
    device = next(model.parameters()).device
    steps = training.epochs * math.ceil(len(split) / training.batch)
    step = 0
    model.train()
    for epoch in range(training.epochs):
        for inputs, targets in batches(split, preprocessing, training.batch, generator=generator, augment=training.augmentation):
            for group in optimizer.param_groups:
                group["lr"] = training.rate(step, steps)
            optimizer.zero_grad(set_to_none=True)
            error = loss(model, inputs.to(device), targets.to(device))
            error.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            yield Tick(step, steps, epoch, _finite(float(error.detach()), step))
            step += 1
    model.eval()


def from_task(loss: Loss) -> BatchLoss:
    """The loss of a task as the loop takes it."""
    return lambda model, inputs, targets: loss(model(inputs), targets)


def _finite(value: float, step: int) -> float:
    if not math.isfinite(value):
        raise DataError(
            f"the loss became {value}", where=f"training step {step}", hint="halve the learning rate, or look for NaN in the data"
        )
    return value
