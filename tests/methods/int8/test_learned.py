"""Grids that learn: their gradients are the papers', and training with them helps."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from laconic import Finetune, Int8
from laconic.datasets.data import Data
from laconic.forms import Grid
from laconic.graph.network import Network
from laconic.methods.int8.learned import LearnedGrid, LearnedRounding
from laconic.methods.prune import Prune
from laconic.nn.rounded import Rounded
from laconic.train import Training


def value(scale: float, zero_point: int = 0) -> Rounded:
    start = Rounded()
    start.set(scale, zero_point)
    return start


def test_a_step_has_the_gradient_of_lsq() -> None:
    """Esser et al. 2020, eq. 3."""
    held = LearnedGrid(np.float32([0.5]), 3, np.ones((1, 4), bool), learn=True)
    weight = torch.tensor([[0.6, -0.1, 9.0, -9.0]], requires_grad=True)
    held(weight).sum().backward()
    inside = (1 - 0.6 / 0.5) + (0 - -0.1 / 0.5)
    assert held.steps.grad is not None
    assert float(held.steps.grad) == pytest.approx((inside + 3 - 3) / math.sqrt(4 * 3), rel=1e-5)
    assert weight.grad is not None
    assert weight.grad.tolist() == [[1, 1, 0, 0]]


@pytest.mark.parametrize(("inside", "wanted"), [(True, (255 + (1 - 0.6 / 0.5)) / math.sqrt(2 * 255)), (False, 255)])
def test_a_scale_has_the_gradient_of_lsq_or_of_pact(inside: bool, wanted: float) -> None:
    """PACT's α is 255 scales: what is clipped counts 255 times, what is inside not at all."""
    learned = LearnedRounding(value(0.5), inside)
    learned(torch.tensor([[0.6, 1000.0]])).sum().backward()
    assert learned.scale.grad is not None
    assert float(learned.scale.grad) == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("inside", [True, False])
def test_what_learns_rounds_as_what_does_not(inside: bool) -> None:
    x = torch.linspace(-9, 9, 301)[None]
    start = value(0.043, 77)
    torch.testing.assert_close(LearnedRounding(start, inside)(x), start(x), rtol=0, atol=1e-5)


def test_a_form_is_what_the_weight_was_in_use() -> None:
    held = LearnedGrid(np.float32([0.5, 0.25]), 7, np.array([[True, False], [True, True]]), learn=True)
    weight = torch.tensor([[0.7, 9.0], [9.0, -0.3]])
    np.testing.assert_array_equal(held.form(weight).array(), held(weight).detach().numpy())
    assert np.asarray(held.form(weight).integers).tolist() == [[1, 0], [7, -1]]


@pytest.mark.parametrize("learn", ["lsq", "pact"])
def test_training_with_three_bits_wins_accuracy_back(trained: nn.Module, data: Data, learn: str) -> None:
    def loss(network: Network) -> float:
        inputs = torch.from_numpy(data.preprocessing.apply(data.train.inputs))
        with torch.no_grad():
            return float(nn.functional.cross_entropy(network.module.eval()(inputs), torch.from_numpy(data.train.targets)))

    step = Int8(bits=2, samples=32)
    at_once = step(trained, data)
    after = replace(step, training=Training(epochs=8, lr=0.01, batch=32), learn=learn)(trained, data)  # type: ignore[arg-type]
    assert loss(after) < 0.7 * loss(at_once)
    forms = [form for form in after.forms.values() if isinstance(form, Grid)]
    assert forms
    assert all(int(np.abs(np.asarray(form.integers).astype(int)).max()) <= 1 for form in forms)
    moved = [
        name
        for name in after.module.state_dict()
        if name.endswith("scale") and after.module.state_dict()[name] != at_once.module.state_dict()[name]
    ]
    assert bool(moved)


def test_pruned_weights_stay_zero(trained: nn.Module, data: Data) -> None:
    pruned = Prune(sparsity=0.5)(trained, data)
    after = Int8(bits=4, samples=32, training=Training(epochs=1, lr=0.05, batch=32))(pruned, data)
    for name, form in pruned.forms.items():
        assert not after.forms[name].array()[form.array() == 0].any()


@pytest.fixture(scope="module")
def trained(data: Data) -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(72, 4))
    return Finetune(epochs=6, lr=0.05, batch=32)(model, data).module
