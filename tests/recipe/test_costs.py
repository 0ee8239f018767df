"""Each layer's time is that of the kernels which the engine has made of it."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from laconic import Int4, Int8, PruneChannels
from laconic.artifact import Artifact
from laconic.base.errors import GraphError, ResourceError
from laconic.datasets.data import Data
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.recipe.costs import Costs, layer_costs
from laconic.recipe.package import package
from laconic.runtime.assemble import assemble
from laconic.runtime.by_layer import BETWEEN, by_layer, owners


class Residual(nn.Module):
    """A normalisation in front, one behind a convolution, a sum, a layer that squeezes, weights of its own, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.front = nn.BatchNorm2d(1)
        self.stem, self.norm = nn.Conv2d(1, 64, 3, padding=1), nn.BatchNorm2d(64)
        self.body = nn.Sequential(nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU6())
        self.gate = nn.Conv2d(64, 64, 1)
        self.scale = nn.Parameter(torch.ones(64, 1, 1))
        self.fc = nn.Linear(64, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.stem(self.front(x))).relu()
        x = x + self.body(x) * self.scale
        x = x * self.gate(x.mean((2, 3), keepdim=True)).sigmoid()
        return self.fc(x.mean((2, 3)))


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(0)
    return Residual().eval()


def packed(module: nn.Module | Network, data: Data) -> Artifact:
    return package(module if isinstance(module, Network) else Network(module), data)[0]


def costs_of(modules: tuple[nn.Module, nn.Module], artifacts: tuple[Artifact, Artifact], data: Data) -> Costs:
    return layer_costs(modules, artifacts, data.preprocessing, data.preprocessing.apply(data.test.inputs[:1]))


def test_every_node_is_of_the_layer_whose_weights_it_reads_or_whose_products_it_follows(net: nn.Module, data: Data) -> None:
    artifact = packed(net, data)
    model = assemble(artifact, engine="onnxruntime")
    owner = owners(model, frozenset(artifact.tensors))
    found = [(node.op_type, owner[node.name]) for node in model.graph.node]
    assert found[:4] == [("BatchNormalization", "front"), ("Conv", "stem"), ("BatchNormalization", "stem"), ("Relu", "stem")]
    assert ("Conv", "body.0") in found
    assert ("Clip", "body.0") in found
    assert ("Add", BETWEEN) in found
    assert ("Mul", "scale") in found  # the model's own weight
    assert ("Mul", BETWEEN) in found
    assert ("Conv", "gate") in found
    assert ("Gemm", "fc") in found
    assert all(owner[value] == owner[node.name] for node in model.graph.node for value in node.output)


@pytest.mark.parametrize("step", [None, Int8(samples=16), PruneChannels(ratio=0.5, criterion="l2")])
def test_every_kernel_is_of_a_layer_or_stands_between(net: nn.Module, data: Data, step: Any) -> None:
    network, context = Network(net), Context(data, net)
    network = network if step is None else step.apply(network, step.plan(network, context), context)
    artifact = packed(network, data)
    found = by_layer({"one": artifact, "other": artifact}, data.preprocessing.apply(data.test.inputs[:1]), 9)
    assert list(found) == ["one", "other"]
    for times in found.values():
        assert {"stem", "body.0", "gate", "fc", BETWEEN} <= set(times)
        assert set(times) <= {"front", "stem", "body.0", "gate", "fc", "scale", BETWEEN}
        assert times["body.0"] > times["fc"]


class Many(nn.Module):
    """Layers whose activations the engine makes one with them, each in a way of its own, and names as it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.swish, self.line = nn.Conv2d(1, 8, 3, padding=1), nn.Conv1d(64, 16, 3, padding=1)
        self.gelu, self.relu, self.last = nn.Linear(16, 512), nn.Linear(512, 512), nn.Linear(512, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.hardswish(self.swish(x))
        x = self.line(x.flatten(2).transpose(1, 2)).relu().mean(2)
        return self.last(self.relu(nn.functional.gelu(self.gelu(x))).relu())


@pytest.mark.parametrize("step", [None, Int8(samples=16), Int4()])
def test_every_layer_that_multiplies_has_its_kernels(data: Data, step: Any) -> None:
    torch.manual_seed(0)
    model = Many().eval()
    network, context = Network(model), Context(data, model)
    network = network if step is None else step.apply(network, step.plan(network, context), context)
    times = by_layer({"net": packed(network, data)}, data.preprocessing.apply(data.test.inputs[:1]), 3)["net"]
    assert set(times) - {BETWEEN} == {name for name, _ in model.named_children()}


def test_what_the_engine_puts_in_is_of_the_kernel_before_unless_it_moves_numbers(
    net: nn.Module, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernels = (
        ("fused node 1", "FusedConv", 8),
        ("HardSigmoid_7", "HardSigmoid", 4),
        ("ReorderOutput", "ReorderOutput", 2),
        ("Mul_8", "Mul", 1),
    )
    told = [
        {"name": f"{name}_kernel_time", "ts": at, "dur": 1000 * ms, "args": {"op_name": op}}
        for at, (name, op, ms) in enumerate(kernels * 4)  # three passes warm up
    ]
    monkeypatch.setattr("laconic.runtime.by_layer.json.loads", lambda _: told)
    assert by_layer({"net": packed(net, data)}, np.zeros((1, 1, 8, 8), np.float32), 1) == {"net": {"stem": 12.0, BETWEEN: 3.0}}


def test_a_layer_that_works_longer_is_seen_to(data: Data) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 128, 3, padding=1), nn.ReLU(), nn.Conv2d(128, 128, 3, padding=1), nn.Flatten(), nn.LazyLinear(4))
    model(torch.zeros(1, *data.preprocessing.shape))
    times = by_layer({"net": packed(model.eval(), data)}, data.preprocessing.apply(data.test.inputs[:1]), 9)["net"]
    assert times["2"] > 5 * times["0"]


def test_samples_are_of_the_type_that_the_graph_takes_or_refused(net: nn.Module, data: Data) -> None:
    artifact, inputs = packed(net, data), np.zeros((1, 1, 8, 8), np.float64)
    assert by_layer({"net": artifact}, inputs, 1)["net"]["stem"] > 0
    with pytest.raises(GraphError, match="ONNX Runtime fails in the graph"):
        by_layer({"net": artifact}, inputs[:, :, 0], 1)


@pytest.mark.parametrize("left", ["", "[{"])
def test_notes_that_a_full_disk_cut_off_are_no_room(net: nn.Module, data: Data, monkeypatch: pytest.MonkeyPatch, left: str) -> None:
    monkeypatch.setattr("laconic.runtime.by_layer.Path.read_text", lambda *_, **__: left)
    with pytest.raises(ResourceError, match="cannot write down"):
        by_layer({"net": packed(net, data)}, np.zeros((1, 1, 8, 8), np.float32), 1)
    assert costs_of((net, net), (packed(net, data),) * 2, data).engine == "torch"


def test_a_folder_that_is_not_there_is_no_room(net: nn.Module, data: Data, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(ResourceError, match="cannot write down"):
        by_layer({"net": packed(net, data)}, np.zeros((1, 1, 8, 8), np.float32), 1)


def test_rows_have_both_networks_and_the_engine(net: nn.Module, data: Data) -> None:
    context = Context(data, net)
    step = PruneChannels(ratio=0.5, criterion="l2")
    narrow = step.apply(Network(net), step.plan(Network(net), context), context)
    costs = costs_of((net, narrow.module), (packed(net, data), packed(narrow, data)), data)
    rows = {row.name: row for row in costs.layers}
    assert costs.engine == "ONNX Runtime"
    assert list(rows)[-1] == BETWEEN
    assert rows["body.0"].macs == (64 * 64 * 9 * 64, 64 * 64 * 9 * 64 // 4)
    assert all(rows["body.0"].ms)
    assert rows["norm"].ms == (0, 0)  # it is in the convolution before
    assert rows[BETWEEN].params == (0, 0)


def test_what_is_of_no_layer_stands_between(net: nn.Module, data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    clocked = {"stem": 1.0, "scale": 0.25, BETWEEN: 0.5}
    monkeypatch.setattr("laconic.recipe.costs.by_layer", lambda *_: {"before": clocked, "after": {}})
    rows = {row.name: row for row in costs_of((net, net), (packed(net, data),) * 2, data).layers}
    assert rows["stem"].ms == (1, 0)
    assert rows[BETWEEN].ms == (0.75, 0)


@pytest.mark.parametrize("why", ["no graph", "large", "refused"])
def test_torch_clocks_what_the_engine_cannot(net: nn.Module, data: Data, monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    artifact = packed(net, data)
    if why == "no graph":
        artifact = replace(artifact, graph=None)
    elif why == "large":
        monkeypatch.setattr("laconic.recipe.costs.LARGEST", 1000)
    else:
        monkeypatch.setattr("laconic.recipe.costs.by_layer", refuse)
    costs = costs_of((net, net), (artifact, artifact), data)
    rows = {row.name: row for row in costs.layers}
    assert costs.engine == "torch"
    assert all(rows["norm"].ms)
    assert BETWEEN not in rows


def refuse(*_: Any) -> Any:
    raise GraphError("no")


def test_a_network_that_cannot_be_watched_has_no_rows(data: Data) -> None:
    class Slow(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            time.sleep(0)
            raise ValueError("no")

    artifact = Artifact({}, None)
    assert costs_of((Slow(), Slow()), (artifact, artifact), data) == Costs()
