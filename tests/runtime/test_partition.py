"""A graph with sparse layers computes the same in pieces."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from laconic import Int8, from_arrays
from laconic.artifact import Artifact, write
from laconic.base import latency
from laconic.base.errors import GraphError
from laconic.forms import Masked
from laconic.graph.export import export
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.runtime import Session, load, partition, sparse_layer
from laconic.runtime.engines import Choice, open_graph
from laconic.runtime.linear import Linear
from laconic.runtime.sparse import Rows
from laconic.runtime.whole import Whole

SAMPLE = (3, 8, 8)
PLACES = (6, 128)


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


class Sequence(nn.Module):
    """Linear layers at each place of a sequence, with a bias and without; what the first makes is read twice."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(128, 256), nn.Linear(256, 128, bias=False)
        self.head = nn.Linear(128, 128)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.up(x)
        return self.head(x + self.down(hidden.relu() + hidden.sigmoid()))


def pruned(model: nn.Module, zeros: float = 0.9) -> nn.Module:
    torch.manual_seed(0)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.ndim > 1 and name != "stem.weight":
                p[torch.rand_like(p) < zeros] = 0
    return model


def dense(model: nn.Module, sample: tuple[int, ...] = SAMPLE) -> Artifact:
    return Artifact({name: Masked.of(value.numpy()) for name, value in model.state_dict().items()}, export(model, sample))


def sparse(model: nn.Module, zeros: float = 0.9) -> Artifact:
    return dense(pruned(model, zeros))


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch) -> list[sparse_layer.Layer]:
    """The layers that could be sparse, each of which counts as faster at any batch."""
    layers: list[sparse_layer.Layer] = []

    def noted(layer: sparse_layer.Layer, whole: Whole, samples: int) -> bool:
        if samples == 1:
            layers.append(layer)
        return True

    monkeypatch.setattr(partition, "is_faster", noted)
    return layers


def names(layers: list[sparse_layer.Layer]) -> set[str]:
    """Of their weights."""
    return {layer.linear.weight for layer in layers}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("batch", [0, 1, 3, 9])
def test_it_computes_what_the_whole_graph_does(bias: bool, batch: int, kept: list[sparse_layer.Layer]) -> None:
    artifact = sparse(Branches(bias))
    x = np.random.default_rng(0).standard_normal((batch, *SAMPLE)).astype(np.float32)
    whole = Session(artifact)(x)
    found = Session(artifact, choice=Choice("laconic"))(x)
    np.testing.assert_allclose(found, whole, atol=1e-4 * np.abs(whole).max(initial=1))
    assert names(kept) == {"point.weight", "other.weight", "fc.weight", "head.weight"}, "not the strided one, nor the stem"


@pytest.mark.parametrize("batch", [0, 1, 3])
def test_layers_of_sequences_are_multiplied_at_each_place(batch: int, kept: list[sparse_layer.Layer]) -> None:
    artifact = dense(pruned(Sequence()), PLACES)
    x = np.random.default_rng(0).standard_normal((batch, *PLACES)).astype(np.float32)
    whole = Session(artifact)(x)
    found = Session(artifact, choice=Choice("laconic"))(x)
    np.testing.assert_allclose(found, whole, atol=1e-4 * np.abs(whole).max(initial=1))
    assert names(kept) == {"up.weight", "down.weight", "head.weight"}


def rounded(model: nn.Module, bits: int, sample: tuple[int, ...] = SAMPLE) -> tuple[Artifact, np.ndarray]:
    """A pruned model through int8, and some samples."""
    some = np.random.default_rng(0).standard_normal((24, *sample)).astype(np.float32)
    data = from_arrays(*((some[k : k + 8], np.zeros(8, np.int64)) for k in (0, 8, 16)))
    network, step, context = Network(pruned(model).eval()), Int8(bits=bits, samples=8), Context(data, model)
    small = step.apply(network, step.plan(network, context), context)
    return Artifact(small.tensors(), export(small.module, sample)), some


@pytest.mark.parametrize("bits", [7, 8])
@pytest.mark.parametrize("batch", [1, 9])
def test_layers_of_integers_are_multiplied_as_integers(
    bits: int, batch: int, kept: list[sparse_layer.Layer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Integers beyond ±64 come as uint8 around 128 on this processor, others as int8."""
    monkeypatch.setattr("laconic.runtime.integers.multiplies_exactly", lambda: False)
    artifact, some = rounded(Branches(), bits)
    whole = Session(artifact)(some[:batch])
    found = Session(artifact, choice=Choice("laconic"))(some[:batch])
    assert {layer.rows.values.dtype for layer in kept} == {np.dtype(np.int8)}
    assert len(kept) == 5, "point, other, fc, and head twice"
    assert max(np.abs(layer.rows.values).max() for layer in kept) == (127 if bits == 8 else 63)
    np.testing.assert_allclose(found, whole, atol=0.02 * np.abs(whole).max(), err_msg="but for a step here and there")


@pytest.mark.parametrize("exactly", [True, False])
def test_integers_of_sequences_are_turned_back(exactly: bool, kept: list[sparse_layer.Layer], monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine is given such weights with their outputs last."""
    monkeypatch.setattr("laconic.runtime.integers.multiplies_exactly", lambda: exactly)
    artifact, some = rounded(Sequence(), 7 if exactly else 8, PLACES)  # 8 bits are not exact everywhere, whatever the engine believes
    whole = Session(artifact)(some[:3])
    found = Session(artifact, choice=Choice("laconic"))(some[:3])
    assert [layer.rows.values.dtype for layer in kept] == [np.int8] * 3
    np.testing.assert_allclose(found, whole, atol=0.02 * np.abs(whole).max(), err_msg="but for a step here and there")


@pytest.mark.parametrize(
    ("body", "shapes", "understood"),
    [
        ("y = MatMul(x, w)", {"w": (128, 256)}, True),
        ("t = Transpose<perm=[1, 0]>(w) m = MatMul(x, t) y = Add(b, m)", {"w": (256, 128), "b": (256,)}, True),
        ("t = Transpose<perm=[1, 0]>(w) m = MatMul(x, t) y = Add(m, b)", {"w": (256, 128), "b": (6, 256)}, True),
        ("m = MatMul(x, w) s = Add(m, b) y = Mul(m, s)", {"w": (128, 256), "b": (256,)}, True),
        ("y = MatMul(x, w)", {"w": (3, 128, 64)}, False),
        ("m = MatMul(x, w) y = Unsqueeze(m, a)", {"w": (1 << 14,), "a": (1,)}, False),
        ("y = MatMul(w, x)", {"w": (4096, 6)}, False),
    ],
    ids=[
        "as it lies",
        "a bias first",
        "a bias for each place",
        "read before its bias",
        "a weight for each place",
        "a vector",
        "on the left",
    ],
)
def test_products_that_others_wrote_are_read_as_they_mean_them(body: str, shapes: dict[str, tuple[int, ...]], understood: bool) -> None:
    rng = np.random.default_rng(0)
    width = 1 << 14 if len(shapes["w"]) == 1 else 128
    text = f'<ir_version: 8, opset_import: ["" : 17]> g (float[n, 6, {width}] x) => (float[n, h, k] y) {{ {body} }}'
    model = onnx.parser.parse_model(text)
    for name, shape in shapes.items():
        value = np.array([2]) if name == "a" else (rng.standard_normal(shape) * (rng.random(shape) < 0.1)).astype(np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(value, name))
    x = rng.standard_normal((3, 6, width)).astype(np.float32)
    wanted = open_graph(model.SerializeToString(), 1, Choice("onnxruntime"))(x)
    if not understood:
        with pytest.raises(GraphError, match="no layer has many zeros"):
            open_graph(model.SerializeToString(), 1, Choice("laconic"))
        return
    np.testing.assert_allclose(open_graph(model.SerializeToString(), 1, Choice("laconic"))(x), wanted, atol=1e-3)


def test_pieces_and_rivals_multiply_integers_as_the_whole_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine does so only where it sees constant integers, and rounding on both sides of a layer."""
    opened: list[list[str]] = []
    rivals: list[list[str]] = []
    engine = Whole.engine

    def noted(self: Whole, nodes: list[onnx.NodeProto], read: list[str], made: list[str]) -> object:
        opened.append([node.op_type for node in nodes])
        assert not self.fixed.intersection(read), "weights are no inputs"
        return engine(self, nodes, read, made)

    def raced(layer: sparse_layer.Layer, whole: Whole, samples: int) -> bool:
        sparse_layer.is_faster(layer, whole, samples)
        rivals.append(next(kinds for kinds in opened if layer.linear.nodes[0].op_type in kinds))
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
    ("weight", "bias", "understood"),
    [
        ("DequantizeLinear(q, s, z)", "b", False),
        ("DequantizeLinear<axis=0>(q, s, z)", "b", True),
        ("DequantizeLinear<axis=0>(q, s, z)", "row", True),
    ],
    ids=["steps along the other axis", "a step a row", "a bias that is a row"],
)
def test_graphs_that_others_made_are_read_as_they_mean_it(weight: str, bias: str, understood: bool) -> None:
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
    if not understood:
        with pytest.raises(GraphError, match="no layer has many zeros"):
            open_graph(model.SerializeToString(), 1, Choice("laconic"))
        return
    np.testing.assert_allclose(open_graph(model.SerializeToString(), 1, Choice("laconic"))(x), whole(x), atol=1e-4)


def test_floats_on_a_grid_are_multiplied_as_integers(kept: list[sparse_layer.Layer]) -> None:
    """Weights that some quantiser rounded, whose activations are none."""
    model = pruned(Branches())
    with torch.no_grad():
        steps = model.fc.weight.abs().amax(1, keepdim=True) / 127
        model.fc.weight.copy_((model.fc.weight / steps).round() * steps)
    x = np.random.default_rng(0).standard_normal((2, *SAMPLE)).astype(np.float32)
    whole = Session(dense(model))(x)
    np.testing.assert_allclose(Session(dense(model), choice=Choice("laconic"))(x), whole, atol=1e-4 * np.abs(whole).max())
    assert {layer.linear.weight: layer.rows.values.dtype.name for layer in kept} == {
        "point.weight": "float32",
        "other.weight": "float32",
        "fc.weight": "int8",
        "head.weight": "float32",
    }


def test_layers_with_few_zeros_stay(kept: list[sparse_layer.Layer]) -> None:
    with pytest.raises(GraphError, match="no layer has many zeros"):
        Session(sparse(Branches(), zeros=0.3), choice=Choice("laconic"))
    assert not kept


def test_layers_that_are_not_faster_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition, "is_faster", lambda *_: False)
    with pytest.raises(GraphError, match="none is faster"):
        Session(sparse(Branches()), choice=Choice("laconic"))


def test_who_is_faster_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock that the sparse kernel makes run slow, and then fast."""
    monkeypatch.undo()
    now = [0.0]
    monkeypatch.setattr(latency.time, "perf_counter", lambda: now[0])
    cost = {"rows": 2.0}

    def slow(self: sparse_layer.Layer, x: np.ndarray) -> np.ndarray:
        now[0] += cost["rows"]
        return np.zeros(1)

    monkeypatch.setattr(sparse_layer.Layer, "__call__", slow)
    node = onnx.helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)
    layer = sparse_layer.Layer(Linear((node,), "w"), Rows.of(np.ones((2, 3), np.float32)), np.zeros(2, np.float32))
    ends = [onnx.helper.make_tensor_value_info(name, 1, ["n", side]) for name, side in (("x", 3), ("y", 2))]
    whole = Whole(onnx.helper.make_model(onnx.helper.make_graph([node], "g", ends[:1], ends[1:])), 1)
    monkeypatch.setattr(whole, "engine", lambda *_: lambda _: now.__setitem__(0, now[0] + 1.0))
    assert not sparse_layer.is_faster(layer, whole, 1)
    cost["rows"] = 0.5
    assert sparse_layer.is_faster(layer, whole, 1)


@pytest.fixture
def multiplied(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The weights that our kernels multiply by, one after the other."""
    found: list[str] = []
    call = sparse_layer.Layer.__call__

    def noted(layer: sparse_layer.Layer, x: np.ndarray) -> np.ndarray:
        found.append(layer.linear.weight)
        return call(layer, x)

    monkeypatch.setattr(sparse_layer.Layer, "__call__", noted)
    return found


def test_every_batch_gets_the_kernels_that_win_at_its_size(multiplied: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A larger one does more with a weight that it has read, which is what sparse rows save."""
    raced: list[int] = []

    def noted(layer: sparse_layer.Layer, whole: Whole, samples: int = 1) -> bool:
        raced.append(samples)
        return samples < 8 or (samples == 16 and layer.linear.weight == "fc.weight")

    monkeypatch.setattr(partition, "is_faster", noted)
    artifact = sparse(Branches())
    whole, session = Session(artifact), Session(artifact, choice=Choice("laconic"))
    ours: dict[int, set[str]] = {}
    for batch in (1, 3, 15, 40, 400, 2, 13, 33, 1):
        x = np.random.default_rng(batch).standard_normal((batch, *SAMPLE)).astype(np.float32)
        multiplied.clear()
        outputs, wanted = session(x), whole(x)
        np.testing.assert_allclose(outputs, wanted, atol=1e-4 * np.abs(wanted).max())
        ours[batch] = set(multiplied)
    points = {"point.weight", "other.weight"}  # whose 64 places tell with one sample
    assert ours[1] == ours[2] == ours[3] == {*points, "fc.weight", "head.weight"}
    assert ours[13] == ours[15] == {*points, "fc.weight"}
    assert ours[33] == ours[40] == ours[400] == points
    assert sorted(raced) == [1] * 5 + [2] * 3 + [4] * 3 + [16] * 3 + [64] * 3, "once each; the head is read twice"


def test_a_batch_at_which_no_kernel_wins_is_the_engine_s(multiplied: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition, "is_faster", lambda layer, whole, samples=1: samples == 1)
    artifact = dense(pruned(Sequence()), PLACES)
    session = Session(artifact, choice=Choice("laconic"))
    x = np.random.default_rng(0).standard_normal((32, *PLACES)).astype(np.float32)
    np.testing.assert_allclose(session(x), Session(artifact)(x), atol=1e-4)
    assert not multiplied
    session(x[:1])
    assert len(multiplied) == 3


@pytest.mark.parametrize(
    ("sides", "axis", "batch", "wanted"),
    [
        ((128,), -1, 0, 1),
        ((128,), -1, 1, 1),
        ((128,), -1, 5, 8),
        ((128,), -1, 1000, 64),
        ((6, 128), -1, 5, 8),
        ((6, 128), -1, 32, 10),
        ((100, 128), -1, 32, 1),
        ((128, 4, 4), 1, 32, 4),
        ((128, 8, 8), 1, 32, 1),
    ],
)
def test_a_race_is_of_a_few_vectors(sides: tuple[int, ...], axis: int, batch: int, wanted: int) -> None:
    assert sparse_layer.enough(sides, axis, batch) == wanted


def test_threads_may_share_the_pieces() -> None:
    artifact = sparse(Branches())
    session = Session(artifact, choice=Choice("laconic"))
    inputs = [np.random.default_rng(batch).standard_normal((batch, *SAMPLE)).astype(np.float32) for batch in (1, 2, 9, 40) * 4]
    alone = [session(x) for x in inputs]
    session = Session(artifact, choice=Choice("laconic"))
    with ThreadPoolExecutor(4) as pool:
        for ours, theirs in zip(pool.map(session, inputs), alone, strict=True):
            np.testing.assert_array_equal(ours, theirs)


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
