"""What a fine-tuning learns from: labels, what the original says, or both."""

import copy

import torch
from torch import Tensor, nn

from laconic.nn.checks import at_home, home
from laconic.train.labels import LabelLoss
from laconic.train.soft_targets import apart
from laconic.train.task import BatchLoss, Task

TEMPERATURE = 4.0  # of the soft targets, beside labels of the same weight (Hinton 2015 tried 1 to 20)


def by_original(original: nn.Module, like: nn.Module, task: Task, labels: LabelLoss | None) -> BatchLoss:
    """A loss that draws a network's outputs to the original's, beside the labels' loss where there is one.

    Classes are compared as softened probabilities, other outputs by their squared difference.

    Args:
        original: stays as it is.
        like: a model where the trained one is, and of its type.
        task: says whether outputs decide between classes.
        labels: of weight 1; None leaves them out.
    """
    device, dtype = home(like)
    teacher = copy.deepcopy(original).eval().to(device, dtype)

    def loss(model: nn.Module, inputs: Tensor, targets: object) -> Tensor:
        outputs = model(inputs)
        with torch.no_grad():
            wanted = teacher(at_home(teacher, inputs))
        away = apart(outputs, wanted, task.match, TEMPERATURE)
        return away if labels is None else away + labels(outputs, targets)

    return loss
