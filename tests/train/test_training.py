"""The learning rate against its closed form, and hyper-parameters that cannot be."""

import math
from typing import Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from laconic.base.errors import RecipeError
from laconic.train import Training


@given(st.integers(1, 200), st.floats(1e-5, 1))
def test_cosine_falls_from_the_peak_towards_zero(steps: int, lr: float) -> None:
    training = Training(lr=lr)
    rates = [training.rate(step, steps) for step in range(steps)]
    assert rates == pytest.approx([lr * (1 + math.cos(math.pi * step / steps)) / 2 for step in range(steps)], rel=1e-12)
    assert rates[0] == lr
    assert rates[-1] > 0


@given(st.integers(1, 200), st.floats(0, 0.99), st.sampled_from(["cosine", "constant"]))
def test_warm_up_climbs_in_equal_steps_to_the_peak_and_never_above(steps: int, warmup: float, schedule: str) -> None:
    training = Training(lr=0.3, warmup=warmup, schedule=schedule)
    climb = warmup * steps
    for step in range(steps):
        rate = training.rate(step, steps)
        assert 0 < rate <= 0.3
        if step < climb:
            assert rate == pytest.approx(0.3 * min(1, (step + 1) / climb))
        elif schedule == "constant":
            assert rate == 0.3
        else:
            assert rate == pytest.approx(0.15 * (1 + math.cos(math.pi * (step - climb) / (steps - climb))))


@pytest.mark.parametrize(
    "field",
    [
        {"epochs": -1},
        {"lr": 0.0},
        {"lr": -1.0},
        {"lr": math.nan},
        {"lr": math.inf},
        {"batch": 0},
        {"optimizer": "sdg"},
        {"weight_decay": -0.1},
        {"weight_decay": math.inf},
        {"schedule": "linear"},
        {"warmup": 1.0},
        {"warmup": -0.1},
        {"shift": -1},
        {"accumulate": 0},
        {"average": "mean"},
        {"decay": 0.0, "average": "ema"},
        {"decay": 1.0, "average": "ema"},
        {"decay": math.nan, "average": "ema"},
        {"decay": 0.9},
        {"decay": 0.9, "average": "swa"},
        {"smoothing": 1.0},
        {"smoothing": -0.1},
        {"mixup": -1.0},
        {"mixup": math.inf},
        {"cutmix": -1.0},
        {"cutmix": math.nan},
        {"clip": 0.0},
        {"clip": math.nan},
        {"patience": 0},
        {"patience": 2, "average": "swa"},
    ],
    ids=str,
)
def test_values_that_cannot_be_are_refused_by_name(field: dict[str, object]) -> None:
    with pytest.raises(RecipeError, match=next(iter(field))):
        Training(**field)  # type: ignore[arg-type]


@given(st.integers(1, 200), st.sampled_from([0.0, 0.1]))
def test_steps_divide_the_rate_by_ten_at_one_half_and_three_quarters(steps: int, warmup: float) -> None:
    training = Training(lr=0.5, schedule="step", warmup=warmup)
    for step in range(steps):
        if step >= warmup * steps:
            assert training.rate(step, steps) == pytest.approx(0.5 / 10 ** ((2 * step >= steps) + (4 * step >= 3 * steps)))


def test_augmentation_only_where_it_does_something() -> None:
    assert Training().augmentation is None
    found = Training(shift=2).augmentation
    assert found is not None
    assert (found.shift, found.flip) == (2, False)


def test_optimisers_are_what_their_names_say() -> None:
    weights = [torch.nn.Parameter(torch.ones(2))]
    sgd = Training(lr=0.5, weight_decay=0.1).build_optimizer(weights)
    assert isinstance(sgd, torch.optim.SGD)
    assert [sgd.defaults[name] for name in ("lr", "momentum", "nesterov", "weight_decay")] == [0.5, 0.9, True, 0.1]
    adam = Training(lr=0.5, optimizer="adam", weight_decay=0.1).build_optimizer(weights)
    assert isinstance(adam, torch.optim.Adam)
    assert [adam.defaults[name] for name in ("lr", "weight_decay")] == [0.5, 0.1]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_fused_optimiser_steps_as_the_plain_one(optimizer: Literal["sgd", "adam"]) -> None:
    start, rng = torch.linspace(-1, 1, 7), torch.Generator().manual_seed(0)
    ours, plain = (torch.nn.Parameter(start.clone()) for _ in range(2))
    training = Training(lr=0.1, optimizer=optimizer, weight_decay=0.01)
    fused = training.build_optimizer([ours])
    other: torch.optim.Optimizer = torch.optim.Adam([plain], 0.1, weight_decay=0.01)
    if optimizer == "sgd":
        other = torch.optim.SGD([plain], 0.1, 0.9, nesterov=True, weight_decay=0.01)
    for _ in range(5):
        ours.grad = plain.grad = torch.randn(7, generator=rng)
        fused.step()
        other.step()
    assert fused.defaults["fused"]
    torch.testing.assert_close(ours, plain)
    assert not torch.equal(ours, start)


def test_a_device_without_fused_optimisers_gets_plain_ones() -> None:
    assert not Training().build_optimizer([torch.nn.Parameter(torch.zeros(2, device="meta"))]).defaults["fused"]
