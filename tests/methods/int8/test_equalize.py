"""Channels of like ranges compute what channels of unlike ranges did."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from laconic.base.errors import LaconicError
from laconic.base.imports import load_attribute
from laconic.forms import Grid, Masked
from laconic.forms.rows import nearest, row_steps
from laconic.graph.network import Network
from laconic.methods.int8.equalize import equalize
from laconic.nn.weights import to_numpy

IMAGE = (3, 8, 8)
ARCHITECTURES = Path(__file__).parents[2] / "graph" / "channels" / "architectures.py"
Wired = load_attribute(f"{ARCHITECTURES}:Wired", error=LaconicError)


def uneven(build: Callable[[], nn.Module]) -> nn.Module:
    """Rows of weights that differ by a factor of up to a hundred."""
    torch.manual_seed(0)
    model = build().eval()
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name.endswith("weight"):
                value.mul_(10 ** (2 * torch.rand(len(value)) - 1).reshape(-1, *[1] * (value.ndim - 1)))
    return model


def chain(*between: nn.Module, kernel: int = 3, groups: int = 1, second: int = 5) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), *between, nn.Conv2d(6, second, kernel, groups=groups))


def outputs(model: nn.Module, shape: tuple[int, ...]) -> Tensor:
    with torch.no_grad():
        return model.eval()(torch.randn(4, *shape, generator=torch.Generator().manual_seed(0)))


def ranges(model: nn.Module, first: str, second: str, axis: int = 1) -> tuple[Tensor, Tensor]:
    """The largest weights that write each channel, and that read it."""
    writes, reads = (model.get_parameter(f"{name}.weight").detach().abs() for name in (first, second))
    return writes.flatten(1).amax(1), reads.movedim(axis, 0).flatten(1).amax(1)


def apart(model: nn.Module, first: str, second: str, axis: int = 1) -> float:
    """The largest ratio of both ranges of a channel."""
    writes, reads = ranges(model, first, second, axis)
    return float((writes / reads).log().abs().max().exp())


def same(model: nn.Module, shape: tuple[int, ...] = IMAGE, dtype: str = "float32") -> nn.Module:
    """The equalised model, which computes the same to 1e-5 of its outputs."""
    found = equalize(Network(model), shape, dtype).module
    expected = outputs(model, shape)
    torch.testing.assert_close(outputs(found, shape), expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
    return found


CHAINS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "nothing between": (chain(), 1),
    "ReLU": (chain(nn.ReLU()), 1),
    "leaky ReLU": (chain(nn.LeakyReLU(0.1)), 1),
    "pooling": (chain(nn.ReLU(), nn.MaxPool2d(2), nn.AvgPool2d(2, 1)), 1),
    "dropout": (chain(nn.ReLU(), nn.Dropout(0.5)), 1),
    "1 × 1": (chain(nn.ReLU(), kernel=1), 1),
    "depthwise": (chain(nn.ReLU(), groups=6, second=6), 0),
}


@pytest.mark.parametrize("name", CHAINS)
def test_ranges_are_equal_and_the_function_is_as_it_was(name: str) -> None:
    build, axis = CHAINS[name]
    model = uneven(build)
    first, *_, second = (name for name, layer in model.named_children() if isinstance(layer, nn.Conv2d))
    assert apart(model, first, second, axis) > 3
    found = same(model)
    assert apart(found, first, second, axis) < 1.001
    before, after = (r1 * r2 for r1, r2 in (ranges(m, first, second, axis) for m in (model, found)))
    torch.testing.assert_close(after, before, rtol=1e-4, atol=0)


def test_many_layers_on_one_another_are_brought_to_like_ranges_at_once() -> None:
    def build() -> nn.Module:
        layers = [nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 6, 3, groups=6), nn.ReLU(), nn.Conv2d(6, 8, 1), nn.ReLU(), nn.Conv2d(8, 4, 3)]
        return nn.Sequential(*layers)

    found = same(uneven(build))
    for first, second, axis in (("0", "2", 0), ("2", "4", 1), ("4", "6", 1)):
        assert apart(found, first, second, axis) < 1.01


def test_linear_layers_and_convolutions_of_one_dimension_too() -> None:
    found = same(uneven(lambda: nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3))), (5,))
    assert apart(found, "0", "2") < 1.001
    found = same(uneven(lambda: nn.Sequential(nn.Conv1d(3, 7, 3), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(7, 3, 3))), (3, 16))
    assert apart(found, "0", "3") < 1.001


def test_a_layer_without_a_bias_gets_none() -> None:
    found = same(uneven(lambda: nn.Sequential(nn.Conv2d(3, 6, 3, bias=False), nn.ReLU(), nn.Conv2d(6, 4, 3, bias=False))))
    assert set(found.state_dict()) == {"0.weight", "2.weight"}
    assert apart(found, "0", "2") < 1.001


def two_convolutions(wiring: Callable[[Wired, Tensor], Tensor], **more: nn.Module) -> Callable[[], nn.Module]:
    return lambda: Wired(wiring, a=nn.Conv2d(3, 8, 3, padding=1), b=nn.Conv2d(8, 8, 3, padding=1), **more)


UNTOUCHED: dict[str, Callable[[], nn.Module]] = {
    "ReLU6": chain(nn.ReLU6()),
    "sigmoid": chain(nn.Sigmoid()),
    "normalisation": chain(nn.BatchNorm2d(6), nn.ReLU()),
    "another reader": two_convolutions(lambda m, x: m.b(F.relu(y := m.a(x))) + y),
    "another reader of the activation": two_convolutions(lambda m, x: m.b(y := F.relu(m.a(x))) + y),
    "a sum": two_convolutions(lambda m, x: m.b(F.relu(m.a(x) + x.mean(1, keepdim=True)))),
    "a layer that is called twice": two_convolutions(lambda m, x: m.b(F.relu(m.b(m.a(x).sigmoid())))),
    "a layer whose second call is elsewhere": two_convolutions(lambda m, x: m.b(F.relu(m.a(x))) + m.a(x).sigmoid()),
    "groups that are no channels": lambda: nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 3, groups=2)),
    "a convolution and a linear layer on its columns": two_convolutions(lambda m, x: m.c(F.relu(m.a(x))), c=nn.Linear(8, 4)),
    "a linear layer on columns and a convolution": two_convolutions(lambda m, x: m.b(F.relu(m.c(m.a(x).sigmoid()))), c=nn.Linear(8, 8)),
    "pooling of features": lambda: nn.Sequential(nn.Flatten(2), nn.Linear(64, 8), nn.MaxPool1d(3, 1, 1), nn.Linear(8, 4)),
}


@pytest.mark.parametrize("name", UNTOUCHED)
def test_what_a_factor_does_not_pass_through_stays(name: str) -> None:
    model = uneven(UNTOUCHED[name])
    found = same(model)
    for tensor, value in model.state_dict().items():
        assert torch.equal(found.state_dict()[tensor], value), tensor


class Tied(nn.Module):
    """Two layers of one weight, each with a bias of its own, and a third after one of them."""

    def __init__(self, first: bool) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 6)
        self.b.weight = self.a.weight
        self.first = first

    def forward(self, x: Tensor) -> Tensor:
        one, other = (self.a, self.b) if self.first else (self.b, self.a)
        return self.c(F.relu(one(x))) * other(x).sigmoid()


@pytest.mark.parametrize("first", [True, False])
def test_tied_weights_stay(first: bool) -> None:
    same(uneven(lambda: Tied(first)), (6,))


def test_a_word_table_that_is_tied_to_the_last_layer_stays() -> None:
    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head, self.mix, self.words = nn.Linear(6, 9), nn.Linear(6, 6), nn.Embedding(9, 6)
            self.words.weight = self.head.weight

        def forward(self, words: Tensor) -> Tensor:
            return self.head(F.relu(self.mix(self.words(words))))

    model, words = uneven(Reader), torch.arange(8).reshape(2, 4)
    found = equalize(Network(model), (4,), "int64").module
    with torch.no_grad():
        torch.testing.assert_close(found(words), model(words), rtol=1e-5, atol=1e-5)


def test_masked_zeros_stay_zero_and_masks_are_what_they_were() -> None:
    model = uneven(CHAINS["ReLU"][0])
    mask = np.random.default_rng(0).random((6, 3, 3, 3)) < 0.5
    with torch.no_grad():
        model.get_parameter("0.weight").mul_(torch.from_numpy(mask))
    network = Network(model, {"0.weight": Masked.of(to_numpy(model.get_parameter("0.weight")), mask)})
    found = equalize(network, IMAGE, "float32")
    form = found.forms["0.weight"]
    assert isinstance(form, Masked)
    np.testing.assert_array_equal(form.mask, mask)
    np.testing.assert_array_equal(form.array(), found.array("0.weight"))
    assert not found.array("0.weight")[~mask].any()
    assert apart(found.module, "0", "2") < 1.001


@pytest.mark.parametrize("name", ["0.weight", "2.weight"])
def test_weights_on_a_grid_stay_and_so_do_their_neighbours(name: str) -> None:
    model = uneven(CHAINS["ReLU"][0])
    weight = to_numpy(model.get_parameter(name))
    network = Network(model).reformed({name: nearest(weight, row_steps(weight, 63), 63)})
    found = equalize(network, IMAGE, "float32")
    assert isinstance(found.forms[name], Grid)
    for tensor, value in network.module.state_dict().items():
        assert torch.equal(found.module.state_dict()[tensor], value)


def test_the_model_that_came_stays_as_it_is(digest: Any) -> None:
    model = uneven(CHAINS["ReLU"][0])
    before = digest(model)
    equalize(Network(model), IMAGE, "float32")
    assert digest(model) == before


def test_layers_of_very_unlike_ranges_meet_between_them() -> None:
    model = uneven(CHAINS["ReLU"][0])
    with torch.no_grad():
        model.get_parameter("0.weight").mul_(1e15)
        model.get_parameter("2.weight").mul_(1e-25)
    assert apart(same(model), "0", "2") < 1.01


@pytest.mark.parametrize("faint", [0.0, 1e-42, 1e-20])
@pytest.mark.parametrize("layer", ["0", "2"])
def test_channels_that_died_are_left_alone(faint: float, layer: str) -> None:
    """A factor for them would blow up their biases, and with them the range of all channels."""
    model = uneven(CHAINS["ReLU"][0])
    with torch.no_grad():
        weight = model.get_parameter(f"{layer}.weight")
        (weight[2] if layer == "0" else weight[:, 2]).fill_(faint)
        model.get_parameter("0.bias")[2] = 0.1
    found = same(model)
    assert found.get_parameter("0.bias")[2] == model.get_parameter("0.bias")[2]
    writes, reads = ranges(found, "0", "2")
    others = [0, 1, 3, 4, 5]
    torch.testing.assert_close(writes[others], reads[others], rtol=1e-3, atol=0)
