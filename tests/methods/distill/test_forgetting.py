"""A network that is born again starts as it started: with the spread of its own weights, not with torch's."""

import copy

import pytest
import torch
from torch import nn

from laconic import compress
from laconic.datasets.data import Data
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.methods.distill import Distill
from laconic.methods.distill.distill import _check_forgets, _forget
from laconic.methods.transfer import Transfer
from laconic.nn.transferred import GroupConv2d, LiftingConv2d, MultiBias, RotatedConv2d
from laconic.zoo import ZOO, vgg
from laconic.zoo.squeezenet import SQUEEZENET_1_1, SqueezeNet
from laconic.zoo.vgg import VGG

BUILD = {
    "vgg": lambda: VGG(10, (3, 32, 32), rows=vgg.table(1, 1, 2, 2, 2), hidden=128),
    "squeezenet": lambda: SqueezeNet(10, (3, 32, 32), rows=SQUEEZENET_1_1),
    "resnet20-b": ZOO["resnet20-b"].build,
    "lenet5": ZOO["lenet5"].build,
}


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture(params=BUILD)
def fresh(request: pytest.FixtureRequest) -> nn.Module:
    return BUILD[request.param]()  # type: ignore[no-any-return]


def forgotten(model: nn.Module) -> nn.Module:
    """A copy that learnt something else, and forgot it."""
    other = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.fill_(7.0)
    _forget(other, 3)
    return other


def test_weights_start_with_the_spread_with_which_the_network_was_built(fresh: nn.Module) -> None:
    again = forgotten(fresh)
    for name, started in fresh.named_parameters():
        weight, found = started.detach(), again.get_parameter(name).detach()
        if weight.ndim > 1 and weight.numel() > 2000:
            assert float(found.std() / weight.std()) == pytest.approx(1, abs=0.1), name
        elif weight.ndim == 1 and weight.unique().numel() == 1:
            assert torch.equal(found, weight), name  # gains of one, biases of zero


def test_its_logits_spread_as_they_did(fresh: nn.Module) -> None:
    shape = (1, 28, 28) if fresh.get_parameter(next(iter(fresh.state_dict()))).shape[1] == 1 else (3, 32, 32)
    images = torch.randn(16, *shape)
    with torch.no_grad():
        before, after = (float(model.eval()(images).std()) for model in (fresh, forgotten(fresh)))
    assert 0.2 < after / before < 5


@pytest.mark.parametrize(
    "layer", [RotatedConv2d(3, 64, 3, ordered=True), LiftingConv2d(3, 64, 3), GroupConv2d(3, 64, 3)], ids=lambda layer: type(layer).__name__
)
def test_layers_of_few_filters_start_within_their_bound(layer: LiftingConv2d | GroupConv2d | RotatedConv2d) -> None:
    again, bound = forgotten(layer), 1 / (27 * (4 if isinstance(layer, GroupConv2d) else 1)) ** 0.5
    for parameter in again.parameters():
        assert 0.9 * bound < float(parameter.detach().abs().max()) <= 1.0001 * bound
    assert all(torch.equal(again.get_buffer(name), order) for name, order in layer.named_buffers())


def test_several_biases_are_spread_again() -> None:
    assert torch.equal(forgotten(MultiBias(3, copies=2)).bias, torch.tensor([-1.0] * 3 + [1.0] * 3))


def test_a_layer_of_few_filters_forgets_in_a_recipe(data: Data) -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 4)
    )
    assert compress(model, data, [Transfer(kind="c4"), Distill(epochs=0, teacher="self", scratch=True)])


def test_what_does_not_learn_is_not_forgotten() -> None:
    """Frozen by hand: a whole stem with its normalisation, and one bias."""
    model = nn.Sequential(ZOO["resnet20"].build(), nn.Linear(10, 4))
    stem = (model[0].conv1, model[0].bn1)
    for frozen in (*stem[0].parameters(), *stem[1].parameters(), model[1].bias):
        frozen.requires_grad_(False)
    stem[1].running_mean.fill_(0.5)
    before = copy.deepcopy(model.state_dict())
    _forget(model, 3)
    kept = {name for name, tensor in model.state_dict().items() if tensor.unique().numel() > 1 and torch.equal(tensor, before[name])}
    assert kept == {"0.conv1.weight", "1.bias"}
    assert float(stem[1].running_mean.mean()) == 0.5


def test_what_does_not_learn_needs_no_way_to_be_drawn(data: Data) -> None:
    class Shifted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.shift = nn.Parameter(torch.ones(4), requires_grad=False)
            self.fc = nn.Linear(64, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(x.flatten(1)) + self.shift  # type: ignore[no-any-return]

    model = Shifted()
    _check_forgets(model)
    step = Distill(epochs=0, teacher="self", scratch=True)
    trained = step.apply(Network(model), step.plan(Network(model), Context(data, model)), Context(data, model)).module
    assert torch.equal(trained.get_parameter("shift"), torch.ones(4))
    assert not torch.equal(trained.get_parameter("fc.weight"), model.fc.weight)
