"""The user's model object is never changed, whatever is done with it (bar R25; single steps: tests/methods/test_step.py)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import laconic
from laconic.artifact import write
from laconic.base.errors import DataError
from laconic.datasets.data import Data
from laconic.graph.export import export
from laconic.graph.network import Network
from laconic.methods.step import Step
from laconic.profile import profile
from laconic.profile.profiler import count
from laconic.recipe import Recipe
from laconic.recipe.check import check
from laconic.recipe.package import package
from laconic.recipe.table import STEPS
from laconic.train import Task, classification

FULL = Recipe((laconic.Fold(), laconic.Prune(sparsity=0.5), laconic.Finetune(epochs=1), laconic.Distill(epochs=1), laconic.Share(bits=3)))
GRIDS = Recipe(
    (laconic.Fold(), laconic.Quantize(bits=6.0), laconic.Squeeze(epochs=1, bits=16.0))
)  # no step takes both a grid and a codebook


SMALLER = Recipe(
    (
        laconic.Transfer(kind={"stem": "mba"}, samples=32),
        laconic.Replace(block={"block.conv1": "fire"}, iterations=2),
        laconic.Factorize(params=0.9),
        laconic.PruneChannels(macs=0.8),
        laconic.PruneBlocks(blocks=1, samples=32),
    )
)
INTEGERS = Recipe(
    (laconic.Fuse(measured=False), laconic.Half(), laconic.Int4(), laconic.Int8(samples=32, training=laconic.Training(batch=32)))
)


def poisoned(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return classification.loss(outputs, targets) * (torch.nan if outputs.requires_grad else 1)


def fail_in_training(model: nn.Module, data: Data) -> None:
    with pytest.raises(DataError):
        laconic.compress(model, data, FULL, task=Task(poisoned, classification.score, "top-1"))


VERBS: dict[str, Callable[[nn.Module, Data], object]] = {
    "compress": lambda model, data: laconic.compress(model, data, FULL),
    "compress onto grids": lambda model, data: laconic.compress(model, data, GRIDS),
    "compress in structure": lambda model, data: laconic.compress(model, data, SMALLER),
    "compress to integers": lambda model, data: laconic.compress(model, data, INTEGERS),
    "a compress that fails": fail_in_training,
    "check": lambda model, data: check(model, data, FULL),
    "export": lambda model, data: export(model, data.preprocessing.shape),
    "package": lambda model, data: package(Network(model), data),
    "profile": lambda model, data: profile(model, data.preprocessing.shape, repeats=2),
    "count": lambda model, data: count(model, data.preprocessing.shape),
}


def test_the_recipes_of_this_test_have_every_step() -> None:
    assert {type(step) for recipe in (FULL, GRIDS, SMALLER, INTEGERS) for step in recipe.steps} == set(STEPS.values())
    assert all(issubclass(step, Step) for step in STEPS.values())


@pytest.mark.parametrize("verb", VERBS)
def test_the_model_stays_as_it_is(verb: str, model: nn.Module, data: Data, digest: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laconic.recipe.measure.REPEATS", 2)
    model.train()
    model.norm.eval()
    model.stem.requires_grad_(False)
    model.fc.bias.grad = torch.ones_like(model.fc.bias)
    before, where = digest(model), {name: id(value) for name, value in model.named_parameters()}
    VERBS[verb](model, data)
    assert digest(model) == before
    assert {name: id(value) for name, value in model.named_parameters()} == where
    assert torch.equal(model.fc.bias.grad, torch.ones_like(model.fc.bias))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_packing_reads_only(model: nn.Module, data: Data, digest: Any, tmp_path: Path) -> None:
    before = digest(model)
    write(tmp_path / "whole.lac", package(Network(model), data)[0])
    laconic.load_into(model, tmp_path / "whole.lac")
    assert digest(model) == before
