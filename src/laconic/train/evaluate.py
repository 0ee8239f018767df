"""Score a network, or a file, on a split."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from laconic.base.errors import ModelError, UsageError
from laconic.base.measures import Measure
from laconic.base.preprocessing import Preprocessing
from laconic.datasets.batches import batches
from laconic.datasets.data import Data, Split
from laconic.nn.checks import at_home
from laconic.train.portions import ran_out
from laconic.train.task import Task

Runner = Callable[[np.ndarray], np.ndarray]
PARTS = 64  # that a split falls into, to know the spread of a metric of all samples together


@dataclass(frozen=True)
class Judged:
    """One pass over a split.

    Args:
        score: the task's metric with its standard error.
        decided: the class number given to each sample, in the split's order; empty where the task decides nothing.
    """

    score: Measure
    decided: tuple[int, ...]


def evaluate(run: Runner, split: Split, preprocessing: Preprocessing, task: Task, how: str, batch: int = 256) -> Measure:
    """The score of `judge` alone."""
    return judge(run, split, preprocessing, task, how, batch).score


def judge(run: Runner, split: Split, preprocessing: Preprocessing, task: Task, how: str, batch: int = 256) -> Judged:
    """The task's metric over a split, with its standard error, and what was decided about each sample.

    Args:
        run: float32 inputs `(n, *shape)` → outputs `(n, …)`; a Session, or `as_runner(model)`.
        split: raw samples and targets.
        how: what the figure is, for its address.

    Raises:
        UsageError: the task's score does not give one value or row a sample, its `aggregate` not one number, or its `decide` not one
            class number.
    """
    each, decided = [], []
    for inputs, targets in batches(split, preprocessing, batch):
        outputs = torch.from_numpy(run(inputs.numpy()))
        each.append(score(task, outputs, targets))
        decided += decisions(task, outputs, targets)
    values = parts(task, torch.cat(each))
    spread = float(values.std(unbiased=False)) / len(values) ** 0.5
    measure = Measure(task.factor * float(values.mean()), task.unit, f"{task.metric}, {how}", len(split), abs(task.factor) * spread)
    return Judged(measure, tuple(decided))


def scores(run: Runner, split: Split, preprocessing: Preprocessing, task: Task, batch: int = 256) -> np.ndarray:
    """The metric in parts that can be compared one by one, in its unit: float64 `(m,)`, of which the metric is the mean (see `parts`).

    Raises:
        UsageError: as `judge`.
    """
    each = [score(task, torch.from_numpy(run(inputs.numpy())), targets) for inputs, targets in batches(split, preprocessing, batch)]
    return task.factor * parts(task, torch.cat(each)).numpy()


def score(task: Task, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The task's score, one float64 value a sample `(n,)`; where the task aggregates them, one row `(n, …)`.

    Raises:
        UsageError: it is something else.
    """
    scores = task.score(outputs, targets)
    if scores.shape[:1] != (len(targets),) or (scores.ndim > 1 and task.aggregate is None):
        raise UsageError(
            f"the task's score has shape {tuple(scores.shape)} for {len(targets)} samples",
            where=task.metric,
            hint="Task(score=…) returns one value a sample; laconic takes the mean, or what Task(aggregate=…) makes of one row a sample",
        )
    return scores.double()


def parts(task: Task, scores: torch.Tensor) -> torch.Tensor:
    """Numbers whose mean is the metric, and whose spread is that of the metric: float64 `(m,)`.

    These are the scores themselves, or, where the task aggregates them to a metric θ, what each of at most 64 parts of the samples
    adds to it: θ + (m − 1)(mean of all θ₋ⱼ − θ₋ⱼ), where θ₋ⱼ is the metric without part j. Their standard error is that of the grouped
    jackknife (Efron & Tibshirani 1993, "An Introduction to the Bootstrap", §11.5). Were θ a mean over samples, they'd be means of parts.

    Args:
        scores: what `score` gave for a whole split, `(n, …)`.

    Raises:
        UsageError: the task aggregates to something else than one number.

    >>> task = Task(nn.functional.mse_loss, lambda outputs, targets: outputs, "the mean", aggregate=lambda rows: rows.mean())
    >>> parts(task, torch.tensor([1.0, 2.0, 6.0]).double()).tolist()
    [1.0, 2.0, 6.0]
    """
    if task.aggregate is None:
        return scores
    whole, count = aggregated(task, scores), min(PARTS, len(scores))
    if count == 1:
        return whole[None]
    part = torch.arange(len(scores)) % count
    without = torch.stack([aggregated(task, scores[part != j]) for j in range(count)])
    return whole + (count - 1) * (without.mean() - without)


def aggregated(task: Task, scores: torch.Tensor) -> torch.Tensor:
    """The metric, before `factor`, of samples with these scores: a float64 scalar.

    Raises:
        UsageError: it is something else.
    """
    if task.aggregate is None:
        return scores.mean()
    metric = task.aggregate(scores)
    if metric.shape != ():
        raise UsageError(
            f"the task aggregates the scores of {len(scores)} samples to shape {tuple(metric.shape)}",
            where=task.metric,
            hint="Task(aggregate=…) returns one number for all samples together",
        )
    return metric.double()


def decisions(task: Task, outputs: torch.Tensor, targets: torch.Tensor) -> list[int]:
    """The class number that the task makes of each output; none where it decides nothing.

    Raises:
        UsageError: it makes something else of them, or the targets are no class numbers to hold them against.
    """
    if task.decide is None:
        return []
    decided = task.decide(outputs)
    for what, numbers in (("decisions", decided), ("targets", targets)):
        if numbers.shape != (len(outputs),) or numbers.is_floating_point():
            raise UsageError(
                f"the {what} have shape {tuple(numbers.shape)} and are {numbers.dtype} for {len(outputs)} samples",
                where=task.metric,
                hint="Task(decide=…) returns one class number a sample, such as outputs.argmax(1), for targets that are such numbers",
            )
    classes: list[int] = decided.tolist()
    return classes


def goodness(model: nn.Module, data: Data, task: Task) -> float:
    """The score on the validation split, turned so that more is better."""
    found = evaluate(as_runner(model), data.validation, data.preprocessing, task, "validation split").value
    return found if task.higher_is_better else -found


def as_runner(model: nn.Module) -> Runner:
    """A model in evaluation mode as arrays in, arrays out, float32; the mode of each of its modules is put back after each call.

    Where memory does not suffice for all samples of a call, its halves go through one after the other, down to one sample.
    """

    def run(inputs: np.ndarray) -> np.ndarray:
        modes = {module: module.training for module in model.modules()}
        try:
            return _in_halves(model.eval(), inputs)
        finally:
            for module, mode in modes.items():
                module.training = mode

    return run


@torch.no_grad()
def _in_halves(model: nn.Module, inputs: np.ndarray) -> np.ndarray:
    try:
        return _one_tensor(model(at_home(model, torch.from_numpy(inputs)))).float().cpu().numpy()
    except (MemoryError, RuntimeError) as cause:
        if not ran_out(cause) or len(inputs) < 2:
            raise
    middle = len(inputs) // 2  # out here nothing holds the tensors of the attempt any more
    return np.concatenate([_in_halves(model, part) for part in (inputs[:middle], inputs[middle:])])


def _one_tensor(outputs: object) -> torch.Tensor:
    if not isinstance(outputs, torch.Tensor):
        held = f" of {', '.join(map(str, outputs))}" if isinstance(outputs, Mapping) else ""
        raise ModelError(
            f"the model returns {'nothing' if outputs is None else f'a {type(outputs).__name__}{held}'}, not one tensor",
            where="its forward pass",
            hint="give a small module around it whose forward returns the one that counts, such as self.net(x)['logits'] or self.net(x)[0]",
        )
    return outputs
