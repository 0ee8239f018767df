"""Weights on a grid become the integers that they are, where their layer's input is one; the outputs stay."""

import re

import numpy as np
import onnx
import onnxruntime
import pytest

from laconic.artifact import Artifact
from laconic.forms import Dense, Form, Grid
from laconic.runtime import Session, integers, to_onnx
from laconic.runtime.assemble import assemble
from laconic.runtime.integers import with_integers

SCALE = 0.05
INTEGER_OPERATORS = {"QLinearConv", "QGemm", "MatMulIntegerToFloat", "QLinearMatMul"}
Tensors = dict[str, Form]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def grid(*shape: int, most: int = 63, steps: int | None = None, seed: int = 0) -> Grid:
    """A weight with a step for each row, or so many steps."""
    table = (0.001 + 0.01 * rng(seed).random(shape[0] if steps is None else steps)).astype(np.float32)
    found = rng(seed).integers(-most, most + 1, shape)
    found.reshape(-1)[0] = most
    return Grid(shape, found, table)


def bias(size: int) -> Dense:
    return Dense.of(rng(9).normal(size=size).astype(np.float32))


def rounded(value: str, scale: float = SCALE, zero_point: int = 7) -> str:
    """Lines that round `value`, as `value_`."""
    return f"""
        {value}_s = Constant <value = float {{{scale}}}> ()
        {value}_z = Constant <value = uint8 {{{zero_point}}}> ()
        {value}_q = QuantizeLinear ({value}, {value}_s, {value}_z)
        {value}_ = DequantizeLinear ({value}_q, {value}_s, {value}_z)
    """


def model_of(body: str, tensors: Tensors, given: str = "n, 4", made: str = "n, m") -> onnx.ModelProto:
    """A whole model: these weights as initializers, constants too, as the exporter has them."""
    text = f'<ir_version: 10, opset_import: ["" : 20]> g (float[{given}] x) => (float[{made}] y) {{ {body} }}'
    model = onnx.parser.parse_model(text)
    for node in [node for node in model.graph.node if node.op_type == "Constant"]:
        constant = node.attribute[0].t
        constant.name = node.output[0]
        model.graph.initializer.append(constant)
        model.graph.node.remove(node)
    model.graph.initializer.extend(onnx.numpy_helper.from_array(form.array(), name) for name, form in tensors.items())
    return model


def lowered(model: onnx.ModelProto, tensors: Tensors, here: bool = False) -> onnx.ModelProto:
    found = onnx.ModelProto()
    found.CopyFrom(model)
    with_integers(found, tensors, here=here)
    onnx.checker.check_model(found, full_check=True)
    return found


def run(model: onnx.ModelProto, x: np.ndarray, optimised: bool = True) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimised else level.ORT_DISABLE_ALL
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    outputs: np.ndarray = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"]).run(None, {"x": x})[0]
    return outputs


def constants(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}


def behind(model: onnx.ModelProto, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Integers, steps, zero points and axis of the DequantizeLinear that makes a value."""
    (node,) = (node for node in model.graph.node if name in node.output)
    assert node.op_type == "DequantizeLinear"
    known = constants(model)
    return *(known[part] for part in node.input), node.attribute[0].i  # type: ignore[return-value]


def layers(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    return [node for node in model.graph.node if node.op_type in integers.LAYERS]


CASES: dict[str, tuple[str, Tensors, str, int]] = {
    "convolution": (
        rounded("x") + "y = Conv <pads = [1, 1, 1, 1]> (x_, w, b)",
        {"w": grid(6, 3, 3, 3), "b": bias(6)},
        "n, 3, 5, 5",
        0,
    ),
    "convolution by groups": (rounded("x") + "y = Conv <group = 2> (x_, w)", {"w": grid(6, 2, 3, 3)}, "n, 4, 5, 5", 0),
    "convolution along a line": (rounded("x") + "y = Conv (x_, w, b)", {"w": grid(6, 3, 3), "b": bias(6)}, "n, 3, 9", 0),
    "convolution with one step": (rounded("x") + "y = Conv (x_, w, b)", {"w": grid(6, 3, 3, 3, steps=1), "b": bias(6)}, "n, 3, 5, 5", 0),
    "convolution with a step for two rows": (rounded("x") + "y = Conv (x_, w)", {"w": grid(6, 3, 3, 3, steps=3)}, "n, 3, 5, 5", 0),
    "linear": (rounded("x") + "y = Gemm <transB = 1> (x_, w, b)", {"w": grid(5, 4), "b": bias(5)}, "n, 4", 0),
    "linear, not transposed": (rounded("x") + "y = Gemm (x_, w, b)", {"w": grid(4, 5, steps=1), "b": bias(5)}, "n, 4", 1),
    "linear on sequences": (
        rounded("x") + "t = Transpose <perm = [1, 0]> (w) z = MatMul (x_, t) y = Add (z, b)",
        {"w": grid(5, 4), "b": bias(5)},
        "n, 3, 4",
        1,
    ),
    "product": (rounded("x") + "y = MatMul (x_, w)", {"w": grid(4, 5, steps=1)}, "n, 3, 4", 1),
}


def case(name: str) -> tuple[onnx.ModelProto, Tensors, np.ndarray, int]:
    body, tensors, given, axis = CASES[name]
    shape = [int(side) for side in given.split(",")[1:]]
    made = ", ".join(["n", *"abc"[: len(shape)]])
    made = made.replace(", b, c", ", b") if name == "linear on sequences" else made
    return model_of(body, tensors, given, made), tensors, (3 * rng().normal(size=(7, *shape))).astype(np.float32), axis


@pytest.mark.parametrize("name", CASES)
def test_weights_are_integers_behind_their_steps(name: str) -> None:
    model, tensors, _, axis = case(name)
    found = lowered(model, tensors)
    (layer,) = layers(found)
    values, steps, zeros, along = behind(found, layer.input[1])
    form = tensors["w"]
    assert (values.dtype, zeros.dtype, steps.dtype, along) == (np.int8, np.int8, np.float32, axis)
    assert not zeros.any()
    assert steps.shape == zeros.shape == (values.shape[axis],)
    wide = steps.reshape(*[-1 if place == axis else 1 for place in range(values.ndim)])
    expected = form.array().T if name == "linear on sequences" else form.array()
    np.testing.assert_array_equal(values.astype(np.float32) * wide, expected)
    assert "w" not in constants(found)
    assert not any(node.op_type == "Transpose" for node in found.graph.node)


@pytest.mark.parametrize("name", [name for name, (_, tensors, *_) in CASES.items() if "b" in tensors])
def test_biases_are_integers_whose_step_is_that_of_the_products(name: str) -> None:
    model, tensors, _, _ = case(name)
    found = lowered(model, tensors)
    (layer,) = layers(found)
    if layer.op_type == "MatMul":  # it has none: the sum behind it stays
        assert "b" in constants(found)
        return
    values, steps, zeros, along = behind(found, layer.input[2])
    assert (values.dtype, zeros.dtype, along) == (np.int32, np.int32, 0)
    np.testing.assert_allclose(steps, SCALE * behind(found, layer.input[1])[1], rtol=1e-6)
    np.testing.assert_allclose(values * steps.astype(np.float64), tensors["b"].array(), rtol=0, atol=0.51 * steps.max())
    assert "b" not in constants(found)


@pytest.mark.parametrize("name", CASES)
def test_outputs_are_those_of_the_floating_point_model(name: str) -> None:
    model, tensors, x, _ = case(name)
    expected = run(model, x, optimised=False)
    found = lowered(model, tensors)
    slack = SCALE * tensors["w"].table.max()
    for optimised in (False, True):
        np.testing.assert_allclose(run(found, x, optimised), expected, rtol=1e-5, atol=slack)


@pytest.mark.parametrize("name", ["convolution", "linear", "linear on sequences"])
def test_the_engine_multiplies_integers(name: str, tmp_path: str) -> None:
    """Between rounded values, a layer is one node of the engine's that takes integers."""
    body, tensors, given, _ = CASES[name]
    if name == "convolution":
        body = body.replace("y = Conv", "z = Conv") + rounded("z") + "y = Relu (z_)"
    model = lowered(model_of(body, tensors, given, ", ".join(["n", *"abc"[: given.count(",")]])), tensors)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath, options.log_severity_level = f"{tmp_path}/optimised.onnx", 4
    onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    assert {node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node} & INTEGER_OPERATORS


LINEAR = rounded("x") + "y = Gemm <transB = 1> (x_, w, b)"


@pytest.mark.parametrize("exactly", [True, False])
@pytest.mark.parametrize("here", [True, False])
@pytest.mark.parametrize("most", [64, 65, 127])
def test_large_weights_are_unsigned_where_the_processor_would_saturate(
    exactly: bool, here: bool, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(integers, "multiplies_exactly", lambda: exactly)
    tensors: Tensors = {"w": grid(5, 4, most=most), "b": bias(5)}
    model = model_of(LINEAR, tensors)
    found = lowered(model, tensors, here)
    values, steps, zeros, _ = behind(found, layers(found)[0].input[1])
    moved = here and not exactly and most > 64
    assert values.dtype == zeros.dtype == (np.uint8 if moved else np.int8)
    assert set(zeros.tolist()) == {128 if moved else 0}
    np.testing.assert_array_equal((values.astype(np.float32) - zeros[:, None]) * steps[:, None], tensors["w"].array())
    x = rng().normal(size=(9, 4)).astype(np.float32)
    np.testing.assert_allclose(run(found, x, optimised=False), run(model, x, optimised=False), rtol=1e-5, atol=SCALE * steps.max())


def test_a_processor_is_known_by_what_it_says(monkeypatch: pytest.MonkeyPatch, tmp_path: str) -> None:
    def says(machine: str, flags: str | None) -> bool:
        monkeypatch.setattr(integers.platform, "machine", lambda: machine)
        path = integers.Path(tmp_path) / "cpuinfo"
        path.unlink(missing_ok=True)
        if flags is not None:
            path.write_text(f"flags\t: fpu sse {flags} avx2\n")
        monkeypatch.setattr(integers, "CPUINFO", path)
        integers.multiplies_exactly.cache_clear()
        return integers.multiplies_exactly()

    try:
        assert says("x86_64", "avx512_vnni")
        assert says("AMD64", "avx_vnni")
        assert not says("x86_64", "avx512f")
        assert not says("x86_64", None)
        assert says("aarch64", None)
    finally:
        integers.multiplies_exactly.cache_clear()


def test_nothing_saturates_in_a_session() -> None:
    """All activations 255 and all weights 127: the sum of two such products is more than 16 bits hold, and AVX2 would cut it off."""
    for text, shape, given in (
        ("y = Gemm <transB = 1> (x_, w)", (3, 64), "n, 64"),
        ("y = Conv (x_, w)", (3, 16, 2, 2), "n, 16, 2, 2"),
        ("t = Transpose <perm = [1, 0]> (w) y = MatMul (x_, t)", (3, 64), "n, 2, 64"),
    ):
        body = re.sub(r"\by\b", "z", text) + rounded("z", 255 * 127 * 64 / 250, 0) + "y = Relu (z_)"
        tensors: Tensors = {"w": Grid(shape, np.full(shape, 127), np.ones(shape[0], np.float32))}
        graph = model_of(rounded("x", 1.0, 0) + body, {}, given, ", ".join(["n", *"abc"[: given.count(",")]]))
        sides = ", ".join(map(str, shape))
        graph.graph.input.extend(onnx.parser.parse_graph(f"g (float[{sides}] w) => () {{}}").input)
        session = Session(Artifact(tensors, graph.SerializeToString()))
        outputs = session(np.full((2, *map(int, given.split(",")[1:])), 255, np.float32))
        np.testing.assert_allclose(outputs, 255 * 127 * 64, rtol=0.005)


STAYS: dict[str, tuple[str, Tensors, str]] = {
    "a weight that is on no grid": (LINEAR, {"w": Dense.of(np.ones((5, 4), np.float32)), "b": bias(5)}, "n, 4"),
    "a weight of nine bits": (LINEAR, {"w": grid(5, 4, most=128), "b": bias(5)}, "n, 4"),
    "several steps a row": (LINEAR, {"w": grid(5, 4, steps=10), "b": bias(5)}, "n, 4"),
    "several steps a row of a convolution": (rounded("x") + "y = Conv (x_, w)", {"w": grid(6, 3, 3, 3, steps=18)}, "n, 3, 5, 5"),
    "steps that do not share out the rows": (LINEAR, {"w": grid(6, 4, steps=4), "b": bias(6)}, "n, 4"),
    "rows that are not the outputs": (rounded("x") + "y = Gemm (x_, w)", {"w": grid(4, 5)}, "n, 4"),
    "rows of a product that are not the outputs": (rounded("x") + "y = MatMul (x_, w)", {"w": grid(4, 5)}, "n, 4"),
    "a weight of more axes": (rounded("x") + "y = MatMul (x_, w)", {"w": grid(2, 4, 5, steps=1)}, "n, 2, 3, 4"),
    "another type": (LINEAR, {"w": Grid((5, 4), grid(5, 4).integers, np.ones(5)), "b": bias(5)}, "n, 4"),
    "an input that is not rounded": ("y = Gemm <transB = 1> (x, w, b)", {"w": grid(5, 4), "b": bias(5)}, "n, 4"),
    "an input that something was done to": (
        rounded("x") + "z = Sigmoid (x_) y = Gemm <transB = 1> (z, w, b)",
        {"w": grid(5, 4), "b": bias(5)},
        "n, 4",
    ),
    "an input that only looks rounded": (
        "s = Constant <value = float {0.1}> () q = Cast <to = 2> (x) z = DequantizeLinear (q, s) y = Gemm <transB = 1> (z, w, b)",
        {"w": grid(5, 4), "b": bias(5)},
        "n, 4",
    ),
    "a step of zero": (LINEAR, {"w": Grid((5, 4), grid(5, 4).integers, np.float32([0.1, 0, 0.1, 0.1, 0.1])), "b": bias(5)}, "n, 4"),
    "a step below zero": (LINEAR, {"w": Grid((5, 4), grid(5, 4).integers, np.float32([0.1, -1, 0.1, 0.1, 0.1])), "b": bias(5)}, "n, 4"),
    "a bias that no integer reaches": (
        rounded("x", 1e-6, 0) + "y = Gemm <transB = 1> (x_, w, b)",
        {"w": Grid((5, 4), grid(5, 4).integers, np.full(5, 1e-6, np.float32)), "b": bias(5)},
        "n, 4",
    ),
}


@pytest.mark.parametrize("name", STAYS)
def test_what_no_integer_kernel_takes_stays(name: str) -> None:
    body, tensors, given = STAYS[name]
    text = model_of(body, tensors, given, ", ".join(["n", *"abcd"[: given.count(",")]]))
    if name == "another type":
        text.graph.initializer[-2].CopyFrom(onnx.numpy_helper.from_array(tensors["w"].array().astype(np.float32), "w"))
    found = onnx.ModelProto()
    found.CopyFrom(text)
    with_integers(found, tensors, here=False)
    assert found.graph.node == text.graph.node
    assert constants(found).keys() == constants(text).keys()


def test_a_row_of_zeros_keeps_its_bias() -> None:
    """Its step is 1, which says nothing about how fine its bias must be."""
    integers_, table = np.asarray(grid(5, 4).integers).copy(), grid(5, 4).table.copy()
    integers_[2], table[2] = 0, 1
    tensors: Tensors = {"w": Grid((5, 4), integers_, table), "b": Dense.of(np.float32([0.3, -0.2, 0.3, 0.1, 9]))}
    model = model_of(rounded("x", 2.0, 100) + "y = Gemm <transB = 1> (x_, w, b)", tensors)
    x = 100 * rng().normal(size=(9, 4)).astype(np.float32)
    found = lowered(model, tensors)
    assert behind(found, layers(found)[0].input[1])[0].dtype == np.int8
    np.testing.assert_allclose(run(found, x)[:, 2], 0.3, rtol=1e-3)
    np.testing.assert_allclose(run(found, x), run(model, x, optimised=False), rtol=1e-5, atol=2 * 0.011)


def test_a_bias_for_all_outputs_at_once_stays() -> None:
    for shape in ((1,), (1, 5)):
        tensors: Tensors = {"w": grid(5, 4), "b": Dense.of(np.full(shape, 0.7, np.float32))}
        model = model_of(LINEAR, tensors)
        found = lowered(model, tensors)
        assert list(layers(found)[0].input[1:]) == ["w.dequantized", "b"]
        x = rng().normal(size=(9, 4)).astype(np.float32)
        np.testing.assert_allclose(run(found, x), run(model, x, optimised=False), rtol=1e-4, atol=1e-4)


def test_a_bias_that_is_scaled_or_is_no_tensor_of_the_file_stays() -> None:
    for text, tensors in (
        ("y = Gemm <transB = 1, beta = 0.5> (x_, w, b)", {"w": grid(5, 4), "b": bias(5)}),
        ("y = Gemm <transB = 1, alpha = 2.0> (x_, w, b)", {"w": grid(5, 4), "b": bias(5)}),
        ("b = Constant <value = float[5] {1.0, 2.0, 3.0, 4.0, 5.0}> () y = Gemm <transB = 1> (x_, w, b)", {"w": grid(5, 4)}),
    ):
        model = model_of(rounded("x") + text, dict(tensors))
        found = lowered(model, dict(tensors))
        (layer,) = layers(found)
        assert layer.input[1] == "w.dequantized"
        assert layer.input[2] == "b"
        x = rng().normal(size=(9, 4)).astype(np.float32)
        np.testing.assert_allclose(run(found, x), run(model, x, optimised=False), rtol=1e-4, atol=1e-4)


def test_a_weight_that_is_used_twice_is_made_once_and_its_biases_for_each_input() -> None:
    tensors: Tensors = {"w": grid(4, 4), "b": bias(4)}
    body = rounded("x") + "z = Gemm <transB = 1> (x_, w, b)" + rounded("z", 0.5) + "y = Gemm <transB = 1> (z_, w, b)"
    model = model_of(body, tensors)
    found = lowered(model, tensors)
    one, other = layers(found)
    assert one.input[1] == other.input[1]
    assert one.input[2] != other.input[2]
    np.testing.assert_allclose(behind(found, other.input[2])[1], 10 * behind(found, one.input[2])[1], rtol=1e-6)
    x = rng().normal(size=(9, 4)).astype(np.float32)
    np.testing.assert_allclose(run(found, x, optimised=False), run(model, x, optimised=False), atol=0.5 * 0.011, rtol=1e-5)


def test_a_weight_that_is_used_both_ways_is_made_for_each() -> None:
    tensors: Tensors = {"w": grid(4, 4, steps=1)}
    body = rounded("x") + "t = Transpose <perm = [1, 0]> (w) u = MatMul (x_, t) v = MatMul (x_, w) y = Concat <axis = 1> (u, v)"
    model = model_of(body, tensors, made="n, 8")
    found = lowered(model, tensors)
    assert "w" not in constants(found)
    x = rng().normal(size=(9, 4)).astype(np.float32)
    np.testing.assert_allclose(run(found, x), run(model, x, optimised=False), atol=1e-4, rtol=1e-4)


def test_a_transpose_that_turns_nothing_is_left_alone() -> None:
    tensors: Tensors = {"w": grid(4, 4)}
    model = model_of(rounded("x") + "t = Transpose <perm = [0, 1]> (w) y = MatMul (x_, t)", tensors)
    assert lowered(model, tensors) == model


def test_a_weight_that_is_read_by_another_operator_too_is_still_there() -> None:
    tensors: Tensors = {"w": grid(4, 4)}
    model = model_of(rounded("x") + "z = Gemm <transB = 1> (x_, w) y = MatMul (z, w)", tensors)
    found = lowered(model, tensors)
    assert [layer.input[1] for layer in layers(found)] == ["w.dequantized", "w"]
    assert "w" in constants(found)


def test_names_that_are_taken_are_avoided() -> None:
    tensors: Tensors = {
        "w": grid(5, 4),
        "b": bias(5),
        "w.integers": Dense.of(np.ones(5, np.float32)),
        "w.dequantized": Dense.of(np.ones(5, np.float32)),
    }
    body = rounded("x") + 'z = Gemm <transB = 1> (x_, w, b) u = Mul (z, "w.integers") y = Mul (u, "w.dequantized")'
    model = model_of(body, tensors)
    found = lowered(model, tensors)
    names = [one.name for one in found.graph.initializer] + [name for node in found.graph.node for name in node.output]
    assert len(names) == len(set(names))
    x = rng().normal(size=(9, 4)).astype(np.float32)
    np.testing.assert_allclose(run(found, x, optimised=False), run(model, x, optimised=False), atol=1e-3, rtol=1e-5)


def test_what_others_read_of_a_model_that_has_nothing_to_lower_is_all_there() -> None:
    tensors: Tensors = {"w": Dense.of(np.ones((4, 5), np.float32))}
    model = model_of("y = MatMul (x, w)", tensors)
    assert lowered(model, tensors) == model


def test_a_session_is_for_this_machine_and_a_model_for_others_is_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integers, "multiplies_exactly", lambda: False)
    tensors: Tensors = {"w": grid(5, 4, most=127), "b": bias(5)}
    graph = model_of(LINEAR, {})
    graph.graph.input.extend(onnx.parser.parse_graph("g (float[5, 4] w, float[5] b) => () {}").input)
    artifact = Artifact(tensors, graph.SerializeToString())
    kinds = {constant.name: constant.data_type for constant in onnx.load_from_string(to_onnx(artifact)).graph.initializer}
    assert kinds["w.integers"] == onnx.TensorProto.INT8
    kinds = {constant.name: constant.data_type for constant in assemble(artifact, engine="onnxruntime").graph.initializer}
    assert kinds["w.integers"] == onnx.TensorProto.UINT8
    x = rng().normal(size=(9, 4)).astype(np.float32)
    np.testing.assert_allclose(Session(artifact)(x), run(assemble(artifact), x, optimised=False), atol=1e-3, rtol=1e-4)
