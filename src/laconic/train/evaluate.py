"""Score a network, or a file, on a split."""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from laconic.base.measures import Measure
from laconic.base.preprocessing import Preprocessing
from laconic.datasets.data import Split
from laconic.train.task import Task

Runner = Callable[[np.ndarray], np.ndarray]


def evaluate(run: Runner, split: Split, preprocessing: Preprocessing, task: Task, how: str, batch: int = 256) -> Measure:
    """The task's metric over a split, with its standard error.

    Args:
        run: float32 inputs `(n, *shape)` → outputs `(n, …)`; a Session, or `as_runner(model)`.
        split: raw samples and targets.
        how: what the figure is, for its address.
    """
    scores = torch.cat(
        [_scores(run, split.take(np.arange(i, min(i + batch, len(split)))), preprocessing, task) for i in range(0, len(split), batch)]
    )
    spread = float(scores.std(unbiased=False)) * task.factor / len(scores) ** 0.5
    return Measure(float(scores.double().mean()) * task.factor, task.unit, f"{task.metric}, {how}", len(scores), spread)


def _scores(run: Runner, split: Split, preprocessing: Preprocessing, task: Task) -> torch.Tensor:
    outputs = run(preprocessing.apply(split.inputs))
    return task.score(torch.from_numpy(outputs), torch.from_numpy(split.targets)).float()


def as_runner(model: nn.Module) -> Runner:
    """A model in evaluation mode as arrays in, arrays out; its mode is put back after each call."""

    def run(inputs: np.ndarray) -> np.ndarray:
        was_training = model.training
        device = next((p.device for p in model.parameters()), torch.device("cpu"))
        with torch.no_grad():
            outputs: np.ndarray = model.eval()(torch.from_numpy(inputs).to(device)).float().cpu().numpy()
        model.train(was_training)
        return outputs

    return run
