"""Graphs that attack: each is refused before an engine sees it, and what our own networks need is not."""

import tracemalloc
from collections.abc import Callable

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

from laconic.artifact import Artifact, Limits, validate
from laconic.base.errors import ArtifactError, GraphError, LimitError
from laconic.forms import Dense
from laconic.graph.export import export
from laconic.runtime import Session
from laconic.zoo import ZOO

Graph = Callable[..., bytes]
W = frozenset({"w"})
MIB = 1 << 20

BOMBS = {
    "ConstantOfShape": "s = Constant <value_ints = [450000000]> () big = ConstantOfShape (s) y = ReduceSum (big)",
    "ConstantOfShape, wrapping": "s = Constant <value_ints = [4294967296, 4294967296, 4]> () big = ConstantOfShape (s) y = ReduceSum (big)",
    "ConstantOfShape, in many": "s = Constant <value_ints = [40000000]> ()"
    + "".join(f" a{i} = ConstantOfShape (s) r{i} = ReduceSum (a{i})" for i in range(8))
    + " y = Sum (r0, r1, r2, r3, r4, r5, r6, r7)",
    "Expand": "s = Constant <value_ints = [100000, 1000, 4]> () big = Expand (x, s) y = ReduceSum (big)",
    "Tile": "s = Constant <value_ints = [10000, 100000]> () big = Tile (x, s) y = ReduceSum (big)",
    "Pad": "s = Constant <value_ints = [0, 1000000000, 0, 0]> () big = Pad (x, s) y = ReduceSum (big)",
    "Pad, wrapping": "s = Constant <value_ints = [0, 9223372036854775807, 0, 9223372036854775807]> () big = Pad (x, s) y = Neg (big)",
    "Range": "a = Constant <value_int = 0> () b = Constant <value_int = 1000000000> () c = Constant <value_int = 1> () y = Range (a, b, c)",
    "Range, of floats": "a = Constant <value_float = 0.0> () b = Constant <value_float = 1.0> () c = Constant <value_float = 1e-9> ()"
    " y = Range (a, b, c)",
    "Resize": "z = Constant <value_floats = [1e5, 1e5]> () none = Constant <value_floats = [0.0]> () y = Resize (x, , z)",
    "Resize, to sizes": "z = Constant <value_ints = [100000, 100000]> () y = Resize (x, , , z)",
    "Resize, out of range": "z = Constant <value_floats = [1e30, 1.0]> () y = Resize (x, , z)",
    "OneHot": "i = Constant <value_ints = [0]> () d = Constant <value_int = 1000000000> () v = Constant <value_floats = [0.0, 1.0]> ()"
    " y = OneHot (i, d, v)",
    "EyeLike": "s = Constant <value_ints = [20000, 20000]> () a = ConstantOfShape (s) y = EyeLike (a)",
    "outer product": "s = Constant <value_ints = [100000, 1]> () t = Constant <value_ints = [1, 100000]> ()"
    " a = ConstantOfShape (s) b = ConstantOfShape (t) y = MatMul (a, b)",
    "broadcast": "s = Constant <value_ints = [100000, 1]> () t = Constant <value_ints = [1, 100000]> ()"
    " a = ConstantOfShape (s) b = ConstantOfShape (t) y = Add (a, b)",
    "Concat, doubling": "a0 = Identity (x)" + "".join(f" a{i + 1} = Concat <axis = 1> (a{i}, a{i})" for i in range(60)) + " y = Neg (a60)",
    "Conv, padded": "s = Constant <value_ints = [1, 1, 1]> () k = ConstantOfShape (s) u = Constant <value_ints = [1]> ()"
    " z = Unsqueeze (x, u) y = Conv <pads = [1000000000, 1000000000]> (z, k)",
    "Conv, padded beyond": "s = Constant <value_ints = [1, 1, 1]> () k = ConstantOfShape (s) u = Constant <value_ints = [1]> ()"
    " z = Unsqueeze (x, u) y = Conv <pads = [9223372036854775807, 9223372036854775807]> (z, k)",
    "Einsum": "s = Constant <value_ints = [3000]> () a = ConstantOfShape (s) y = Einsum <equation = \"i,j,k->ijk\"> (a, a, a)",
    "axes, doubling": "i = Constant <value = int64[1, 1] {0}> () a0 = Identity (i)"
    + "".join(f" a{k + 1} = Gather (a{k}, a{k})" for k in range(60))
    + " y = Cast <to = 1> (a60)",
}  # fmt: skip
UNKNOWN_SIZES = {
    "of data": "i = Cast <to = 7> (x) s = Squeeze (i) y = ConstantOfShape (s)",
    "reshaped by data": "i = Cast <to = 7> (x) s = Squeeze (i) y = Reshape (x, s)",
    "sliced by data": "i = Cast <to = 7> (x) s = Squeeze (i) y = Slice (x, s, s)",
    "of a file's tensor": "i = Cast <to = 7> (w) f = Constant <value_ints = [-1]> () s = Reshape (i, f) y = ConstantOfShape (s)",
    "of many computed": "s = Constant <value_ints = [70]> () ones = ConstantOfShape <value = int64[1] {1}> (s) y = ConstantOfShape (ones)",
}
FORBIDDEN = {
    "If": "c = Constant <value_int = 1> () d = Cast <to = 9> (c) y = If (d) <then_branch = t () => (q) { q = Constant <value_int = 1> () },"
    " else_branch = e () => (q) { q = Constant <value_int = 2> () }>",
    "Loop": "m = Constant <value_int = 1000000000> () y = Loop (m, , x) <body = b (int64 i, bool c, float[n, 4] v) => (c2, v2)"
    " { c2 = Identity (c) v2 = Identity (v) }>",
    "Scan": "y = Scan <num_scan_inputs = 1, body = b (float[4] v) => (v2) { v2 = Identity (v) }> (x)",
    "unknown operator": "y = Backdoor (x)",
    "random operator": "y = RandomNormalLike (x)",
    "operator on optionals": "y = Optional (x)",
    "operator on strings": "y = StringNormalizer (x)",
    "data-dependent size": "y = NonZero (x)",
}
CONTRADICTIONS = {
    "y = MatMul (w, w)": "contradict each other",
    "i = Cast <to = 7> (x) y = MatMul (i, w)": "contradict each other",
    "y = Softmax <axis = 7> (x)": "contradict each other",
    "y = Softmax <colour = 7> (x)": "contradict each other",
    "y = Softmax <axis = 65537> (x)": "out of all bounds",
    "y = Softmax <axis = -65537> (x)": "out of all bounds",
    "y = MatMul (x)": "contradict each other",
    "s = Constant <value_ints = [-4]> () y = ConstantOfShape (s)": "contradict each other",
    "y = Neg (z)": "nothing before this node makes its input 'z'",
    "y = Neg (z) z = Neg (x)": "nothing before this node makes its input 'z'",
    "y = Neg (x) y = Abs (x)": "a second value is called 'y'",
    "w = Neg (x) y = Neg (w)": "a second value is called 'w'",
    "z = Neg (x)": "nothing makes the output 'y'",
}
CRASHES = {
    "s = Constant <value_ints = [4]> () z = Constant <value_ints = [0]> () q = Div (s, z) y = ConstantOfShape (q)": "divided",
    "i = Cast <to = 7> (x) q = Div (i, i) y = Cast <to = 1> (q)": "divided",
    "i = Cast <to = 3> (x) q = Mod (i, i) y = Cast <to = 1> (q)": "divided",
    "a = Constant <value_int = -9223372036854775808> () b = Constant <value_int = -1> () q = Div (a, b) y = Cast <to = 1> (q)": "divided",
    "y, a, b = Split <axis = 1, num_outputs = 2> (x)": "number of outputs",
    "y, a = Split <axis = 1, num_outputs = 4> (x)": "number of outputs",
    "s = Constant <value_ints = [2, 2]> () y, a, b = Split <axis = 1> (x, s)": "number of outputs",
    "i = Cast <to = 7> (x) s = Squeeze (i) y, a = Split <axis = 1> (x, s)": "number of outputs",
}


def assert_refused(graph: bytes, match: str | None = None, tensors: frozenset[str] = W) -> None:
    """A typed error, of this message, for little memory."""
    tracemalloc.start()
    try:
        with pytest.raises(ArtifactError, match=match):
            validate(graph, tensors)
        assert tracemalloc.get_traced_memory()[1] < 16 * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(name: str, graph_of: Graph) -> None:
    assert_refused(graph_of(BOMBS[name]), r"bytes at once|out of all bounds|more than 16 axes")


@pytest.mark.parametrize("name", UNKNOWN_SIZES)
def test_sizes_that_cannot_be_known(name: str, graph_of: Graph) -> None:
    assert_refused(graph_of(UNKNOWN_SIZES[name]), r"cannot be known|more than 16 axes")


@pytest.mark.parametrize("name", FORBIDDEN)
def test_operators_that_are_not_allowed(name: str, graph_of: Graph) -> None:
    with pytest.raises(GraphError, match="is not allowed"):
        validate(graph_of(FORBIDDEN[name]), W)


@pytest.mark.parametrize("body", CONTRADICTIONS)
def test_contradictions(body: str, graph_of: Graph) -> None:
    assert_refused(graph_of(body), CONTRADICTIONS[body])


@pytest.mark.parametrize("body", CRASHES)
def test_what_engines_crash_on(body: str, graph_of: Graph) -> None:
    assert_refused(graph_of(body), CRASHES[body])


@pytest.mark.parametrize(
    "body",
    [
        "i = Cast <to = 7> (x) two = Constant <value_ints = [2]> () q = Div (i, two) r = Mod (q, two) y = Cast <to = 1> (r)",
        "y = Div (x, x)",
        "a, b = Split <axis = 1, num_outputs = 2> (x) y = Add (a, b)",
        "s = Constant <value_ints = [2, 2]> () a, b = Split <axis = 1> (x, s) y = Add (a, b)",
        "s = Constant <value_floats = [1.0, 1.0, 1.0, 1.0]> () y = LayerNormalization (x, s, s)",
    ],
)
def test_their_sound_relatives_may_run(body: str, graph_of: Graph) -> None:
    session = Session(Artifact({}, graph_of(body, "(float[n, 4] x) => (y)")))
    assert np.isfinite(session(np.ones((2, 4), np.float32))).all()


@pytest.mark.parametrize(
    "head", ['<ir_version: 10, opset_import: ["" : 20, "com.evil" : 1]>', '<ir_version: 10, opset_import: ["com.evil" : 1]>']
)
def test_foreign_domains(head: str, graph_of: Graph) -> None:
    with pytest.raises(GraphError, match="foreign operator domain"):
        validate(graph_of("y = com.evil.Backdoor (x)", head=head), W)


def test_a_domain_that_is_not_declared(graph_of: Graph) -> None:
    model = onnx.load_from_string(graph_of("y = Neg (x)"))
    model.graph.node[0].domain = "com.microsoft"
    with pytest.raises(GraphError, match=r"com\.microsoft:Neg is not allowed"):
        validate(model.SerializeToString(), W)


@pytest.mark.parametrize("versions", [[], [12], [0], [-1], [10**9], [20, 20]])
def test_versions_of_the_operators(versions: list[int], graph_of: Graph) -> None:
    model = onnx.load_from_string(graph_of("y = Neg (x)"))
    model.ClearField("opset_import")
    model.opset_import.extend(helper.make_opsetid("", version) for version in versions)
    with pytest.raises(GraphError, match="operators of version"):
        validate(model.SerializeToString(), W)


def poisoned(graph_of: Graph, poison: Callable[[onnx.ModelProto], None], body: str = "y = Neg (x)") -> bytes:
    model = onnx.load_from_string(graph_of(body))
    poison(model)
    return model.SerializeToString()


def external(tensor: TensorProto) -> TensorProto:
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    return tensor


def add_function(model: onnx.ModelProto) -> None:
    model.functions.append(helper.make_function("", "Neg", ["a"], ["b"], [helper.make_node("Abs", ["a"], ["b"])], model.opset_import))


def add_training(model: onnx.ModelProto) -> None:
    model.training_info.add()


def add_external_constant(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(external(TensorProto(name="c", data_type=1, dims=[2])))


def add_external_reference(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(TensorProto(name="c", data_type=1, dims=[2], raw_data=bytes(8)))
    model.graph.initializer[0].external_data.add(key="location", value="/dev/zero")


def add_external_attribute(model: onnx.ModelProto) -> None:
    tensor = external(TensorProto(data_type=1, dims=[1]))
    model.graph.node.insert(0, helper.make_node("Constant", [], ["c"], value=tensor))


def add_hidden_attribute(model: onnx.ModelProto) -> None:
    add_external_attribute(model)
    attribute = model.graph.node[0].attribute[0]
    attribute.tensors.append(attribute.t)
    attribute.t.CopyFrom(helper.make_tensor("", 1, [1], [0.0]))


def add_sparse_constant(model: onnx.ModelProto) -> None:
    values, places = helper.make_tensor("c", 1, [1], [1.0]), helper.make_tensor("p", 7, [1], [5])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [10**10]))


def add_sparse_attribute(model: onnx.ModelProto) -> None:
    values, places = helper.make_tensor("c", 1, [1], [1.0]), helper.make_tensor("p", 7, [1], [5])
    node = helper.make_node("Constant", [], ["c"], sparse_value=helper.make_sparse_tensor(values, places, [10**10]))
    model.graph.node.insert(0, node)


def add_hollow_constant(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(TensorProto(name="c", data_type=1, dims=[10**10]))


def add_negative_constant(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(TensorProto(name="c", data_type=1, dims=[-10, -10], raw_data=bytes(400)))


def add_short_constant(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(TensorProto(name="c", data_type=1, dims=[4], raw_data=bytes(12)))


def add_typeless_constant(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(TensorProto(name="c", data_type=99, dims=[1], raw_data=bytes(4)))


def add_subgraph(model: onnx.ModelProto) -> None:
    attribute = model.graph.node[0].attribute.add(name="body", type=5)
    attribute.g.name = "hidden"


def add_subgraphs(model: onnx.ModelProto) -> None:
    model.graph.node[0].attribute.add(name="bodies", type=10).graphs.add(name="hidden")


def add_second_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("z", 1, [1]))


def add_look_alike(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("ｗ", 1, [4, 3]))


def add_trailing_space(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("w ", 1, [4, 3]))


def add_second_weight(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("w", 1, [4, 3]))


def add_shadow(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(helper.make_tensor("w", 1, [4, 3], [0.0] * 12))


def add_default_sample(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(helper.make_tensor("x", 1, [1, 4], [0.0] * 4))


def add_missing_bias(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(helper.make_tensor("s", 1, [4], [1.0] * 4))
    model.graph.node[0].CopyFrom(helper.make_node("LayerNormalization", ["x", "s", ""], ["y"]))


def drop_the_input(model: onnx.ModelProto) -> None:
    del model.graph.input[0]


def drop_the_output(model: onnx.ModelProto) -> None:
    del model.graph.output[:]


def take_truths(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.BOOL


def take_sequences(model: onnx.ModelProto) -> None:
    model.graph.input[0].CopyFrom(helper.make_tensor_sequence_value_info("x", 1, [1, 4]))


def take_any_width(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "wide"


def take_no_shape(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.ClearField("shape")


def take_giants(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 1 << 62


def claim_a_size(model: onnx.ModelProto) -> None:
    """A size that cannot be inferred, and a remark that says it were small."""
    model.graph.CopyFrom(
        onnx.parser.parse_graph("g (float[n, 4] x) => (float[1] y) { i = Cast <to = 7> (x) s = Squeeze (i) y = ConstantOfShape (s) }")
    )
    model.graph.value_info.append(helper.make_tensor_value_info("s", 7, [1]))


POISONS: dict[Callable[[onnx.ModelProto], None], str] = {
    add_function: "functions of its own",
    add_training: "functions of its own",
    add_external_constant: "outside the file",
    add_external_reference: "outside the file",
    add_external_attribute: "outside the file",
    add_hidden_attribute: "outside the file",
    add_sparse_constant: "sparse",
    add_sparse_attribute: "sparse",
    add_hollow_constant: "too few bytes",
    add_negative_constant: "too few bytes",
    add_short_constant: "cannot be read",
    add_typeless_constant: "cannot be read",
    add_subgraph: "control flow",
    add_subgraphs: "control flow",
    add_missing_bias: "named as missing",
    add_second_input: "it has 2: x, z",
    add_look_alike: "it has 2: x, ｗ",
    add_trailing_space: "it has 2: x, w ",
    add_second_weight: "second value is called 'w'",
    add_shadow: "second value is called 'w'",
    add_default_sample: "second value is called 'x'",
    drop_the_input: "it has 0: none",
    drop_the_output: "no output",
    take_truths: "floating-point samples",
    take_sequences: "floating-point samples",
    take_any_width: "floating-point samples",
    take_no_shape: "floating-point samples",
    take_giants: "bytes at once",
    claim_a_size: "cannot be known",
}


@pytest.mark.parametrize("poison", POISONS, ids=lambda poison: poison.__name__)
def test_poisoned_graphs(poison: Callable[[onnx.ModelProto], None], graph_of: Graph) -> None:
    validate(graph_of("y = Neg (x)"), W)
    assert_refused(poisoned(graph_of, poison), POISONS[poison])


MARKS = {b"x": "no text", b"y": "codec can't decode", b"Neg": "not allowed", b"w": "it has 2"}


@pytest.mark.parametrize("mark", MARKS)
def test_names_that_are_no_text(mark: bytes, graph_of: Graph) -> None:
    graph = graph_of("y = Neg (x)")
    damaged = graph.replace(bytes([len(mark)]) + mark, bytes([len(mark)]) + b"\xff" * len(mark))
    assert damaged != graph
    assert_refused(damaged, MARKS[mark])


@pytest.mark.parametrize("graph", [b"", b"\xff" * 40, b"not a graph", b"\x3a" * 5000, bytes(1000)])
def test_bytes_that_are_no_graph(graph: bytes) -> None:
    assert_refused(graph, r"not ONNX|operators of version")


def test_limits_hold_at_their_edges(graph_of: Graph) -> None:
    graph = graph_of("a = Neg (x) b = Neg (a) c = MatMul (b, w) y = Neg (c)")
    edges = {"graph_bytes": len(graph), "graph_nodes": 4, "activation_bytes": 4 * (4 + 4)}
    for name, edge in edges.items():
        validate(graph, W, Limits(**{name: edge}))
        with pytest.raises(LimitError):
            validate(graph, W, Limits(**{name: edge - 1}))


def test_constants_are_held_for_ever(graph_of: Graph) -> None:
    graph = graph_of("s = Constant <value_ints = [100]> () a = ConstantOfShape (s) b = ReduceSum (a) c = Neg (x) y = Neg (c)")
    everything = (8 + 400 + 4) + (16 + 16)  # the constants, and two values that depend on the sample
    validate(graph, W, Limits(activation_bytes=everything))
    with pytest.raises(LimitError):
        validate(graph, W, Limits(activation_bytes=everything - 1))


@pytest.mark.parametrize("shape", [(4, 2), (3, 4), (12,), (4, 3, 1)])
def test_weights_that_the_graph_does_not_expect(shape: tuple[int, ...], graph_of: Graph) -> None:
    with pytest.raises(GraphError, match="takes another 'w'"):
        Session(Artifact({"w": Dense.of(np.ones(shape, np.float32))}, graph_of("y = MatMul (x, w)")))


def test_types_that_the_graph_does_not_expect(graph_of: Graph) -> None:
    with pytest.raises(GraphError, match="takes another 'w'"):
        Session(Artifact({"w": Dense.of(np.ones((4, 3)))}, graph_of("y = MatMul (x, w)")))


# What our own networks need


class Attention(nn.Module):
    """Patches, a class token, and a transformer's layer: shapes that the graph computes."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, 16, 4, 4)
        self.token = nn.Parameter(torch.zeros(1, 1, 16))
        self.layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        patches = self.patches(x).flatten(2).transpose(1, 2)
        return self.layer(torch.cat([self.token.expand(x.shape[0], -1, -1), patches], 1))[:, 0]


class Decoder(nn.Module):
    """Upsampling, padding, group normalisation, shuffled channels and a recurrent layer."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(2, 4)
        self.up = nn.ConvTranspose2d(4, 4, 2, 2)
        self.rnn = nn.LSTM(16, 8, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.nn.functional.pad(x, (1, 1, 1, 1))[:, :, 1:-1, 1:-1].expand(-1, 4, -1, -1)
        x = nn.functional.interpolate(self.norm(x), scale_factor=2.0, mode="bilinear")
        x = self.up(torch.roll(x, (1, 2), (2, 3))).view(x.shape[0], 2, 2, 32, 32).transpose(1, 2).flatten(1, 2)
        return self.rnn(x.reshape(x.shape[0], -1, 16))[0][:, -1]


def assert_runs(model: nn.Module, shape: tuple[int, ...]) -> None:
    model = model.eval()
    tensors = {name: Dense.of(tensor.numpy()) for name, tensor in model.state_dict().items()}
    session = Session(Artifact(tensors, export(model, shape)))
    inputs = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = model(inputs).numpy()
    np.testing.assert_allclose(session(inputs.numpy()), expected, rtol=1e-4, atol=1e-5 * max(1, np.abs(expected).max()))


def test_a_residual_network_may_run(model: nn.Module) -> None:
    assert_runs(model, (1, 8, 8))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in ZOO if ZOO[name].classes == 10])  # the large ones: tests/zoo
def test_the_zoo_may_run(name: str) -> None:
    assert_runs(ZOO[name].build(), ZOO[name].sample_shape)


@pytest.mark.slow
@pytest.mark.parametrize(("build", "shape"), [(Attention, (1, 16, 16)), (Decoder, (1, 8, 8))])
def test_networks_that_compute_shapes_may_run(build: Callable[[], nn.Module], shape: tuple[int, ...]) -> None:
    assert_runs(build(), shape)
