"""The law of channel groups: to slice some channels away and run is to set them to zero and run."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from laconic.base.errors import LaconicError, ModelError
from laconic.base.imports import load_attribute
from laconic.graph.channels import Group, channel_groups, narrowed
from laconic.graph.layered import layered
from laconic.zoo import ZOO

PATH = Path(__file__).with_name("architectures.py")
ARCHITECTURES, random = (load_attribute(f"{PATH}:{name}", error=LaconicError) for name in ("ARCHITECTURES", "random"))
SHALLOW = load_attribute(f"{Path(__file__).parents[2] / 'zoo' / 'shallow.py'}:SHALLOW", error=LaconicError)
STATISTICS = ("running_mean", "running_var")


def some(groups: tuple[Group, ...], seed: int = 0) -> dict[str, list[int]]:
    rng = np.random.default_rng(seed)
    return {
        group.name: sorted(rng.choice(group.size, max(1, group.size // 3), replace=False).tolist()) for group in groups if group.size > 1
    }


def zeroed(model: nn.Module, groups: tuple[Group, ...], gone: dict[str, list[int]]) -> nn.Module:
    """The model with these channels at zero in every weight that makes or reads them."""
    without = copy.deepcopy(model)
    state = without.state_dict()
    for group in groups:
        for member in group.members:
            for channel in gone.get(group.name, ()):
                if not member.tensor.endswith(STATISTICS):
                    state[member.tensor].index_fill_(member.axis, torch.tensor(member.places[channel]), 0)
    return without


def samples(shape: tuple[int, ...], dtype: str) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(3, *shape, generator=generator) if dtype == "float32" else torch.randint(0, 9, (3, *shape), generator=generator)


def obeys(model: nn.Module, shape: tuple[int, ...], dtype: str) -> tuple[Group, ...]:
    model = random(model)
    groups = channel_groups(model, shape, dtype)
    gone = some(groups)
    smaller, x = narrowed(model, shape, gone, dtype), samples(shape, dtype)
    with torch.no_grad():
        torch.testing.assert_close(smaller(x), zeroed(model, groups, gone)(x), rtol=1e-4, atol=1e-4)
    if gone:
        assert sum(p.numel() for p in smaller.parameters()) < sum(p.numel() for p in model.parameters())
    return groups


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_slicing_is_zeroing(name: str) -> None:
    architecture: Any = ARCHITECTURES[name]
    groups = obeys(architecture.build(), architecture.sample, architecture.dtype)
    assert len([group for group in groups if group.size > 1]) == architecture.groups


@pytest.mark.parametrize("name", [name for name in ZOO if name.startswith("lenet") or name in ("resnet20", "resnet20-b")])
def test_the_zoo_obeys(name: str) -> None:
    assert obeys(ZOO[name].build(), ZOO[name].sample_shape, "float32")


@pytest.mark.slow
@pytest.mark.parametrize("name", SHALLOW)
def test_every_kind_of_block_in_the_zoo_obeys(name: str) -> None:
    assert obeys(SHALLOW[name].build(), SHALLOW[name].sample, "float32")


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_graph_with_its_layers_computes_what_the_model_does(name: str) -> None:
    architecture: Any = ARCHITECTURES[name]
    model, x = random(architecture.build()), samples(architecture.sample, architecture.dtype)
    graph = layered(model, architecture.sample, architecture.dtype)
    with torch.no_grad():
        torch.testing.assert_close(graph(x), model(x))
    assert set(graph.state_dict()) == set(model.state_dict())


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_the_greatest_value_of_a_channel_goes_with_it(axes: int) -> None:
    conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1](3, 8, 1)
    pool = (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d)[axes - 1](1)
    (group,) = obeys(nn.Sequential(conv, pool, nn.Flatten(), nn.Linear(8, 4)), (3, *[4] * axes), "float32")
    assert group.size == 8


def test_a_narrowed_model_trains_as_its_layers_do() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(8 * 36, 4))
    smaller = narrowed(model, (3, 8, 8), {"0.weight": [0, 5]})
    assert smaller.training
    before = smaller.get_buffer("1.running_mean").clone()
    first, second = smaller(torch.randn(5, 3, 8, 8)), smaller.eval()(torch.randn(5, 3, 8, 8))
    first.sum().backward()
    assert second.shape == (5, 4)
    assert not torch.equal(before, smaller.get_buffer("1.running_mean"))
    assert all(p.grad is not None for p in smaller.parameters())
    assert isinstance(smaller.get_submodule("0"), nn.Conv2d)


def test_what_cannot_go_is_refused_by_name() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    with pytest.raises(ModelError, match=r"no group .*'1'"):
        narrowed(model, (4,), {"1": [0]})
    with pytest.raises(ModelError, match="cannot all go"):
        narrowed(model, (4,), {"0.weight": [0, 1, 2]})
    with pytest.raises(ModelError, match="cannot all go"):
        narrowed(model, (4,), {"0.weight": [3]})
