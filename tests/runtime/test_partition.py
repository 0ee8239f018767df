"""A graph with sparse layers computes the same in pieces."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from laconic import Int8, from_arrays
from laconic.artifact import Artifact, write
from laconic.base.errors import GraphError
from laconic.forms import Masked
from laconic.graph.export import export
from laconic.graph.network import Network
from laconic.methods.step import Context
from laconic.runtime import Session, load, partition, sparse_layer
from laconic.runtime.engines import Choice, open_graph
from laconic.runtime.sparse import Rows
from laconic.runtime.whole import Whole

SAMPLE = (3, 8, 8)


class Branches(nn.Module):
    """Sparse layers one after the other, side by side, at the end, and one whose output is read twice."""

    def __init__(self, bias: bool = True) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 128, 3, padding=1)
        self.point = nn.Conv2d(128, 128, 1, bias=bias)
        self.other = nn.Conv2d(128, 128, 1, bias=bias)
        self.strided = nn.Conv2d(128, 128, 1, stride=2)
        self.fc = nn.Linear(128, 256, bias=bias)
        self.head = nn.Linear(256, 64)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).relu()
        x = self.point(x).relu() * self.other(x).sigmoid() + x
        x = self.fc(self.strided(x).mean((2, 3)))
        return self.head(x) + self.head(x.relu())


def pruned(model: Branches, zeros: float = 0.9) -> Branches:
    torch.manual_seed(0)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.ndim > 1 and name != "stem.weight":
                p[torch.rand_like(p) < zeros] = 0
    return model


def dense(model: nn.Module) -> Artifact:
    return Artifact({name: Masked.of(value.numpy()) for name, value in model.state_dict().items()}, export(model, SAMPLE))


def sparse(model: Branches, zeros: float = 0.9) -> Artifact:
    return dense(pruned(model, zeros))


@pytest.fixture(autouse=True)
def taken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every layer that could be sparse counts as faster; their names."""
    names: list[str] = []

    def noted(layer: sparse_layer.Layer, *_: object) -> bool:
        names.append(layer.node.input[1])
        return True

    monkeypatch.setattr(partition, "is_faster", noted)
    return names


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("batch", [1, 3, 9])
def test_it_computes_what_the_whole_graph_does(bias: bool, batch: int, taken: list[str]) -> None:
    artifact = sparse(Branches(bias))
    x = np.random.default_rng(0).standard_normal((batch, *SAMPLE)).astype(np.float32)
    whole = Session(artifact)(x)
    found = Session(artifact, choice=Choice("laconic"))(x)
    np.testing.assert_allclose(found, whole, atol=1e-4 * np.abs(whole).max())
    assert set(taken) == {"point.weight", "other.weight", "fc.weight", "head.weight"}, "not the strided one, nor the stem"


def rounded(model: Branches, bits: int) -> tuple[Artifact, np.ndarray]:
    """A pruned model through int8, and some samples."""
    some = np.random.default_rng(0).standard_normal((24, *SAMPLE)).astype(np.float32)
    data = from_arrays(*((some[k : k + 8], np.zeros(8, np.int64)) for k in (0, 8, 16)))
    network, step, context = Network(pruned(model).eval()), Int8(bits=bits, samples=8), Context(data, model)
    small = step.apply(network, step.plan(network, context), context)
    return Artifact(small.tensors(), export(small.module, SAMPLE)), some


@pytest.mark.parametrize("bits", [7, 8])
@pytest.mark.parametrize("batch", [1, 9])
def test_layers_of_integers_are_multiplied_as_integers(bits: int, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Integers beyond ±64 come as uint8 around 128 on this processor, others as int8."""
    monkeypatch.setattr("laconic.runtime.integers.multiplies_exactly", lambda: False)
    kept: list[sparse_layer.Layer] = []
    monkeypatch.setattr(partition, "is_faster", lambda layer, _: kept.append(layer) or True)
    artifact, some = rounded(Branches(), bits)
    whole = Session(artifact)(some[:batch])
    found = Session(artifact, choice=Choice("laconic"))(some[:batch])
    assert {layer.rows.values.dtype for layer in kept} == {np.dtype(np.int8)}
    assert len(kept) == 5, "point, other, fc, and head twice"
    assert max(np.abs(layer.rows.values).max() for layer in kept) == (127 if bits == 8 else 63)
    np.testing.assert_allclose(found, whole, atol=0.02 * np.abs(whole).max(), err_msg="but for a step here and there")


def test_pieces_and_rivals_multiply_integers_as_the_whole_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine does so only where it sees constant integers, and rounding on both sides of a layer."""
    opened: list[list[str]] = []
    rivals: list[list[str]] = []
    engine = Whole.engine

    def noted(self: Whole, nodes: list[onnx.NodeProto], read: list[str], made: list[str]) -> object:
        opened.append([node.op_type for node in nodes])
        assert not self.fixed.intersection(read), "weights are no inputs"
        return engine(self, nodes, read, made)

    def raced(layer: sparse_layer.Layer, whole: Whole) -> bool:
        sparse_layer.is_faster(layer, whole)
        rivals.append(next(kinds for kinds in opened if layer.node.op_type in kinds))
        opened.clear()
        return True

    monkeypatch.setattr(Whole, "engine", noted)
    monkeypatch.setattr(partition, "is_faster", raced)
    artifact, some = rounded(Branches(), 7)
    Session(artifact, choice=Choice("laconic"))(some[:2])
    around = ["QuantizeLinear", "DequantizeLinear"]
    assert [*around, "Conv", "Relu", *around] in rivals
    assert all(kinds[:2] == around for kinds in rivals)


@pytest.mark.parametrize(
    ("weight", "bias", "taken"),
    [
        ("DequantizeLinear(q, s, z)", "b", False),
        ("DequantizeLinear<axis=0>(q, s, z)", "b", True),
        ("DequantizeLinear<axis=0>(q, s, z)", "row", True),
    ],
    ids=["steps along the other axis", "a step a row", "a bias that is a row"],
)
def test_graphs_that_others_made_are_read_as_they_mean_it(weight: str, bias: str, taken: bool) -> None:
    rng = np.random.default_rng(0)
    integers = (rng.integers(-127, 128, (128, 128)) * (rng.random((128, 128)) < 0.1)).astype(np.int8)
    values = {
        "q": integers,
        "s": rng.uniform(0.01, 0.02, 128).astype(np.float32),
        "z": np.zeros(128, np.int8),
        "b": rng.standard_normal(128).astype(np.float32),
        "row": rng.standard_normal((1, 128)).astype(np.float32),
    }
    body = f"{{ w = {weight} y = Gemm<transB=1>(x, w, {bias}) }}"
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]> g (float[n, 128] x) => (float[n, 128] y) {body}')
    model.graph.initializer.extend(onnx.numpy_helper.from_array(value, name) for name, value in values.items())
    x = rng.standard_normal((3, 128)).astype(np.float32)
    whole = open_graph(model.SerializeToString(), 1, Choice("onnxruntime"))
    if not taken:
        with pytest.raises(GraphError, match="no layer has many zeros"):
            open_graph(model.SerializeToString(), 1, Choice("laconic"))
        return
    np.testing.assert_allclose(open_graph(model.SerializeToString(), 1, Choice("laconic"))(x), whole(x), atol=1e-4)


def test_floats_on_a_grid_are_multiplied_as_integers(taken: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights that some quantiser rounded, whose activations are none."""
    kept: list[sparse_layer.Layer] = []
    monkeypatch.setattr(partition, "is_faster", lambda layer, _: kept.append(layer) or True)
    model = pruned(Branches())
    with torch.no_grad():
        steps = model.fc.weight.abs().amax(1, keepdim=True) / 127
        model.fc.weight.copy_((model.fc.weight / steps).round() * steps)
    x = np.random.default_rng(0).standard_normal((2, *SAMPLE)).astype(np.float32)
    whole = Session(dense(model))(x)
    np.testing.assert_allclose(Session(dense(model), choice=Choice("laconic"))(x), whole, atol=1e-4 * np.abs(whole).max())
    assert {layer.node.input[1]: layer.rows.values.dtype.name for layer in kept} == {
        "point.weight": "float32",
        "other.weight": "float32",
        "fc.weight": "int8",
        "head.weight": "float32",
    }


def test_layers_with_few_zeros_stay(taken: list[str]) -> None:
    with pytest.raises(GraphError, match="no layer has many zeros"):
        Session(sparse(Branches(), zeros=0.3), choice=Choice("laconic"))
    assert not taken


def test_layers_that_are_not_faster_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition, "is_faster", lambda *_: False)
    with pytest.raises(GraphError, match="none is faster"):
        Session(sparse(Branches()), choice=Choice("laconic"))


def test_who_is_faster_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock that the sparse kernel makes run slow, and then fast."""
    monkeypatch.undo()
    now = [0.0]
    monkeypatch.setattr(sparse_layer.time, "perf_counter", lambda: now[0])
    cost = {"rows": 2.0}

    def slow(self: sparse_layer.Layer, x: np.ndarray) -> np.ndarray:
        now[0] += cost["rows"]
        return np.zeros(1)

    monkeypatch.setattr(sparse_layer.Layer, "__call__", slow)
    node = onnx.helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)
    layer = sparse_layer.Layer(node, Rows.of(np.ones((2, 3), np.float32)), np.zeros(2, np.float32))
    ends = [onnx.helper.make_tensor_value_info(name, 1, ["n", side]) for name, side in (("x", 3), ("y", 2))]
    whole = Whole(onnx.helper.make_model(onnx.helper.make_graph([node], "g", ends[:1], ends[1:])), 1)
    monkeypatch.setattr(whole, "engine", lambda *_: lambda _: now.__setitem__(0, now[0] + 1.0))
    assert not sparse_layer.is_faster(layer, whole)
    cost["rows"] = 0.5
    assert sparse_layer.is_faster(layer, whole)


def test_a_file_is_loaded_with_it(tmp_path: Path) -> None:
    write(tmp_path / "f.lac", sparse(Branches()))
    x = np.random.default_rng(0).standard_normal((2, *SAMPLE)).astype(np.float32)
    whole = load(tmp_path / "f.lac")(x)
    np.testing.assert_allclose(load(tmp_path / "f.lac", engine="laconic")(x), whole, atol=1e-4 * np.abs(whole).max())


def test_operators_mean_what_they_mean_in_the_graphs_own_version() -> None:
    """Until opset 13, Softmax flattened all axes from its own on."""
    rng = np.random.default_rng(0)
    weight = (rng.standard_normal((128, 128)) * (rng.random((128, 128)) < 0.1)).astype(np.float32)
    body = "{ z = Gemm<transB=1>(x, w) s = Constant<value_ints=[-1,2,64]>() r = Reshape(z, s) y = Softmax<axis=1>(r) }"
    text = f'<ir_version: 7, opset_import: ["" : 12]> g (float[n, 128] x, float[128, 128] w) => (float[n, 2, 64] y) {body}'
    model = onnx.parser.parse_model(text)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weight, "w"))
    del model.graph.input[1]
    x = rng.standard_normal((3, 128)).astype(np.float32)
    whole, pieces = (open_graph(model.SerializeToString(), 1, Choice(engine)) for engine in ("onnxruntime", "laconic"))
    np.testing.assert_allclose(pieces(x), whole(x), atol=1e-6)
