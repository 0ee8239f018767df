"""The stand-in for the coder: close to it in bytes, and sloped towards what is cheap."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from laconic.codec import encode_group
from laconic.methods.squeeze.rate import CLASSES, LARGEST, Rate


def laplacian(seed: int, *shape: int, scale: float = 1.0, uneven: float = 1.0) -> torch.Tensor:
    """Integers whose rows differ in scale."""
    rng = np.random.Generator(np.random.PCG64(seed))
    rows = np.exp(uneven * rng.standard_normal((shape[0],) + (1,) * (len(shape) - 1)))
    return torch.from_numpy(np.rint(rng.laplace(size=shape) * scale * rows)).float()


def fitted(*integers: torch.Tensor) -> tuple[Rate, list[torch.Tensor], float]:
    rate, classes = Rate(), [Rate.classes(own) for own in integers]
    return rate, classes, rate.fit(classes, list(integers))


@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0])
def test_the_estimate_is_near_the_coder(scale: float) -> None:
    integers = laplacian(0, 64, 32, 3, 3, scale=scale)
    _, _, estimate = fitted(integers)
    assert estimate == pytest.approx(len(encode_group([integers.numpy().astype(np.int64)])), rel=0.05)


def test_it_sees_rows_that_differ_where_the_entropy_does_not() -> None:
    uneven = laplacian(0, 128, 256, uneven=2.0)
    shuffled = uneven.reshape(-1)[torch.randperm(uneven.numel(), generator=torch.Generator().manual_seed(0))].reshape(uneven.shape)
    assert fitted(uneven)[2] < 0.8 * fitted(shuffled)[2]


def test_the_cost_of_the_integers_is_the_estimate() -> None:
    integers = [laplacian(0, 32, 16, 3, 3), laplacian(1, 10, 64), laplacian(2, 7)]
    rate, classes, estimate = fitted(*integers)
    assert float(rate.cost(integers, classes)) == pytest.approx(estimate, rel=1e-4)


@given(st.integers(0, 2**32), st.floats(0.1, 20))
def test_nothing_larger_is_cheaper(seed: int, scale: float) -> None:
    rate, _, _ = fitted(laplacian(seed, 16, 16, scale=scale))
    assert bool((rate.bits.diff(dim=1) >= 0).all())


def gradient(rate: Rate, own: torch.Tensor, *sizes: float) -> list[float]:
    """Bits a step that latents of these sizes are told, in one class."""
    latent = torch.tensor(sizes, requires_grad=True)
    rate.cost([latent], [own.reshape(-1)[:1].expand(len(sizes))]).backward()
    assert latent.grad is not None
    return (8 * latent.grad).tolist()


def test_between_two_integers_the_cost_is_interpolated() -> None:
    integers = laplacian(0, 32, 32)
    rate, classes, _ = fitted(integers)
    own = classes[0][:1, :1]
    zero, one = rate.bits[int(own[0, 0]), :2].tolist()
    assert rate.cost([torch.tensor([[0.25]])], [own]).item() == pytest.approx((0.75 * zero + 0.25 * one) / 8, rel=1e-5)


def test_small_weights_are_pulled_by_what_a_zero_saves() -> None:
    integers = torch.tensor([0.0] * 900 + [1.0] * 10)
    own = torch.zeros_like(integers, dtype=torch.uint8)
    rate = Rate()
    rate.fit([own], [integers])
    zero, one = rate.bits[0, :2].tolist()
    assert gradient(rate, own, 0.25) == pytest.approx([one - zero], rel=0.05)


def test_where_the_next_integer_costs_as_much_the_pull_is_towards_what_is_cheaper() -> None:
    """A table in which a 1 costs as much as a 2, as where few small weights are left: a 2 is drawn to 0 past the 1."""
    rate = Rate()
    integers = torch.tensor([0.0] * 900 + [1.0] * 4 + [2.0] * 40 + [3.0] * 8)
    own = torch.zeros_like(integers, dtype=torch.uint8)
    rate.fit([own], [integers])
    zero, one, two, three = rate.bits[0, :4].tolist()
    assert one == two
    assert gradient(rate, own, 1.9, 1.5) == pytest.approx([(two - zero) / 2] * 2, rel=1e-5)
    assert gradient(rate, own, 2.5)[0] >= max(three - two, (three - zero) / 3)


def test_where_most_are_ones_a_zero_is_no_cheaper_and_they_are_pulled_all_the_same() -> None:
    """With 7 in 10 at ±1, each costs what a zero does; but a class of fewer ones would be cheaper."""
    integers = torch.tensor([0.0] * 300 + [1.0] * 700)
    own = torch.zeros_like(integers, dtype=torch.uint8)
    rate = Rate()
    rate.fit([own], [integers])
    assert rate.bits[0, 0] == rate.bits[0, 1]
    assert gradient(rate, own, 0.9) == pytest.approx([2.28], rel=0.02)  # log₂(1.7 / 0.7) + a sign


def test_no_weight_is_told_by_its_own_size() -> None:
    """What a weight is may not tell its class, or large weights would be dear and cheap at once."""
    integers = torch.zeros(6, 5)
    integers[2, 3] = 30.0
    classes = Rate.classes(integers)
    assert classes[2, 3] < classes[2, 0]
    assert classes[2, 3] < classes[0, 3]


@pytest.mark.parametrize("shape", [(), (1,), (7,), (3, 4), (2, 3, 5), (2, 3, 2, 2, 2)])
def test_weights_of_any_shape_have_classes(shape: tuple[int, ...]) -> None:
    integers = torch.full(shape, 10.0**6)
    classes = Rate.classes(integers)
    assert classes.shape == integers.shape
    assert int(classes.max()) < CLASSES
    assert float(Rate().cost([integers], [classes])) == 0.0  # a table that is not fitted yet
    assert LARGEST < 10**6
