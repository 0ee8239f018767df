"""What every step is: frozen, printable, usable alone, and harmless to what it was given."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from laconic.base.errors import ModelError, RecipeError
from laconic.datasets.data import Data
from laconic.forms import Codebook
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.methods.distill import Distill
from laconic.methods.finetune import Finetune
from laconic.methods.fold import Fold
from laconic.methods.plan import Plan
from laconic.methods.prune import Prune
from laconic.methods.quantize import Quantize
from laconic.methods.share import Share
from laconic.methods.squeeze import Squeeze
from laconic.methods.step import Step
from laconic.train import Training

STEPS: list[Step] = [
    Prune(sparsity=0.5),
    Prune(sparsity=0.5, rounds=2, training=Training(epochs=1, batch=32)),
    Share(bits=3),
    Fold(),
    Finetune(epochs=1, batch=32),
    Distill(epochs=1, batch=32),
    Quantize(bits=6.0, samples=32),
    Squeeze(epochs=1, batch=32, bits=16.0),
]


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_a_step_alone_gives_a_new_network_and_leaves_the_model(step: Step, model: nn.Module, data: Data, digest) -> None:  # type: ignore[no-untyped-def]
    model.train()
    model.norm.eval()
    model.stem.requires_grad_(False)
    before = digest(model)
    network = step(model, data)
    assert digest(model) == before
    assert isinstance(network, Network)
    assert not {id(p) for p in network.module.parameters()} & {id(p) for p in model.parameters()}
    for name, form in network.forms.items():
        assert network.array(name).tobytes() == form.array().tobytes()


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_the_same_seed_gives_the_same_bits_and_another_does_not(step: Step, model: nn.Module, data: Data, digest) -> None:  # type: ignore[no-untyped-def]
    one, same, other = (digest(step(model, data, seed=seed).module) for seed in (3, 3, 4))
    assert one == same
    draws = isinstance(step, Training | Quantize) or (isinstance(step, Prune) and step.training)
    assert (one != other) == bool(draws)


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_a_plan_is_frozen_and_prints_itself_as_a_table(step: Step, model: nn.Module, data: Data) -> None:
    plan = step.plan(Network(model), Context(data, model))
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan.rows = ()  # type: ignore[misc]
    lines = str(plan).splitlines()
    assert len(lines) == len(plan.rows) + 1
    assert len(set(map(len, lines))) == 1
    assert lines[0].split("  ")[0].strip() == next(iter(plan.rows[0]))


@pytest.mark.parametrize("step", [Prune(sparsity=0.5), Share(bits=3)], ids=str)
def test_a_plan_says_what_each_layer_will_weigh(step: Step, model: nn.Module, data: Data) -> None:
    plan = step.plan(Network(model), Context(data, model))
    assert [row["layer"] for row in plan.rows] == ["stem.weight", "block.conv1.weight", "block.conv2.weight", "fc.weight"]
    for row in plan.rows:
        assert isinstance(row["estimated bytes"], int)
        assert 0 < row["estimated bytes"] < 4 * row["of"]


def test_a_plan_of_nothing_says_so() -> None:
    assert str(Plan(())) == "nothing to do"


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_a_step_is_frozen_and_comparable(step: Step) -> None:
    field = dataclasses.fields(step)[0].name if dataclasses.fields(step) else "anything"
    with pytest.raises((dataclasses.FrozenInstanceError, AttributeError)):
        setattr(step, field, None)
    assert dataclasses.replace(step) == step


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_weights_that_are_not_finite_are_refused_before_anything_is_done(step: Step, model: nn.Module, data: Data) -> None:
    model.fc.weight.data[0, 0] = torch.nan
    with pytest.raises(ModelError, match="not finite"):
        step(model, data)


@pytest.mark.parametrize("step", [Fold(), Share(bits=2), STEPS[1]], ids=str)
def test_a_form_that_a_step_cannot_take_is_refused(step: Step, model: nn.Module, data: Data) -> None:
    shared = Network(model).reformed({"fc.weight": Codebook.of(np.zeros((4, 96), int), np.float32([0.1]))})
    with pytest.raises(RecipeError, match=r"takes dense or masked weights, and fc\.weight is codebook"):
        step(shared, data)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
@pytest.mark.parametrize("step", STEPS, ids=str)
def test_steps_keep_the_type_of_the_weights(
    step: Step, dtype: torch.dtype, model: nn.Module, data: Data, apply: Callable[..., Network]
) -> None:
    network = step(model.to(dtype), data)
    for name, parameter in network.module.named_parameters():
        assert parameter.dtype == dtype, name
        assert parameter.isfinite().all(), name
