"""Rounding that asks the layer's output is better than rounding that asks the weight alone."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from laconic.base.progress import silent
from laconic.forms import Grid
from laconic.forms.rows import levels, nearest, row_steps
from laconic.graph.network import Network
from laconic.methods.int8.adaround import round_adaptively
from laconic.nn.weights import to_numpy

FEW, MANY = 60, 400  # iterations


def like_one_another(samples: int, *shape: int) -> Tensor:
    """Inputs of which neighbours say nearly the same: there the errors of rounding add up or cancel."""
    draw = torch.Generator().manual_seed(0)
    return torch.randn(samples, 1, *shape[1:], generator=draw) + 0.3 * torch.randn(samples, *shape, generator=draw)


def linear() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(24, 6), nn.ReLU(), nn.Linear(6, 5, bias=False)).eval()


def convolutional() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(8, 6, 3), nn.ReLU(), nn.Conv2d(6, 6, 3, groups=6), nn.Conv2d(6, 4, 1)).eval()


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "linear": (linear, (24,)),
    "convolutional": (convolutional, (8, 5, 5)),
}


def weights(model: nn.Module) -> dict[str, np.ndarray]:
    return {name.removesuffix(".weight"): to_numpy(p) for name, p in model.named_parameters() if name.endswith("weight")}


def adaptive(model: nn.Module, bits: int, x: Tensor, iterations: int = FEW, progress: Any = silent) -> tuple[nn.Module, dict[str, Grid]]:
    """A copy with weights of so many bits, and their Forms."""
    copied, steps = Network(model).reformed({}).module, {name: row_steps(w, levels(bits)) for name, w in weights(model).items()}
    return copied, round_adaptively(copied, model, steps, levels(bits), x, iterations, progress)


def off(model: nn.Module, original: nn.Module, x: Tensor) -> float:
    with torch.no_grad():
        return float((model(x) - original(x)).square().mean())


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_are_nearer_than_with_the_nearest_weights(name: str) -> None:
    build, shape = NETWORKS[name]
    model, x = build(), like_one_another(64, *shape)
    ours, _ = adaptive(model, 3, x, MANY)
    plain = {f"{name}.weight": nearest(w, row_steps(w, levels(3)), levels(3)) for name, w in weights(model).items()}
    assert off(ours, model, x) < 0.75 * off(Network(model).reformed(plain).module, model, x)


@pytest.mark.parametrize("name", NETWORKS)
def test_integers_are_the_floor_or_one_above_and_in_the_model(name: str) -> None:
    build, shape = NETWORKS[name]
    model, x = build(), like_one_another(32, *shape)
    ours, forms = adaptive(model, 3, x)
    assert list(forms) == list(weights(model))
    for layer, weight in weights(model).items():
        steps = row_steps(weight, levels(3))
        floor = np.floor(weight / steps.reshape(-1, *[1] * (weight.ndim - 1)))
        integers = np.asarray(forms[layer].integers).astype(np.int64)
        up = integers - np.clip(floor, -levels(3), levels(3))
        assert set(np.unique(up)) <= {0, 1}
        assert (integers != np.rint(floor)).any()
        assert np.abs(integers).max() <= levels(3)
        np.testing.assert_array_equal(forms[layer].table, steps)
        np.testing.assert_array_equal(forms[layer].array(), to_numpy(ours.get_parameter(f"{layer}.weight")))


def test_one_iteration_rounds_to_the_nearest() -> None:
    model = linear()
    _, forms = adaptive(model, 4, like_one_another(8, 24), iterations=1)
    weight = weights(model)["0"]
    wanted = nearest(weight, row_steps(weight, levels(4)), levels(4))
    apart = np.asarray(forms["0"].integers).astype(int) != np.asarray(wanted.integers).astype(int)
    rest = weight / wanted.table[:, None] % 1
    assert (np.abs(rest[apart] - 0.5) < 0.01).all()


def test_zeros_stay_zero() -> None:
    """Of a pruned weight, whatever the outputs would gain: here the first weight is clipped, and the second could make up for it."""
    model, x = nn.Sequential(nn.Linear(2, 1, bias=False)), torch.randn(32, 1, generator=torch.Generator().manual_seed(0)).expand(-1, 2)
    weight = torch.tensor([[1.7, 0.0]])
    model.load_state_dict({"0.weight": weight})
    found = round_adaptively(Network(model).reformed({}).module, model, {"0": np.float32([1])}, 1, x, MANY, silent)
    assert np.asarray(found["0"].integers).tolist() == [[1, 0]]


def test_layers_behind_see_what_those_before_them_became() -> None:
    """The first layer's 1.4 becomes 1; the second's own then becomes 2, as 1.4 · 1.4 is nearly 2."""
    model, x = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)), torch.ones(4, 1)
    model.load_state_dict({"0.weight": torch.tensor([[1.4]]), "1.weight": torch.tensor([[1.4]])})
    copied, steps = Network(model).reformed({}).module, {"0": np.float32([1]), "1": np.float32([1])}
    found = round_adaptively(copied, model, steps, 7, x, MANY, silent)
    assert [int(np.asarray(form.integers)[0, 0]) for form in found.values()] == [1, 2]


def test_the_original_and_the_generator_of_torch_stay_as_they_are(digest: Any) -> None:
    model, x = linear(), like_one_another(32, 24)
    before, drawn = digest(model), torch.random.get_rng_state()
    one = adaptive(model, 3, x)[1]
    other = adaptive(model, 3, x)[1]
    assert digest(model) == before
    assert torch.equal(torch.random.get_rng_state(), drawn)
    for name, form in one.items():
        np.testing.assert_array_equal(form.integers, other[name].integers)


def test_progress_is_told_of_each_layer() -> None:
    told: list[tuple[str, float, str]] = []
    adaptive(linear(), 3, like_one_another(8, 24), 1, lambda *words: told.append(words))
    assert told == [("int8", 0.0, "rounding 0"), ("int8", 0.5, "rounding 2")]
