"""The training loop, a generator: the caller owns it, so pruning while training is an ordinary `for` loop."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from laconic.base.errors import ModelError
from laconic.base.preprocessing import Preprocessing
from laconic.base.seeds import derive
from laconic.datasets.batches import batches
from laconic.datasets.data import Split
from laconic.nn.checks import at_home
from laconic.train.course import Course
from laconic.train.memory import FORGETFUL, Memory
from laconic.train.precision import mixed
from laconic.train.task import BatchLoss, Loss, Scheduled
from laconic.train.training import Training


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
    loss: BatchLoss | Scheduled,
    training: Training,
    seed: int,
    memory: Memory = FORGETFUL,
    companions: Sequence[nn.Module] = (),
) -> Iterator[Tick]:
    """Train `model` in place, yielding after every optimiser step.

    What a step draws at random (its samples, their augmentation, dropout) depends on the seed and the step's number alone, so a
    training that goes on from a state in `memory` takes the very steps that it would have taken.

    A loss that is not finite takes the training back to where the epoch began, at half the learning rate.

    Args:
        model: trained in place; in training mode while the loop runs, in evaluation mode after it.
        split: the samples. A last batch of a single sample is left out: batch normalisation cannot learn from it.
        preprocessing: from raw samples to inputs.
        loss: (model, inputs, targets) → scalar, `from_task(task.loss)` for the ordinary case; or a `Scheduled` loss, asked anew for
            every step.
        training: the hyper-parameters.
        seed: of all that is drawn at random.
        memory: is given a state to go on from now and then, and asked for one at the start.
        companions: further modules that the loss uses and that train beside the model, by the same optimiser: a hint's regressor, a
            peer. Their modes and their state go as the model's do.

    Raises:
        ModelError: no parameter of the model asks for a gradient.
        DataError: the loss was not a finite number, and halving the rate three times did not help.
    """
    together = nn.ModuleList([model, *companions])
    course = Course(model, training.build_optimizer(_trained(model, together)), companions)
    course.recall(memory)
    an_epoch = steps_an_epoch(len(split), training.batch)
    steps = training.epochs * an_epoch
    together.train()
    while course.step < steps:
        epoch, first = divmod(course.step, an_epoch)
        start = course.state()
        view = derive(seed, "view", epoch % training.views) if training.views else None
        drawn = batches(
            split, preprocessing, training.batch, seed=derive(seed, epoch), augment=training.augmentation, view=view, first=first
        )
        for inputs, targets in itertools.islice(drawn, an_epoch - first):
            torch.manual_seed(derive(seed, epoch, course.step))  # dropout and the like draw from the global generator
            course.set_rate(training.rate(course.step, steps))
            own = at_home(model, inputs)
            error = _now(loss, course.step / steps, training)(model, own, targets.to(own.device))
            if not math.isfinite(value := float(error.detach())):
                course.go_back(start, value)
                break
            course.descend(error)
            yield Tick(course.step - 1, steps, epoch, value)
            course.keep(memory, last=course.step % an_epoch == 0)
    together.eval()


def steps_an_epoch(samples: int, batch: int) -> int:
    """Batches in one pass, a last one of a single sample not counted (unless there is no other).

    >>> steps_an_epoch(10, 5), steps_an_epoch(11, 5), steps_an_epoch(12, 5)
    (2, 2, 3)
    """
    whole, rest = divmod(samples, batch)
    return max(whole + (rest > 1), 1)


def from_task(loss: Loss) -> BatchLoss:
    """The loss of a task as the loop takes it."""
    return lambda model, inputs, targets: loss(model(inputs), targets)


def _now(loss: BatchLoss | Scheduled, progress: float, training: Training) -> BatchLoss:
    """The loss of one step, in the precision of the training."""
    now = loss.at(progress) if isinstance(loss, Scheduled) else loss
    return mixed(now) if training.precision == "mixed" else now


def _trained(model: nn.Module, together: nn.Module) -> list[nn.Parameter]:
    """All that asks for a gradient, each parameter once, the model's first."""
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ModelError("the model has nothing to train: no parameter asks for a gradient", hint="model.requires_grad_()")
    return [parameter for parameter in together.parameters() if parameter.requires_grad]
