"""ONNX files become artifacts: every weight with its bits, a graph that runs as the file did, or the reason why there is none."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from laconic.artifact import Artifact, pack, unpack
from laconic.base.errors import UsageError
from laconic.forms.form import bits
from laconic.graph.reading import artifact_of_onnx, read_onnx
from laconic.graph.reading.arithmetic import RULES, compute
from laconic.runtime import Session, to_onnx

Array = np.ndarray


def packed(path: Path, shape: tuple[int, ...] | None = None) -> Artifact:
    """The artifact, after it went through bytes."""
    return unpack(pack(artifact_of_onnx(path, shape, None, None)))


def engine(model: Path | bytes) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])


def assert_same(path: Path, artifact: Artifact, shape: tuple[int, ...], batch: int = 3) -> None:
    """The session, and what export gives back, compute what the file did, output by output."""
    inputs = np.random.Generator(np.random.PCG64(0)).normal(size=(batch, *shape)).astype(np.float32)
    before, after = engine(path), engine(to_onnx(artifact))
    (sample,) = before.get_inputs()
    given = inputs.astype(np.float16) if "float16" in sample.type else inputs
    wanted = before.run(None, {sample.name: given})
    np.testing.assert_allclose(Session(artifact)(inputs), wanted[0], rtol=1e-5, atol=1e-5)
    for ours, theirs in zip(after.run(None, {sample.name: given}), wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def saved(folder: Path, text: str, *tensors: onnx.TensorProto, opset: int = 20, header: str = "") -> Path:
    """A model in ONNX's own notation, with these weights."""
    model = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : {opset}{header}]> {text}')
    model.graph.initializer.extend(tensors)
    onnx.save(model, folder / "m.onnx")
    return folder / "m.onnx"


def floats(name: str, *shape: int, dtype: Any = np.float32) -> onnx.TensorProto:
    return onnx.numpy_helper.from_array(np.random.Generator(np.random.PCG64(7)).normal(size=shape).astype(dtype), name)


DTYPES = {
    "float32": (np.float32, "float32"),
    "float16": (np.float16, "float16"),
    "bfloat16": (ml_dtypes.bfloat16, "bfloat16"),
    "int8": (np.int8, "int8"),
    "uint8": (np.uint8, "uint8"),
    "int32": (np.int32, "int32"),
    "float64": (np.float64, "float64"),
    "int4": (ml_dtypes.int4, "int8"),
    "uint4": (ml_dtypes.uint4, "uint8"),
    "uint16": (np.uint16, "int32"),
    "float8": (ml_dtypes.float8_e4m3fn, "float16"),
}


@pytest.mark.parametrize("name", DTYPES)
def test_every_type_keeps_its_name_and_its_bits(tmp_path: Path, name: str) -> None:
    """Those that a file does not hold are held by the next wider type, and cast back in the graph."""
    dtype, held = DTYPES[name]
    values = np.random.Generator(np.random.PCG64(0)).integers(0, 8, (4, 20)).astype(dtype)
    path = saved(
        tmp_path, "g (float[n, 20] x) => (float[n, 20] y) { f = Cast <to = 1> (w) r = ReduceSum <keepdims = 0> (f) y = Mul (x, r) }"
    )
    model = onnx.load(path)
    model.opset_import[0].version = 21
    model.graph.initializer.append(onnx.numpy_helper.from_array(values, "w"))
    onnx.save(model, path)
    artifact = packed(path)
    found = artifact.tensors["w"]
    assert artifact.graph is not None, artifact.notes.reason
    assert found.dtype.name == held
    assert np.array_equal(bits(found.array().astype(dtype)), bits(values))
    x = np.ones((2, 20), np.float32)
    np.testing.assert_allclose(Session(artifact)(x), x * values.astype(np.float32).sum(), rtol=1e-6)


def test_weights_of_4_bits_run_as_they_did(four_bits: Path) -> None:
    artifact = packed(four_bits)
    assert {name: form.dtype.name for name, form in artifact.tensors.items()} == {
        "a": "int8", "a_scale": "float32", "b": "uint8", "b_scale": "float32", "b_zero": "uint8"
    }  # fmt: skip
    assert_same(four_bits, artifact, (16,))


def test_a_network_quantised_by_others_keeps_its_integers(quantised: Path) -> None:
    artifact = packed(quantised)
    kept = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(quantised).graph.initializer}
    assert sum(form.dtype == np.int8 for form in artifact.tensors.values()) >= 5
    for name, form in artifact.tensors.items():
        assert np.array_equal(bits(form.array()), bits(kept[name]))
    assert_same(quantised, artifact, (3, 8, 8))


@pytest.mark.parametrize("writer", ["dynamo", "torchscript", "torchscript for one sample", "torchscript of old"])
@pytest.mark.parametrize("network", ["convolutional", "vision transformer", "lstm", "upsampling"])
def test_networks_run_as_their_files_do(written: Callable[[str, str], Path], network: str, writer: str) -> None:
    path = written(network, writer)
    artifact = packed(path)
    assert artifact.graph is not None, artifact.notes.reason
    shape = tuple(side.dim_value for side in onnx.load(path).graph.input[0].type.tensor_type.shape.dim[1:])
    assert_same(path, artifact, shape, batch=1)


@pytest.mark.parametrize("network", ["convolutional", "gru"])
def test_a_batch_that_was_written_into_the_shapes_is_free_where_that_is_safe(written: Callable[[str, str], Path], network: str) -> None:
    path = written(network, "torchscript for one sample")
    session = Session(packed(path))
    batch = np.random.Generator(np.random.PCG64(0)).normal(size=(3, *session.sample_shape)).astype(np.float32)
    alone = np.concatenate([engine(path).run(None, {"in0": row[None]})[0] for row in batch])
    np.testing.assert_allclose(session(batch), alone, rtol=1e-5, atol=1e-5)


def test_a_batch_that_the_graph_computes_with_stays(tmp_path: Path) -> None:
    """Here each sample is compared with the others of its batch."""
    path = saved(tmp_path, "g (float[2, 4] x) => (float[2, 4] y) { m = ReduceMean <keepdims = 1> (x, a) y = Sub (x, m) }", AXIS)
    artifact = packed(path)
    (sample,) = onnx.load_from_string(artifact.graph or b"").graph.input
    assert sample.type.tensor_type.shape.dim[0].dim_value == 2
    assert_same(path, artifact, (4,), batch=2)


AXIS = onnx.numpy_helper.from_array(np.array([0], np.int64), "a")
SHAPE = onnx.numpy_helper.from_array(np.array([0, 2, -1], np.int64), "s")


def test_what_shapes_depend_on_stays_in_the_graph(tmp_path: Path) -> None:
    text = """g (float[n, 4, 6] x) => (float[n, 2, m] y) {
        shape = Shape (x) last = Gather (shape, place) twice = Mul (last, two) both = Concat <axis = 0> (zero, two, twice)
        r = Reshape (x, both) y = Add (r, w)
    }"""
    numbers = [onnx.numpy_helper.from_array(np.array(v, np.int64), n) for n, v in {"place": [1], "two": [2], "zero": [0]}.items()]
    artifact = packed(
        saved(tmp_path, text.replace("twice", "half").replace("Mul (last, two)", "Mul (last, three)"), *numbers, THREE, floats("w", 12))
    )
    assert list(artifact.tensors) == ["w"]
    assert_same(tmp_path / "m.onnx", artifact, (4, 6))


THREE = onnx.numpy_helper.from_array(np.array([3], np.int64), "three")


def test_weights_beside_the_file(tmp_path: Path) -> None:
    path = saved(tmp_path, "g (float[n, 30] x) => (float[n, 40] y) { y = MatMul (x, w) }", floats("w", 30, 40))
    onnx.save(onnx.load(path), path, save_as_external_data=True, size_threshold=0, location="w.bin")
    assert_same(path, packed(path), (30,))


def test_functions_of_the_files_own(tmp_path: Path) -> None:
    model = onnx.parser.parse_model(
        """<ir_version: 10, opset_import: ["" : 18, "own" : 1]>
        g (float[n, 3] x) => (float[n, 3] y) { h = own.Twice (x) y = own.Twice (h) }
        <domain: "own", opset_import: ["" : 18]> Twice (a) => (b) { b = Add (a, a) }"""
    )
    onnx.save(model, tmp_path / "m.onnx")
    assert_same(tmp_path / "m.onnx", packed(tmp_path / "m.onnx"), (3,))


def test_several_outputs_are_kept(tmp_path: Path) -> None:
    path = saved(tmp_path, "g (float[n, 3] x) => (float[n, 4] y, float[n, 3] z) { y = MatMul (x, w) z = Tanh (x) }", floats("w", 3, 4))
    artifact = packed(path)
    assert [value.name for value in onnx.load_from_string(artifact.graph or b"").graph.output] == ["y", "z"]
    assert_same(path, artifact, (3,))


def test_weights_in_constant_nodes_are_weights(tmp_path: Path) -> None:
    path = saved(
        tmp_path, "g (float[n, 3] x) => (float[n, 2] y) { w = Constant <value = float[3, 2] {1, 2, 3, 4, 5, 6}> () y = MatMul (x, w) }"
    )
    artifact = packed(path)
    np.testing.assert_array_equal(artifact.tensors["w"].array(), np.float32([[1, 2], [3, 4], [5, 6]]))
    assert_same(path, artifact, (3,))


def test_a_side_that_is_open_is_said(tmp_path: Path) -> None:
    path = saved(tmp_path, "g (float[n, 3, h, w] x) => (float[n, 4, a, b] y) { y = Conv (x, k) }", floats("k", 4, 3, 3, 3))
    assert "sizes are known" in packed(path).notes.reason
    assert Session(packed(path, (3, 9, 8))).sample_shape == (3, 9, 8)
    with pytest.raises(UsageError, match=r"samples of shape 3x\?x\?, not 4x9x8"):
        packed(path, (4, 9, 8))


WITHOUT = {
    "two inputs": ("g (float[n, 3] x, float[n, 3] z) => (float[n, 4] y) { s = Add (x, z) y = MatMul (s, w) }", "one input beside"),
    "truths": ("g (bool[n, 3] x) => (float[n, 4] y) { f = Cast <to = 1> (x) y = MatMul (f, w) }", "floating-point samples"),
    "a loop": (
        "g (float[n, 3] x, int64 k, bool c) => (float[n, 3] y) { y = Loop (k, c, x) <body = b (int64 i, bool d, float[n, 3] v) => "
        "(bool e, float[n, 3] u) { e = Identity (d) u = Relu (v) }> m = MatMul (x, w) }",
        "control flow (Loop)",
    ),
    "an operator that is not allowed": (
        "g (float[n, 3] x) => (float[n, 4] y) { r = Bernoulli (x) y = MatMul (r, w) }",
        "Bernoulli is not allowed",
    ),
    "shapes that contradict": ("g (float[n, 5] x) => (float[n, 4] y) { y = MatMul (x, w) }", "contradict"),
    "a shape of data": (
        "g (float[n, 3] x) => (float[a, 4] y) { i = NonZero (x) f = Cast <to = 1> (i) t = Transpose (f) y = MatMul (t, w) }",
        "not allowed",
    ),
}


@pytest.mark.parametrize("name", WITHOUT)
def test_without_a_graph_all_weights_are_kept_with_the_reason(tmp_path: Path, name: str) -> None:
    text, words = WITHOUT[name]
    unused = onnx.numpy_helper.from_array(np.array(2.0, np.float32), "scalar")
    artifact = packed(saved(tmp_path, text, floats("w", 3, 4), unused))
    assert artifact.graph is None
    assert words in artifact.notes.reason
    assert str(tmp_path) not in artifact.notes.reason
    assert set(artifact.tensors) == {"w", "scalar"}


def test_a_domain_of_a_strangers_is_kept_out(tmp_path: Path) -> None:
    path = saved(tmp_path, "g (float[n, 3] x) => (float[n, 3] y) { y = com.acme.Magic (x) }", floats("w", 3, 4), header=', "com.acme" : 1')
    assert "com.acme" in packed(path).notes.reason


def test_weights_that_the_graph_does_not_read_are_kept(tmp_path: Path) -> None:
    path = saved(tmp_path, "g (float[n, 3] x) => (float[n, 4] y) { y = MatMul (x, w) }", floats("w", 3, 4), floats("idle", 5, 5))
    artifact = packed(path)
    assert set(artifact.tensors) == {"w", "idle"}
    assert_same(path, artifact, (3,))


def test_initializers_that_are_inputs_as_well_are_no_inputs(tmp_path: Path) -> None:
    """So older files have them."""
    path = saved(tmp_path, "g (float[n, 3] x, float[3, 4] w) => (float[n, 4] y) { y = MatMul (x, w) }", floats("w", 3, 4))
    assert [value.name for value in read_onnx(path).samples] == ["x"]


def test_the_same_file_gives_the_same_bytes(tmp_path: Path) -> None:
    path = saved(tmp_path, "g (float[n, 3] x) => (float[n, 4] y) { m = MatMul (x, w) y = Relu (m) }", floats("w", 3, 4))
    assert pack(artifact_of_onnx(path, None, None, None)) == pack(artifact_of_onnx(path, None, None, None))


def test_the_graph_says_nothing_that_does_not_compute(tmp_path: Path) -> None:
    text = "secret (float[n, 3] x) => (float[n, 4] y) { long_name = MatMul (x, w) y = Relu (long_name) }"
    path = saved(tmp_path, text, floats("w", 3, 4))
    model = onnx.load(path)
    model.producer_name, model.doc_string, model.graph.node[0].name = "acme", "made at home", "layer/one"
    onnx.save(model, path)
    graph = artifact_of_onnx(path, None, None, None).graph or b""
    assert not any(word in graph for word in (b"secret", b"long_name", b"acme", b"home", b"layer"))


ARITHMETIC: dict[str, tuple[list[Array], dict[str, Any]]] = {
    "Div": ([np.array([7, -7, 9]), np.array([2, 2, -4])], {}),
    "Mod": ([np.array([7, -7, 9]), np.array([2, 2, -4])], {}),
    "Slice": ([np.arange(6), np.array([-1]), np.array([-9]), np.array([0]), np.array([-2])], {}),
    "Gather": ([np.arange(6), np.array([[1, -1]])], {}),
    "Split": ([np.arange(6), np.array([1, 5])], {"axis": 0}),
    "ReduceProd": ([np.arange(1, 6), np.array([0])], {"keepdims": 0}),
    "ConstantOfShape": ([np.array([2, 3])], {"value": np.array([7], np.int64)}),
    "Range": ([np.array(1), np.array(9), np.array(3)], {}),
    "Reshape": ([np.arange(6), np.array([2, -1])], {}),
    "Unsqueeze": ([np.arange(3), np.array([0, -1])], {}),
    "Squeeze": ([np.arange(3)[None], np.array([0])], {}),
    "Transpose": ([np.arange(6).reshape(2, 3)], {"perm": [1, 0]}),
    "Concat": ([np.arange(2), np.arange(3)], {"axis": 0}),
    "Where": ([np.array([True, False]), np.array([1, 2]), np.array([3, 4])], {}),
    "Cast": ([np.array([1.7, -1.7])], {"to": TensorProto.INT64}),
    "Expand": ([np.array([[1], [2]]), np.array([1, 3])], {}),
    "Tile": ([np.arange(2), np.array([2])], {}),
    "Max": ([np.array([1, 5]), np.array([3, 2]), np.array([2, 2])], {}),
    "Ceil": ([np.float32([1.2])], {}),
}


@pytest.mark.parametrize("name", ARITHMETIC)
def test_shape_arithmetic_is_that_of_onnx(name: str) -> None:
    inputs, said = ARITHMETIC[name]
    names = [f"i{place}" for place in range(len(inputs))]
    outputs = [f"o{place}" for place in range(2 if name == "Split" else 1)]
    shown = {k: helper.make_tensor("v", TensorProto.INT64, [1], v) if isinstance(v, np.ndarray) else v for k, v in said.items()}
    node = helper.make_node(name, names, outputs, **shown)
    wanted = onnx.reference.ReferenceEvaluator(node).run(None, dict(zip(names, inputs, strict=True)))
    found = compute(name, inputs, said)
    assert found is not None
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


def test_nothing_larger_than_a_shape_is_computed() -> None:
    big = [np.array([1 << 40, 1 << 40])]
    assert compute("ConstantOfShape", big, {}) is None
    assert compute("Expand", [np.array(1), *big], {}) is None
    assert compute("Tile", [np.arange(4), np.array([1 << 40])], {}) is None
    assert compute("Range", [np.array(0), np.array(1 << 40), np.array(1)], {}) is None
    assert "Conv" not in RULES
