"""A weight that trains as a real number and is used as an integer times a step."""

import numpy as np
import pytest
import torch

from laconic.methods.squeeze.latent import Latent


def latent_of(step: float, *shape: int) -> Latent:
    return Latent(step, torch.ones(shape, dtype=torch.bool))


def test_the_weight_in_use_is_the_nearest_multiple_of_the_step() -> None:
    used = latent_of(0.5, 4)(torch.tensor([0.1, 0.3, -0.8, 2.0]))
    assert used.tolist() == [0.0, 0.5, -1.0, 2.0]


def test_gradients_pass_the_rounding_and_the_step_has_that_of_lsq() -> None:
    holder, weight = latent_of(0.5, 3), torch.tensor([0.1, 0.3, -0.8], requires_grad=True)
    upstream = torch.tensor([1.0, 10.0, 100.0])
    (holder(weight) * upstream).sum().backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == pytest.approx([1.0, 10.0, 100.0])
    by_step = sum(g * (round(u) - u) for g, u in zip((1, 10, 100), (0.2, 0.6, -1.6), strict=True))
    assert holder.log_step.grad is not None
    assert float(holder.log_step.grad) == pytest.approx(0.5 * by_step, rel=1e-5)  # d s / d log s = s


def test_the_form_is_what_the_network_was_trained_with_bit_for_bit() -> None:
    holder, weight = latent_of(0.0371, 5, 4), torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    form = holder.form(weight)
    assert form.array().tobytes() == holder(weight).detach().numpy().tobytes()
    assert form.table.view(np.int32)[0] & 0xFFFF == 0  # 8 significant bits


def test_what_is_masked_stays_zero_and_has_no_gradient() -> None:
    holder, weight = Latent(0.1, torch.tensor([True, False])), torch.tensor([1.0, 1.0], requires_grad=True)
    holder(weight).sum().backward()
    assert weight.grad is not None
    assert holder.form(weight).array().tolist() == pytest.approx([1.0, 0.0], abs=0.05)
    assert weight.grad.tolist() == [1.0, 0.0]


def test_the_dead_zone_takes_the_least_and_leaves_the_rest() -> None:
    holder = latent_of(1.0, 4)
    holder.dead_zone = 1.7
    form = holder.form(torch.tensor([0.6, 1.6, 1.8, -4.4]))
    assert form.integers is not None
    assert form.integers.tolist() == [0, 0, 2, -4]
