"""What networks are judged by where the data have no labels: the decisions of the model as it came, or its outputs."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from laconic.datasets.batches import batches
from laconic.datasets.data import Data, Split
from laconic.train.evaluate import as_runner
from laconic.train.task import Task

METRIC, DISTANCE = "agreement with the original", "distance from the original's outputs"


def by_agreement(original: nn.Module, data: Data, task: Task) -> tuple[Data, Task]:
    """Data and task as they are, or without labels to score by, with what the original says as labels of validation and test.

    That is its decisions, where the task decides between classes; elsewhere its outputs, and the score is how far others are from them.
    The training split stays without labels: what trains learns from the original's outputs, which say more.
    """
    if data.labelled:
        return data, task
    validation, test = (_said(original, data, task.decide, split) for split in (data.validation, data.test))
    if task.decide is None:
        task = replace(task, metric=DISTANCE, score=_distance, unit="%", factor=100.0, higher_is_better=False, aggregate=None)
    else:
        task = replace(task, metric=METRIC)
    return replace(data, validation=validation, test=test), task


def _said(original: nn.Module, data: Data, decide: Callable[[torch.Tensor], torch.Tensor] | None, split: Split) -> Split:
    run = as_runner(original)
    outputs = (torch.from_numpy(run(inputs.numpy())) for inputs, _ in batches(split, data.preprocessing, 256))
    found = [(one if decide is None else decide(one)).numpy() for one in outputs]
    return Split(split.inputs, np.concatenate(found).astype(np.float32 if decide is None else np.int64))


def _distance(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Of each sample, as a share of the target's length."""
    gap, length = ((values.flatten(1) if values.ndim > 1 else values[:, None]).norm(dim=1) for values in (outputs - targets, targets))
    return gap / length.clamp(min=torch.finfo(length.dtype).tiny)
