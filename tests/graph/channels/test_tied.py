"""A tensor of two names is cut under both, and stays one tensor."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from laconic.artifact import Artifact, write
from laconic.base.errors import LaconicError
from laconic.base.imports import load_attribute
from laconic.forms import Masked
from laconic.graph.channels import channel_groups, narrowed
from laconic.graph.channels.cut import cut
from laconic.graph.network import Network
from laconic.graph.replay import noted
from laconic.graph.restore import load_into

PATH, LAW = Path(__file__).with_name("architectures.py"), Path(__file__).with_name("test_law.py")
conv, head, random = (load_attribute(f"{PATH}:{name}", error=LaconicError) for name in ("conv", "head", "random"))
obeys, samples = (load_attribute(f"{LAW}:{name}", error=LaconicError) for name in ("obeys", "samples"))
SHAPE = (3, 8, 8)
REMOVED = {"0.0.weight": [1, 6]}


def one_block_by_two_names() -> nn.Module:
    block = conv(8, 8)
    return nn.Sequential(conv(3, 8), block, block, head(8))


def two_layers_of_one_weight() -> nn.Module:
    first, second = conv(8, 8), conv(8, 8)
    second[0].weight = first[0].weight
    return nn.Sequential(conv(3, 8), first, second, head(8))


@pytest.fixture(params=[one_block_by_two_names, two_layers_of_one_weight], ids=lambda build: build.__name__)
def model(request: pytest.FixtureRequest) -> nn.Module:
    return random(request.param())


def test_slicing_is_zeroing(model: nn.Module) -> None:
    assert [group.size for group in obeys(model, SHAPE, "float32")] == [8]


def test_what_was_one_tensor_stays_one(model: nn.Module) -> None:
    smaller = narrowed(model, SHAPE, REMOVED)
    assert len(list(smaller.parameters())) == len(list(model.parameters()))
    assert [p.shape[0] for p in smaller.parameters()][:3] == [6, 6, 6]
    assert [group.size for group in channel_groups(smaller, SHAPE)] == [6]


def test_its_form_is_cut_with_it(model: nn.Module) -> None:
    weight = model.get_parameter("1.0.weight")
    mask = np.random.default_rng(0).random(weight.shape) < 0.5
    network = Network(model).reformed({"1.0.weight": Masked.of(weight.detach().numpy(), mask)})
    (form,) = cut(network, SHAPE, REMOVED).forms.values()
    assert form.shape == (6, 6, 3, 3)


def test_the_class_gets_it_back_whole(model: nn.Module, tmp_path: Path) -> None:
    network = cut(Network(model), SHAPE, REMOVED)
    write(tmp_path / "f.lac", Artifact(network.tensors(), notes=noted(network.edits)))
    loaded, x = load_into(model, tmp_path / "f.lac"), samples(SHAPE, "float32")
    assert not loaded.get_parameter("1.0.weight")[1].any()
    with torch.no_grad():
        torch.testing.assert_close(loaded(x), network.module(x), rtol=1e-4, atol=1e-4)
