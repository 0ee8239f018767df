"""Soups: means of weights, and which of them are let in."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import laconic
from laconic import Finetune, Prune
from laconic.base.errors import ModelError, UsageError
from laconic.datasets.data import Data
from laconic.train import Task, as_runner, classification, evaluate
from laconic.train.soup import soup


@pytest.fixture(scope="module")
def brothers(data: Data, residual: nn.Module) -> list[nn.Module]:
    """Three trainings from one start, and the same with a head of noise."""
    start = Finetune(epochs=4, batch=16, lr=0.02)(residual, data)
    found = [Finetune(epochs=2, batch=16, lr=0.01)(start, data, seed=seed).module for seed in range(3)]
    spoilt = copy.deepcopy(found[0])
    with torch.no_grad():
        spoilt.fc.weight.copy_(-20 * spoilt.fc.weight)
    return [*found, spoilt]


def score(model: nn.Module, data: Data, task: Task = classification) -> float:
    return evaluate(as_runner(model), data.validation, data.preprocessing, task, "x").value


def test_a_uniform_soup_is_the_mean_and_touches_nobody(brothers: list[nn.Module], data: Data, digest: Any) -> None:
    before = [digest(model) for model in brothers]
    found = laconic.soup(brothers[:3], data, "uniform")
    for name, parameter in found.named_parameters():
        assert torch.allclose(parameter, sum(dict(model.named_parameters())[name] for model in brothers[:3]) / 3, atol=1e-6)
    assert [digest(model) for model in brothers] == before
    assert not found.training


def test_its_statistics_are_its_own(brothers: list[nn.Module], data: Data) -> None:
    found = soup(brothers[:3], data, "uniform")
    inputs = torch.from_numpy(data.preprocessing.apply(data.train.inputs))
    with torch.no_grad():
        assert torch.allclose(found.norm.running_mean, found.stem(inputs).mean((0, 2, 3)), rtol=1e-3, atol=1e-4)


def test_a_greedy_soup_leaves_out_what_spoils_it(brothers: list[nn.Module], data: Data) -> None:
    found = soup(brothers, data)
    assert score(found, data) >= max(score(model, data) for model in brothers)
    assert score(soup(brothers, data, "uniform"), data) < score(found, data)
    without = soup(brothers[:3], data)
    assert all(torch.equal(a, b) for a, b in zip(found.parameters(), without.parameters(), strict=True))


def test_a_greedy_soup_takes_in_what_makes_it_no_worse(data: Data) -> None:
    """Wortsman et al. 2022, recipe 1: a model comes in where the soup is at least as good with it."""
    one = nn.Sequential(nn.Flatten(), nn.Linear(64, 4))
    other = copy.deepcopy(one)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(3)
    assert torch.allclose(soup([one, other], data)[1].weight, 2 * one[1].weight)


def test_a_greedy_soup_of_a_score_that_falls(brothers: list[nn.Module], data: Data) -> None:
    errors = Task(classification.loss, lambda o, t: 1 - classification.score(o, t), "errors", higher_is_better=False)
    assert score(soup(brothers, data, task=errors), data, errors) <= min(score(model, data, errors) for model in brothers)


def test_one_alone_is_what_it_was(brothers: list[nn.Module], data: Data) -> None:
    found = soup(brothers[:1], data)
    assert found is not brothers[0]
    assert all(torch.equal(value, found.state_dict()[name]) for name, value in brothers[0].state_dict().items())


def test_a_mask_that_all_have_holds(model: nn.Module, data: Data) -> None:
    pruned = Prune(sparsity=0.7)(model, data)
    trained = [Finetune(epochs=1, batch=16)(pruned, data, seed=seed).module for seed in range(2)]
    found = soup(trained, data, "uniform")
    zeros = pruned.array("fc.weight") == 0
    assert zeros.mean() == pytest.approx(0.7, abs=0.01)
    assert np.array_equal(found.fc.weight.detach().numpy() == 0, zeros)


def test_what_cannot_be_mixed_is_refused(model: nn.Module, data: Data) -> None:
    other = copy.deepcopy(model)
    other.fc = nn.Linear(96, 4, bias=False)
    with pytest.raises(ModelError, match="no such weight") as caught:
        soup([model, other], data)
    assert caught.value.where == "fc.bias"
    with pytest.raises(UsageError, match="no models"):
        soup([], data)
    with pytest.raises(UsageError, match="no soup of the kind 'thick'"):
        soup([model], data, "thick")  # type: ignore[arg-type]
