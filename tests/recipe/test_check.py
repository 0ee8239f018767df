"""A dry run tells how long trainings take, and what is learnt from what."""

import time
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from laconic import from_arrays, tokens
from laconic.base.errors import ModelError
from laconic.datasets.data import Data
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.methods.distill import Distill
from laconic.methods.finetune import Finetune
from laconic.methods.replace import Replace
from laconic.methods.step import Step
from laconic.recipe import Recipe, check
from laconic.recipe.timing import seconds_of_training
from laconic.train import Tick

NAP = 0.05  # s


class Sleepy(nn.Module):
    """Sleeps whenever it is trained, and longer when it is for the first time."""

    def __init__(self, first: float = 0.0) -> None:
        super().__init__()
        self.fc, self.naps = nn.Linear(64, 4), [first]

    def __deepcopy__(self, memo: Any) -> "Sleepy":
        twin = Sleepy()
        twin.load_state_dict(self.state_dict())
        twin.naps = self.naps  # the same for all copies
        return twin.train(self.training)

    def forward(self, x: Tensor) -> Tensor:
        if self.training and not torch.compiler.is_exporting():
            time.sleep(self.naps.pop() if self.naps else NAP)
        return self.fc(x.flatten(1))


def test_what_is_set_up_for_the_first_step_is_not_counted_for_all(data: Data) -> None:
    recipe = Recipe((Finetune(epochs=250, batch=16),))
    assert 1000 * NAP < check(Sleepy(first=1.2), data, recipe).time.value < 400


@pytest.mark.parametrize(
    ("step", "steps"),
    [
        (Finetune(epochs=2, batch=16), 8),
        (Finetune(epochs=1, batch=64), 1),
        (Distill(epochs=2, batch=16, assistants=(Sleepy(),)), 16),
        (Distill(epochs=2, batch=16, hints=1.0, layers={"fc": "fc"}, hint_epochs=3), 20),
    ],
    ids=["finetune", "a single step", "assistants", "hints first"],
)
def test_every_training_of_a_step_is_timed_by_its_own_steps(step: Step, steps: int, data: Data) -> None:
    model = Sleepy(first=NAP)
    network, context = Network(model), Context(data, model)
    found = seconds_of_training(step, step.plan(network, context), network, context)
    assert steps * NAP <= found < 5 * steps * NAP


def test_blocks_that_recover_are_timed_apart_from_the_training(model: nn.Module, data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    step = Replace(epochs=1, batch=16, samples=16, iterations=50, block={"block.*": "depthwise"})
    once = check(model, data, Recipe((step,))).time.value
    monkeypatch.setattr("laconic.methods.context.loop", lambda *_: (Tick(0, 10**6, 0, 0.0) for _ in range(9) if not time.sleep(0.001)))
    assert check(model, data, Recipe((step,))).time.value > once + 500


def test_the_plan_of_what_only_trains_is_told(model: nn.Module, data: Data) -> None:
    step = Distill(epochs=1, batch=16, hints=0.5, layers={"block.bn2": "block.bn1"})
    found = check(model, data, Recipe((step,)))
    (plan,) = found.plans.values()
    assert plan.rows == step.plan(Network(model), Context(data, model)).rows
    assert f"{step}\n{plan}" in str(found)
    assert '"term": "hints"' in found.to_json()


@pytest.mark.parametrize(("kind", "said"), [(np.int64, "laconic.tokens(6)"), (np.float32, "one float tensor")])
def test_a_network_that_looks_up_what_came_as_numbers_says_how_tokens_come(kind: type, said: str) -> None:
    model = nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(24, 3))
    words, labels = np.arange(60).reshape(10, 6) % 9, np.arange(10) % 3
    samples = words.astype(kind)
    with pytest.raises(ModelError) as caught:
        check(model, from_arrays((samples, labels), (samples, labels)), Recipe())
    assert said in str(caught.value.hint)
    if kind is np.int64:
        check(model, from_arrays((samples, labels), (samples, labels), preprocessing=tokens(6)), Recipe())
