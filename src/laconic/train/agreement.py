"""What networks are judged by where the data have no labels: the decisions of the model as it came."""

from dataclasses import replace

import numpy as np
import torch
from torch import nn

from laconic.datasets.batches import batches
from laconic.datasets.data import Data, Split
from laconic.train.evaluate import as_runner
from laconic.train.task import Task

METRIC = "agreement with the original"


def by_agreement(original: nn.Module, data: Data, task: Task) -> tuple[Data, Task]:
    """Data and task as they are, or without labels to score by, with the original's own decisions as labels of validation and test.

    The training split stays without labels: what trains learns from the original's outputs, which say more.
    """
    if data.labelled or task.decide is None:
        return data, task
    validation, test = (_decided(original, data, task, split) for split in (data.validation, data.test))
    return replace(data, validation=validation, test=test), replace(task, metric=METRIC)


def _decided(original: nn.Module, data: Data, task: Task, split: Split) -> Split:
    run, decide = as_runner(original), task.decide
    assert decide is not None
    found = [decide(torch.from_numpy(run(inputs.numpy()))).numpy() for inputs, _ in batches(split, data.preprocessing, 256)]
    return Split(split.inputs, np.concatenate(found).astype(np.int64))
