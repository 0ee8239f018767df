"""The training loop, a generator: the caller owns it, so pruning while training is an ordinary `for` loop."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from laconic.base.errors import ModelError, UsageError
from laconic.base.preprocessing import Preprocessing
from laconic.base.seeds import derive
from laconic.datasets.batches import batches
from laconic.datasets.data import Split
from laconic.train.average import averaging, estimate_statistics
from laconic.train.best import Best, Score
from laconic.train.course import Course
from laconic.train.decay import decay_groups
from laconic.train.labels import LabelLoss
from laconic.train.memory import FORGETFUL, Memory
from laconic.train.portions import Batch
from laconic.train.precision import mixed
from laconic.train.ranks import ALONE, Ranks
from laconic.train.task import BatchLoss, Scheduled
from laconic.train.training import Training


@dataclass(frozen=True)
class Tick:
    """One optimiser step that has just been taken.

    Args:
        step: its number, from 0.
        steps: of the whole training.
        epoch: that it belongs to, from 0.
        loss: mean over the samples of the step.
        most: samples that go through the model at a time, where memory did not suffice for a batch.
    """

    step: int
    steps: int
    epoch: int
    loss: float
    most: int | None = None

    @property
    def progress(self) -> float:
        """Share of the training that is done, 0 … 1."""
        return (self.step + 1) / self.steps

    def __str__(self) -> str:
        """
        >>> print(Tick(0, 8, 0, 1.25, most=16))
        loss 1.250, memory suffices for 16 samples at a time
        """
        short = "" if self.most is None else f", memory suffices for {self.most} sample{'s' if self.most > 1 else ''} at a time"
        return f"loss {self.loss:.3f}{short}"


def loop(
    model: nn.Module,
    split: Split,
    preprocessing: Preprocessing,
    loss: BatchLoss | Scheduled,
    training: Training,
    seed: int,
    memory: Memory = FORGETFUL,
    companions: Sequence[nn.Module] = (),
    score: Score | None = None,
    ranks: Ranks = ALONE,
) -> Iterator[Tick]:
    """Train `model` in place, yielding after every optimiser step.

    What a step draws at random (its samples, their augmentation, dropout) depends on the seed and the step's number alone, so a
    training that goes on from a state in `memory` takes the very steps that it would have taken.

    A loss that is not finite, or weights that are not, take the training back to where the epoch began, at half the learning rate. Where
    memory does not suffice for a batch, its halves go through one after the other, and their gradients are added: without batch
    normalisation, the same step.

    When the loop is through, the model has the weights that the training asks for: its mean, its best, or its last. A loop that is left
    before leaves the last.

    Args:
        model: trained in place; in training mode while the loop runs, in evaluation mode after it.
        split: the samples. A last batch of a single sample is left out: batch normalisation cannot learn from it.
        preprocessing: from raw samples to inputs.
        loss: (model, inputs, targets) → scalar, the mean over the samples; `from_task(task.loss)` for the ordinary case, and where the
            training smooths or mixes, `from_task(labels(task, training))`. Or a `Scheduled` loss, asked anew for every step.
        training: the hyper-parameters.
        seed: of all that is drawn at random.
        memory: is given a state to go on from now and then, and asked for one at the start.
        companions: further modules that the loss uses and that train beside the model, by the same optimiser: a hint's regressor, a
            peer. Their modes and their state go as the model's do.
        score: how good a model is, for a training with `patience`; asked after each epoch.
        ranks: the processes that take each step together, each with its part of the samples.

    Raises:
        ModelError: no parameter of the model asks for a gradient; or the ranks have come to hold different weights.
        DataError: the loss was not a finite number, and halving the rate three times did not help; or the samples cannot be mixed.
        ResourceError: memory does not suffice for a single sample; or another rank has gone.
        UsageError: a training with patience was given no score.
    """
    together = nn.ModuleList([model, *companions])
    an_epoch = steps_an_epoch(len(split), training.batch, training.accumulate)
    steps = training.epochs * an_epoch
    trained = _trained(model, together)
    groups = trained if training.decay_depthwise else decay_groups(together, training.weight_decay)
    optimizer = training.build_optimizer(groups, sparse=any(getattr(module, "sparse", False) for module in together.modules()))
    course = Course(model, optimizer, companions, averaging(model, training, steps), _best(training, score, ranks), ranks, training.clip)
    course.recall(memory)
    together.train()
    while course.step < steps and not course.over:
        epoch, first = divmod(course.step, an_epoch)
        start = course.state()
        for group in _groups(split, preprocessing, training, seed, epoch, first):
            course.set_rate(training.rate(course.step, steps))
            value = course.differentiate(_now(loss, course.step / steps, training), group, _own_seed(ranks, seed, epoch, course.step))
            if not math.isfinite(value):
                course.go_back(start, f"the loss became {value}")
                break
            course.descend()
            yield Tick(course.step - 1, steps, epoch, value, course.most)
            last = course.step % an_epoch == 0
            if (last or course.due) and not course.sound():
                course.go_back(start, "a weight became nan or inf")
                break
            if last:
                course.judge()
            course.keep(memory, last)
    course.conclude()
    if training.average == "swa":
        estimate_statistics(model, _inputs(split, preprocessing, training, derive(seed, "statistics"), course.most))
    together.eval()


def steps_an_epoch(samples: int, batch: int, accumulate: int = 1) -> int:
    """Steps in one pass, of `accumulate` batches each; a last batch of a single sample does not count (unless there is no other).

    >>> steps_an_epoch(10, 5), steps_an_epoch(11, 5), steps_an_epoch(12, 5), steps_an_epoch(12, 5, 2)
    (2, 2, 3, 2)
    """
    return math.ceil(_batches_an_epoch(samples, batch) / accumulate)


def _batches_an_epoch(samples: int, batch: int) -> int:
    whole, rest = divmod(samples, batch)
    return max(whole + (rest > 1), 1)


def from_task(loss: LabelLoss) -> BatchLoss:
    """The loss of a task as the loop takes it."""
    return lambda model, inputs, targets: loss(model(inputs), targets)


def _groups(split: Split, preprocessing: Preprocessing, training: Training, seed: int, epoch: int, first: int) -> Iterator[list[Batch]]:
    """The batches of each step of an epoch, from the step `first` on."""
    size, together, mix = training.batch, training.accumulate, training.mixing
    view = derive(seed, "view", epoch % training.views) if training.views else None
    seed = derive(seed, epoch)
    drawn = batches(split, preprocessing, size, seed=seed, augment=training.augmentation, view=view, first=first * together)
    numbered = zip(range(first * together, _batches_an_epoch(len(split), size)), drawn, strict=False)
    while group := list(itertools.islice(numbered, together)):
        yield [batch if mix is None else mix(*batch, derive(seed, "mix", number)) for number, batch in group]


def _inputs(split: Split, preprocessing: Preprocessing, training: Training, seed: int, most: int | None) -> Iterator[torch.Tensor]:
    """One pass over the samples as they are trained on."""
    size = min(training.batch, most or training.batch)
    return (inputs for inputs, _ in batches(split, preprocessing, size, seed=seed, augment=training.augmentation) if len(inputs) > 1)


def _own_seed(ranks: Ranks, *address: int) -> int:
    """Each rank draws for other samples; the first as if it were alone."""
    return derive(*address) if ranks.number == 0 else derive(*address, "rank", ranks.number)


def _best(training: Training, score: Score | None, ranks: Ranks) -> Best | None:
    if training.patience is None:
        return None
    if score is None:
        raise UsageError("a training with patience stops by a score, and was given none", where="patience", hint="loop(…, score=…)")
    return Best(lambda model: ranks.told(score(model)), training.patience)


def _now(loss: BatchLoss | Scheduled, progress: float, training: Training) -> BatchLoss:
    """The loss of one step, in the precision of the training."""
    now = loss.at(progress) if isinstance(loss, Scheduled) else loss
    return mixed(now) if training.precision == "mixed" else now


def _trained(model: nn.Module, together: nn.Module) -> list[nn.Parameter]:
    """All that asks for a gradient, each parameter once, the model's first."""
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ModelError("the model has nothing to train: no parameter asks for a gradient", hint="model.requires_grad_()")
    return [parameter for parameter in together.parameters() if parameter.requires_grad]
