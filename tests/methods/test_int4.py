"""Linear layers of 4 bits, in groups."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from laconic import Int4, Int8, compress
from laconic.artifact import Artifact, pack, unpack
from laconic.base.errors import ModelError, RecipeError
from laconic.datasets.data import Data
from laconic.forms import Grid
from laconic.graph.export import export
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.runtime import Session, to_onnx

Apply = Callable[..., Network]


def large(inputs: int = 512) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, inputs), nn.ReLU(), nn.Linear(inputs, 640), nn.ReLU(), nn.Linear(640, 4)).eval()


def test_every_group_is_rounded_as_well_as_its_own_step_can(apply: Apply) -> None:
    model = large()
    network = apply(Int4(group=32), Network(model))
    form = network.form("3.weight")
    assert isinstance(form, Grid)
    assert len(form.table) == form.size // 32
    assert int(np.abs(np.asarray(form.integers).astype(int)).max()) == 7
    groups = model.get_parameter("3.weight").detach().numpy().reshape(-1, 32)
    error = np.square(form.array().reshape(-1, 32) - groups).sum(1)
    widest = np.abs(groups).max(1, keepdims=True) / 7
    assert (error <= np.square(np.rint(groups / widest) * widest - groups).sum(1) + 1e-6).all()


def test_a_group_divides_the_inputs_or_the_layer_stays(data: Data) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 48), nn.Linear(48, 20), nn.Linear(20, 4))
    plan = Int4(group=128).plan(Network(model), Context(data, model))
    assert {row["layer"]: row["group"] for row in plan.rows} == {"1.weight": 64, "2.weight": 16}


def test_a_session_takes_the_kernel_and_computes_the_same(apply: Apply) -> None:
    network = apply(Int4(), Network(large()))
    artifact = unpack(pack(Artifact(network.tensors(), export(network.module, (1, 8, 8)))))
    x = np.random.default_rng(0).standard_normal((3, 1, 8, 8)).astype(np.float32)
    with torch.no_grad():
        wanted = network.module(torch.from_numpy(x)).numpy()
    here = Session(artifact)(x)
    assert np.abs(here - wanted).max() < 0.05 * wanted.std()
    assert np.abs(here - wanted).max() > 0, "the kernel for 4 bits rounds its inputs"
    kinds = {node.op_type for node in onnx.load_from_string(to_onnx(artifact)).graph.node}
    assert "MatMulNBits" not in kinds, "other engines do not know it"


def test_small_layers_stay_with_their_ordinary_kernel(apply: Apply) -> None:
    network = apply(Int4(), Network(large(64)))
    artifact = unpack(pack(Artifact(network.tensors(), export(network.module, (1, 8, 8)))))
    x = np.random.default_rng(0).standard_normal((3, 1, 8, 8)).astype(np.float32)
    with torch.no_grad():
        np.testing.assert_allclose(Session(artifact)(x), network.module(torch.from_numpy(x)).numpy(), atol=1e-5)


def test_convolutions_on_int8_and_linear_layers_on_int4(data: Data) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(1024, 320), nn.ReLU(), nn.Linear(320, 4))
    result = compress(model, data, [Int4(), Int8(samples=32)])
    assert len(result.run.network.form("3.weight").table) == 1024 * 320 // 32
    assert len(result.run.network.form("0.weight").table) == 16
    inputs = data.preprocessing.apply(data.test.inputs[:8])
    with torch.no_grad():
        there = result.model(torch.from_numpy(inputs)).numpy()
    assert np.abs(Session(result.run.artifact)(inputs) - there).max() < 0.1 * there.std()


def test_a_file_of_four_bits_is_an_eighth(data: Data) -> None:
    result = compress(large(), data, [Int4(group=128)])
    assert len(pack(result.run.artifact, weights_only=True)) < 0.14 * 4 * sum(p.numel() for p in result.model.parameters())


@pytest.mark.parametrize("group", [8, 48, 512])
def test_groups_that_no_kernel_knows_are_refused(group: int) -> None:
    with pytest.raises(RecipeError, match="group"):
        Int4(group=group)


def test_a_model_without_linear_layers_is_refused(data: Data) -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 8), nn.Flatten())
    with pytest.raises(ModelError, match="no linear layer"):
        Int4().check(Network(model), Context(data, model))
