"""Score a network, or a file, on a split."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import nn

from laconic.base.errors import ModelError, UsageError
from laconic.base.measures import Measure
from laconic.base.preprocessing import Preprocessing
from laconic.datasets.batches import batches
from laconic.datasets.data import Split
from laconic.nn.checks import home
from laconic.train.task import Task

Runner = Callable[[np.ndarray], np.ndarray]


def evaluate(run: Runner, split: Split, preprocessing: Preprocessing, task: Task, how: str, batch: int = 256) -> Measure:
    """The task's metric over a split, with its standard error.

    Args:
        run: float32 inputs `(n, *shape)` → outputs `(n, …)`; a Session, or `as_runner(model)`.
        split: raw samples and targets.
        how: what the figure is, for its address.

    Raises:
        UsageError: the task's score does not give one value a sample.
    """
    drawn = batches(split, preprocessing, batch)
    scores = torch.cat([score(task, torch.from_numpy(run(inputs.numpy())), targets) for inputs, targets in drawn])
    spread = float(scores.std(unbiased=False)) / len(scores) ** 0.5
    return Measure(task.factor * float(scores.mean()), task.unit, f"{task.metric}, {how}", len(scores), abs(task.factor) * spread)


def score(task: Task, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The task's score, one float64 value a sample `(n,)`.

    Raises:
        UsageError: it is something else.
    """
    scores = task.score(outputs, targets)
    if scores.shape != (len(targets),):
        raise UsageError(
            f"the task's score has shape {tuple(scores.shape)} for {len(targets)} samples",
            where=task.metric,
            hint="Task(score=…) returns one value a sample; laconic takes the mean",
        )
    return scores.double()


def as_runner(model: nn.Module) -> Runner:
    """A model in evaluation mode as arrays in, arrays out, float32; the mode of each of its modules is put back after each call."""

    def run(inputs: np.ndarray) -> np.ndarray:
        device, dtype = home(model)
        modes = {module: module.training for module in model.modules()}
        try:
            with torch.no_grad():
                outputs = _one_tensor(model.eval()(torch.from_numpy(inputs).to(device, dtype))).float().cpu().numpy()
        finally:
            for module, mode in modes.items():
                module.training = mode
        return outputs

    return run


def _one_tensor(outputs: object) -> torch.Tensor:
    if not isinstance(outputs, torch.Tensor):
        held = f" of {', '.join(map(str, outputs))}" if isinstance(outputs, Mapping) else ""
        raise ModelError(
            f"the model returns {'nothing' if outputs is None else f'a {type(outputs).__name__}{held}'}, not one tensor",
            where="its forward pass",
            hint="give a small module around it whose forward returns the one that counts, such as self.net(x)['logits'] or self.net(x)[0]",
        )
    return outputs
