"""Blocks learn the outputs of their layers, and nothing else changes."""

import copy

import pytest
import torch
from torch import Tensor, nn

from laconic.base.progress import silent
from laconic.methods.replace.recover import error, recover
from laconic.nn.compact import compact
from laconic.nn.watching import entering, leaving


@pytest.fixture
def before() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 3)
    ).eval()


@pytest.fixture
def inputs() -> Tensor:
    return torch.randn(64, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def replaced(before: nn.Sequential) -> nn.Sequential:
    torch.manual_seed(1)
    model = copy.deepcopy(before)
    model[2], model[5] = compact(before[2], "bottleneck", 6), compact(before[5], "depthwise", 1)
    return model


def test_each_block_comes_nearer_and_the_rest_stays(before: nn.Sequential, inputs: Tensor) -> None:
    first = replaced(before)
    after = copy.deepcopy(first)
    recover(after, before, ["2", "5"], inputs, 60, silent)
    for name in ("2", "5"):
        wrong = [error(m.get_submodule(name), entering(m, name, inputs), leaving(before, name, inputs)) for m in (first, after)]
        assert wrong[1] < 0.5 * wrong[0]
    for name, value in after.state_dict().items():
        assert torch.equal(value, first.state_dict()[name]) == (name.split(".")[0] not in ("2", "5")), name
    assert not after.training


def test_a_block_learns_from_what_comes_through_those_before_it(before: nn.Sequential, inputs: Tensor) -> None:
    model = replaced(before)
    with torch.no_grad():
        for value in model[2].parameters():
            value.zero_()
    recover(model, before, ["5"], inputs, 60, silent)
    fed, whole = entering(model, "5", inputs), entering(before, "5", inputs)
    wanted = leaving(before, "5", inputs)
    assert error(model[5], fed, wanted) < error(model[5], whole, wanted)


def test_the_error_is_the_share_of_the_variance() -> None:
    torch.manual_seed(0)
    wanted = torch.randn(70, 3, 4, 4) + 5
    still = nn.Conv2d(2, 3, 1, bias=True)
    with torch.no_grad():
        still.weight.zero_()
        still.bias.copy_(wanted.mean((0, 2, 3)))  # type: ignore[union-attr]
    assert error(still, torch.randn(70, 2, 4, 4), wanted) == pytest.approx(1, rel=1e-5)


def test_the_same_seed_gives_the_same_bits_and_another_does_not(before: nn.Sequential, inputs: Tensor) -> None:
    found = []
    for seed in (0, 0, 1):
        model = replaced(before)
        recover(model, before, ["2", "5"], inputs, 5, silent, seed)
        found.append(model[5][0].weight)
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
