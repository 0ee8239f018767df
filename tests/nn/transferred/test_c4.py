"""Turn the input of a group convolution, and its output turns along: exactly in integers, to rounding otherwise, and where it does not."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from laconic import load
from laconic.artifact import write
from laconic.base.preprocessing import Preprocessing
from laconic.datasets.data import Data, Split
from laconic.graph.network import Network
from laconic.nn.transferred import GroupConv2d, LiftingConv2d, turned
from laconic.profile import count
from laconic.recipe.package import package


def integers(layer: nn.Module) -> nn.Module:
    """With small whole numbers for weights, whose sums float32 holds exactly."""
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randint(-4, 5, parameter.shape))
    return layer


def images(side: int) -> Tensor:
    return torch.randint(-9, 10, (2, 3, side, side)).float()


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize(("side", "kernel", "turns"), list(itertools.product([5, 7, 8], [1, 2, 3, 5], [1, 2, 3])))
def test_with_a_stride_of_one_the_output_turns_along_exactly(side: int, kernel: int, turns: int) -> None:
    lift, full = integers(LiftingConv2d(3, 2, kernel, padding=kernel // 2)), integers(GroupConv2d(2, 3, kernel, padding=kernel // 2))
    x = images(side)
    with torch.no_grad():
        assert torch.equal(lift(x.rot90(turns, (2, 3))), turned(lift(x), turns))
        assert torch.equal(full(lift(x.rot90(turns, (2, 3)))), turned(full(lift(x)), turns))


@pytest.mark.parametrize(("side", "exact"), [(7, True), (9, True), (8, False)])
def test_with_a_stride_the_windows_must_reach_from_edge_to_edge(side: int, exact: bool) -> None:
    lift, x = integers(LiftingConv2d(3, 2, 3, stride=2, padding=1)), images(side)
    with torch.no_grad():
        assert torch.equal(lift(x.rot90(1, (2, 3))), turned(lift(x))) is exact


def network() -> nn.Module:
    """Lifting, group convolutions, all that may stand between them, and an invariant end."""
    return nn.Sequential(
        LiftingConv2d(1, 4, 3, padding=1),
        nn.BatchNorm3d(4),
        nn.ReLU(),
        nn.MaxPool3d((1, 2, 2)),
        GroupConv2d(4, 6, 3, padding=1, bias=False),
        nn.BatchNorm3d(6),
        nn.ReLU(),
        nn.AdaptiveAvgPool3d(1),
        nn.Flatten(),
        nn.Linear(6, 3),
    )


def test_a_network_of_them_is_invariant_to_rounding_also_while_it_trains() -> None:
    net, x = network(), torch.randn(5, 1, 8, 8)
    for mode in (True, False):
        net.train(mode)
        with torch.no_grad():
            assert torch.allclose(net(x.rot90(1, (2, 3))), net(x), atol=1e-5)


def test_every_orientation_is_counted() -> None:
    found = count(nn.Sequential(LiftingConv2d(1, 4, 3, padding=1), GroupConv2d(4, 6, 3, padding=1)), (1, 8, 8))
    assert found.macs == 64 * 9 * (4 * 4 * 1 + 4 * 6 * 4 * 4)
    assert found.params == 9 * (4 * 1 + 6 * 4 * 4) + 4 + 6
    assert not found.unknown


def test_an_ordinary_network_is_not() -> None:
    layer, x = nn.Conv2d(1, 4, 3, padding=1), torch.randn(5, 1, 8, 8)
    with torch.no_grad():
        assert not torch.allclose(layer(x.rot90(1, (2, 3))), layer(x).rot90(1, (2, 3)), atol=1e-2)


def test_a_file_holds_the_base_alone_and_a_session_computes_the_same(tmp_path: Path) -> None:
    net, inputs = network().eval(), np.random.default_rng(0).integers(0, 256, (8, 1, 8, 8)).astype(np.uint8)
    splits = [Split(inputs, np.arange(8) % 3)] * 3
    data = Data("noise", *splits, Preprocessing((1, 8, 8)), tuple("abc"), "drawn by the tests")
    artifact, why_not = package(Network(net), data)
    write(tmp_path / "f.lac", artifact)
    x = data.preprocessing.apply(inputs)
    with torch.no_grad():
        expected = net(torch.from_numpy(x)).numpy()
    assert not why_not
    assert {name: form.shape for name, form in artifact.tensors.items() if form.shape[2:]} == {
        "0.weight": (4, 1, 3, 3),
        "4.weight": (6, 4, 4, 3, 3),
    }
    np.testing.assert_allclose(load(tmp_path / "f.lac")(x), expected, rtol=1e-4, atol=1e-5)
