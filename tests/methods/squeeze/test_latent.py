"""A weight that trains as a real number of steps and is used as a whole one."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from laconic.methods.squeeze.latent import STRETCH, Latent
from laconic.methods.squeeze.pressed import Pressed
from laconic.nn.holding import hold_by


def latent_of(step: float, *shape: int) -> Latent:
    return Latent(step, torch.ones(shape, dtype=torch.bool))


def test_the_weight_in_use_is_the_nearest_multiple_of_the_step() -> None:
    used = latent_of(0.5, 4)(torch.tensor([0.2, 0.6, -1.6, 4.0]))
    assert used.tolist() == [0.0, 0.5, -1.0, 2.0]


def test_a_weight_begins_where_it_is_whatever_its_type() -> None:
    for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.float64):
        layer = nn.Linear(3, 2, dtype=dtype)
        held = hold_by(layer, {"weight": Latent(0.25, torch.ones(2, 3, dtype=torch.bool), dtype)})
        Pressed(held, ["weight"])
        _, latent = held.holder("weight")
        assert latent.dtype in (torch.float32, torch.float64)
        torch.testing.assert_close(latent.double(), layer.weight.double() / 0.25)
        assert held.module.weight.dtype == dtype


def test_gradients_pass_the_rounding_and_those_of_the_step_see_whole_numbers() -> None:
    holder, latent = latent_of(0.5, 3), torch.tensor([0.2, 0.6, -1.6], requires_grad=True)
    upstream = torch.tensor([1.0, 10.0, 100.0])
    (holder(latent) * upstream).sum().backward()
    assert latent.grad is not None
    assert latent.grad.tolist() == pytest.approx([0.5, 5.0, 50.0])
    assert holder.stretch.grad is not None
    assert float(holder.stretch.grad) == pytest.approx(STRETCH * 0.5 * (10 * 1 + 100 * -2), rel=1e-5)


def test_where_steps_are_very_fine_the_latent_counts_many_at_once() -> None:
    fine, weight = Latent(0.001, torch.ones(2, dtype=torch.bool), grain=100.0), torch.tensor([0.2, -0.5])
    latent = fine.latent(weight).requires_grad_()
    assert latent.tolist() == pytest.approx([2.0, -5.0], rel=0.01)
    assert fine.integers(latent).tolist() == pytest.approx([200, -500], rel=0.01)
    fine(latent).sum().backward()
    assert latent.grad is not None
    assert latent.grad.tolist() == pytest.approx([0.1, 0.1], rel=0.01)


def test_the_step_follows_in_per_cents() -> None:
    holder = latent_of(0.5, 1)
    with torch.no_grad():
        holder.stretch.fill_(2.0)
    assert float(holder.step().detach()) == pytest.approx(0.5 * math.exp(2 * STRETCH), rel=2**-8)


def test_the_form_is_what_the_network_was_trained_with_bit_for_bit() -> None:
    holder, latent = latent_of(0.0371, 5, 4), 20 * torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    form = holder.form(latent)
    assert form.array().tobytes() == holder(latent).detach().numpy().tobytes()
    assert form.table.view(np.int32)[0] & 0xFFFF == 0  # 8 significant bits


def test_what_is_masked_stays_zero_and_has_no_gradient() -> None:
    holder, latent = Latent(0.1, torch.tensor([True, False])), torch.tensor([10.0, 10.0], requires_grad=True)
    holder(latent).sum().backward()
    assert latent.grad is not None
    assert holder.form(latent).array().tolist() == pytest.approx([1.0, 0.0], abs=0.05)
    assert latent.grad.tolist() == pytest.approx([0.1, 0.0], rel=0.01)


def test_the_dead_zone_takes_the_least_and_leaves_the_rest() -> None:
    holder = latent_of(1.0, 4)
    holder.dead_zone.fill_(1.7)
    latent = torch.tensor([0.6, 1.6, 1.8, -4.4])
    form = holder.form(latent)
    assert form.array().tobytes() == holder(latent).detach().numpy().tobytes()
    assert form.integers is not None
    assert form.integers.tolist() == [0, 0, 2, -4]
