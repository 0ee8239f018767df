"""Each layer alone, scored as `Prune` of it would be; nobody's model, and no test split, is touched."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import laconic
from laconic.base.errors import DataError, ModelError, UsageError
from laconic.base.sensitivities import Sensitivity
from laconic.datasets.data import Data, Split
from laconic.methods.prune import Prune
from laconic.methods.prune.sensitivity import sensitivity
from laconic.nn import weights
from laconic.train import Task, as_runner, classification, evaluate

SPARSITIES = (0.3, 0.8, 0.97)


class Quadrants(nn.Module):
    """Knows the bright quadrant by heart: `right` adds each quadrant up, `idle` adds nothing to that."""

    def __init__(self) -> None:
        super().__init__()
        self.right, self.idle = nn.Linear(64, 4, bias=False), nn.Linear(64, 4, bias=False)
        rows, columns = np.mgrid[:8, :8] // 4
        with torch.no_grad():
            self.right.weight.copy_(torch.from_numpy(np.stack([(2 * rows + columns == c).reshape(-1) for c in range(4)])))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.right(x.flatten(1)) + 0 * self.idle(x.flatten(1))


@pytest.fixture
def model(model: nn.Module, data: Data) -> nn.Module:
    """The residual network, trained until there is something to lose."""
    return laconic.Finetune(epochs=6, lr=0.02, batch=8)(model, data).module


def unread(data: Data) -> Data:
    """The same data; whoever looks at the test split is told off."""

    class Sealed:
        def __getattribute__(self, name: str) -> Any:
            raise AssertionError(f"the test split was asked for its {name}")

        def __len__(self) -> int:
            raise AssertionError("the test split was counted")

    sealed = dataclasses.replace(data)
    object.__setattr__(sealed, "test", Sealed())
    return sealed


def test_a_layer_that_does_not_matter_keeps_the_score_and_one_that_does_loses_it(data: Data) -> None:
    found = sensitivity(Quadrants(), data, (0.5, 0.9, 0.99))
    assert found.before.value == 100
    assert [score.value for score in found.scores["idle.weight"]] == [100, 100, 100]
    assert found.changes("right.weight")[-1] < -20
    assert found.at_most(0)["idle.weight"] == 0.99
    assert found.at_most(20)["right.weight"] < 0.99


def test_every_score_is_that_of_the_layer_pruned_by_the_step(model: nn.Module, data: Data) -> None:
    fine = Task(classification.loss, lambda outputs, targets: functional.cross_entropy(outputs, targets, reduction="none"), "loss")
    found = sensitivity(model, data, SPARSITIES, task=fine)
    assert list(found.scores) == list(weights(model))

    def judged(module: nn.Module) -> float:
        return evaluate(as_runner(module), data.validation, data.preprocessing, fine, "").value

    assert found.before.value == judged(model)
    expected = {name: [judged(Prune(sparsity={name: s})(model, data).module) for s in SPARSITIES] for name in found.scores}
    assert {name: [score.value for score in scores] for name, scores in found.scores.items()} == expected
    assert len({value for values in expected.values() for value in values}) == 12, "every trial has a score of its own"


def test_the_model_is_not_touched_and_the_test_split_not_read(model: nn.Module, data: Data, digest: Callable[[nn.Module], str]) -> None:
    model.train()
    before = digest(model)
    found = laconic.sensitivity(model, unread(data), SPARSITIES)
    assert digest(model) == before
    assert found == sensitivity(model, data, SPARSITIES)


def test_no_more_samples_than_were_said_evenly_spread(data: Data) -> None:
    seen: list[list[int]] = []

    def score(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        seen.append(targets.tolist())
        return torch.zeros(len(targets))

    numbered = dataclasses.replace(data, validation=Split(data.validation.inputs, np.arange(32)), classes=())
    sensitivity(Quadrants(), numbered, (0.5,), samples=8, task=Task(classification.loss, score, "zero"))
    assert seen == [list(range(0, 32, 4))] * 3
    assert sensitivity(Quadrants(), data, (0.5,), samples=99).before.n == 32


def test_layers_are_chosen_by_pattern_and_sparsities_put_in_order(model: nn.Module, data: Data) -> None:
    found = sensitivity(model, data, (0.8, 0.3, 0.8), layers=["block.*", "fc"])
    assert (found.sparsities, list(found.scores)) == ((0.3, 0.8), ["block.conv1.weight", "block.conv2.weight", "fc.weight"])


def test_progress_names_every_trial_and_never_goes_back(data: Data) -> None:
    told: list[tuple[float, str]] = []
    sensitivity(Quadrants(), data, (0.5, 0.9), progress=lambda what, share, detail: told.append((share, detail)))
    names = [f"{name}.weight at {share} %" for name in ("right", "idle") for share in (50, 90)]
    assert told == list(zip((0.0, 0.25, 0.5, 0.75), names, strict=True))


@pytest.mark.parametrize("sparsities", [(1.0,), (-0.1,), (0.5, float("nan")), ()])
def test_what_is_no_share_is_refused(data: Data, sparsities: tuple[float, ...]) -> None:
    with pytest.raises(UsageError) as caught:
        sensitivity(Quadrants(), data, sparsities)
    assert (caught.value.where, bool(caught.value.hint)) == ("sparsities", True)


def test_what_cannot_be_scored_or_pruned_is_refused(data: Data) -> None:
    with pytest.raises(UsageError, match="'left'"):
        sensitivity(Quadrants(), data, layers=("left",))
    with pytest.raises(UsageError, match="0 samples"):
        sensitivity(Quadrants(), data, samples=0)
    with pytest.raises(ModelError, match="two or more axes"):
        sensitivity(nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64)), data)
    with pytest.raises(ModelError, match="does not run"):
        laconic.sensitivity(nn.Linear(3, 4), data)
    with pytest.raises(DataError, match="labels reach 3"):
        laconic.sensitivity(nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), data)


def test_its_answer_is_a_recipe_line(model: nn.Module, data: Data) -> None:
    found: Sensitivity = laconic.sensitivity(model, data, SPARSITIES)
    step = Prune(sparsity=found.at_most(10))
    pruned = step(model, data)
    shares = {name: float((pruned.array(name) == 0).mean()) for name in weights(model)}
    assert shares == pytest.approx({name: found.at_most(10).get(name, 0.0) for name in weights(model)}, abs=0.01)
