"""A loss that is not a number: taken back and tried again at half the rate, or reported; never shipped (bar R19)."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import laconic
from laconic.artifact import unpack
from laconic.base.errors import DataError
from laconic.datasets.data import Data
from laconic.recipe import Recipe
from laconic.train import Task, classification

RECIPE = Recipe((laconic.Finetune(epochs=2, batch=16, lr=0.01), laconic.Share(bits=3)))
OLD = b"what stood here before"
SICK = """
import torch
from torch import nn


class Sick(nn.Module):
    def __init__(self):
        super().__init__()
        self.line = nn.Linear(36, 3)

    def forward(self, x):
        y = self.line(x.flatten(1))
        return y * float("nan") if self.training else y


def build():
    torch.manual_seed(0)
    return Sick()
"""


class Moody:
    """Cross-entropy that is `bad` at a few of the calls that train."""

    def __init__(self, bad: float, at: set[int]) -> None:
        self.bad, self.at, self.calls = bad, at, 0

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        self.calls += outputs.requires_grad
        moody = outputs.requires_grad and self.calls in self.at
        return classification.loss(outputs, targets) * (self.bad if moody else 1)


pytestmark = pytest.mark.usefixtures("abridged")


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("at", [{3}, {3, 6, 9}], ids=["once", "three times"])
def test_a_passing_mood_leaves_no_trace(model: nn.Module, data: Data, bad: float, at: set[int]) -> None:
    loss = Moody(bad, at)
    result = laconic.compress(model, data, RECIPE, task=Task(loss, classification.score, "top-1"))
    assert loss.calls > 2 * len(data.train) // 16  # some steps were taken again
    for form in unpack(result.run.content).tensors.values():
        assert np.isfinite(form.array().astype(np.float64)).all()
    assert all(torch.isfinite(value).all() for value in result.model.state_dict().values())


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_stays_bad_is_reported(model: nn.Module, data: Data, bad: float) -> None:
    loss = Moody(bad, set(range(2, 10**6)))
    with pytest.raises(DataError, match=r"the loss became -?(nan|inf)") as caught:
        laconic.compress(model, data, RECIPE, task=Task(loss, classification.score, "top-1"))
    assert "halving the learning rate 3 times" in caught.value.where
    assert loss.calls < 20


def test_nothing_is_shipped(press: Any, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(SICK)
    (tmp_path / "small.lac").write_bytes(OLD)
    done = press(tmp_path / "small.lac", model=f"{tmp_path / 'net.py'}:build")
    assert done.code == 3
    assert "the loss became nan" in done.said
    assert (tmp_path / "small.lac").read_bytes() == OLD
    assert not (tmp_path / "small.lac.run" / "report.html").exists()
