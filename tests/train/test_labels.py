"""Labels that are smoothed, against the formula; and tasks that have none to smooth."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from laconic import Distill, Finetune
from laconic.base.errors import RecipeError
from laconic.base.preprocessing import Preprocessing
from laconic.datasets.data import Data, Split
from laconic.train import Task, Training, classification, labels, next_token


def test_smoothing_spreads_a_share_of_the_label_over_all_classes() -> None:
    logits = [2.0, 0.5, -1.0]
    log = [z - math.log(sum(map(math.exp, logits))) for z in logits]
    wanted = -(0.9 + 0.1 / 3) * log[1] - 0.1 / 3 * (log[0] + log[2])
    found = labels(classification, Training(smoothing=0.1))(torch.tensor([logits], dtype=torch.float64), torch.tensor([1]))
    assert found.item() == pytest.approx(wanted, rel=1e-12)


def test_without_it_the_loss_is_the_task_s() -> None:
    outputs, targets = torch.randn(3, 4), torch.tensor([0, 3, 1])
    assert labels(classification, Training())(outputs, targets) == classification.loss(outputs, targets)


def test_words_are_classes_too() -> None:
    outputs, targets = torch.zeros(2, 5, 7), torch.zeros(2, 7, dtype=torch.long)
    assert labels(next_token, Training(smoothing=0.5))(outputs, targets).item() == pytest.approx(math.log(5))


def test_a_loss_of_the_user_s_own_cannot_be_smoothed(model: nn.Module, data: Data) -> None:
    task = Task(functional.multi_margin_loss, classification.score, "top-1")
    with pytest.raises(RecipeError, match="has a loss of its own") as caught:
        Finetune(epochs=10**9, smoothing=0.1)(model, data, task=task)
    assert caught.value.where == "smoothing, top-1"


def test_targets_that_are_no_classes_cannot_be_smoothed() -> None:
    split = Split(np.zeros((4, 3), np.float32), np.full((4, 2), 0.5, np.float32))
    soft = Data("soft", split, split, split, Preprocessing((3,), scale=1.0))
    task = Task(functional.cross_entropy, lambda o, t: (o * t).sum(1), "agreement")
    with pytest.raises(RecipeError, match="float32 are no class numbers"):
        Finetune(epochs=10**9, smoothing=0.1)(nn.Linear(3, 2), soft, task=task)


def test_a_teacher_alone_has_no_labels_to_smooth() -> None:
    with pytest.raises(RecipeError, match="no labels to smooth"):
        Distill(labels=False, smoothing=0.1)
