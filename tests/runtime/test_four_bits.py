"""Which linear layers the kernel for 4 bits may have."""

import numpy as np
import onnx
import pytest

from laconic.artifact import Artifact
from laconic.forms import Dense, Grid
from laconic.runtime import Session
from laconic.runtime.assemble import assemble
from laconic.runtime.engines import Choice, open_graph

OUTPUTS, INPUTS, GROUP = 640, 512, 32


def graph(body: str, bias: tuple[int, ...] | None, sides: str = "n", made: str = "y") -> Artifact:
    """A graph of `x`, a weight `w` on a grid of 4 bits, and a bias `b`.

    Args:
        body: what it does.
        bias: shape of `b`; None where the graph has none.
        sides: of `x` and of what is made, but the last.
        made: its outputs.
    """
    rng = np.random.default_rng(0)
    integers = rng.integers(-7, 8, (OUTPUTS, INPUTS)).astype(np.int8)
    steps = rng.uniform(0.01, 0.02, integers.size // GROUP).astype(np.float32)
    tensors: dict[str, Grid | Dense] = {"w": Grid(integers.shape, integers, steps)}
    ends = f"float[{sides}, {INPUTS}] x, float[{OUTPUTS}, {INPUTS}] w"
    if bias is not None:
        tensors["b"] = Dense.of(rng.standard_normal(bias).astype(np.float32))
        ends += f", float[{', '.join(map(str, bias))}] b"
    outs = ", ".join(f"float[{sides}, {OUTPUTS}] {name}" for name in made.split())
    text = f'<ir_version: 10, opset_import: ["" : 18]> g ({ends}) => ({outs}) {{ {body} }}'
    return Artifact(tensors, onnx.parser.parse_model(text).SerializeToString())


def layer(bias: tuple[int, ...] | None) -> Artifact:
    return graph(f"y = Gemm<transB=1>(x, w{', b' if bias is not None else ''})", bias)


def kinds(artifact: Artifact) -> list[str]:
    """Of the nodes that ONNX Runtime is given."""
    return [node.op_type for node in assemble(artifact, engine="onnxruntime").graph.node]


@pytest.mark.parametrize(
    ("bias", "taken"), [(None, True), ((OUTPUTS,), True), ((1,), False), ((1, OUTPUTS), False)], ids=["none", "each", "one", "a row"]
)
def test_a_bias_that_the_kernel_would_not_spread_out_keeps_the_ordinary_one(bias: tuple[int, ...] | None, taken: bool) -> None:
    artifact = layer(bias)
    assert kinds(artifact) == (["MatMulNBits"] if taken else ["Gemm"])
    x = np.random.default_rng(1).standard_normal((3, INPUTS)).astype(np.float32)
    added = artifact.tensors["b"].array() if bias is not None else 0
    wanted = x @ artifact.tensors["w"].array().T + added
    assert np.abs(Session(artifact)(x) - wanted).max() < 0.05 * wanted.std()


@pytest.mark.parametrize(
    ("body", "bias", "made"),
    [
        ("t = Transpose<perm=[1, 0]>(w) m = MatMul(x, t) y = Add(m, b)", (OUTPUTS,), ["MatMulNBits"]),
        ("t = Transpose<perm=[1, 0]>(w) m = MatMul(x, t) y = Add(b, m)", (OUTPUTS,), ["MatMulNBits"]),
        ("t = Transpose(w) y = MatMul(x, t)", None, ["MatMulNBits"]),
        ("t = Transpose<perm=[1, 0]>(w) m = MatMul(x, t) y = Add(m, b)", (5, OUTPUTS), ["MatMulNBits", "Add"]),
        ("t = Transpose<perm=[1, 0]>(w) m = MatMul(x, t) s = Add(m, b) y = Add(m, s)", (OUTPUTS,), ["MatMulNBits", "Add", "Add"]),
        ("t = Transpose<perm=[1, 0]>(w) m = MatMul(x, t) k = MatMul(x, t) y = Add(m, k)", None, ["MatMulNBits", "MatMulNBits", "Add"]),
        ("t = Transpose<perm=[0, 1]>(w) s = Transpose<perm=[1, 0]>(t) y = MatMul(x, s)", None, ["Transpose", "Transpose", "MatMul"]),
    ],
    ids=["a bias", "a bias first", "none", "a bias for each place", "read before its bias", "a weight twice", "turned by others"],
)
def test_layers_of_sequences_have_it_too(body: str, bias: tuple[int, ...] | None, made: list[str]) -> None:
    artifact = graph(body, bias, "n, 5")
    assert kinds(artifact) == made
    assert ("w" in {one.name for one in assemble(artifact, engine="onnxruntime").graph.initializer}) == ("MatMulNBits" not in made)
    x = np.random.default_rng(1).standard_normal((3, 5, INPUTS)).astype(np.float32)
    wanted = open_graph(assemble(artifact).SerializeToString(), 1, Choice())(x)
    assert np.abs(Session(artifact)(x) - wanted).max() < 0.05 * wanted.std()


def test_a_product_that_the_graph_gives_out_keeps_its_bias_apart() -> None:
    artifact = graph("t = Transpose(w) m = MatMul(x, t) y = Add(m, b)", (OUTPUTS,), "n, 5", made="m y")
    assert kinds(artifact) == ["MatMulNBits", "Add"]
    x = np.random.default_rng(1).standard_normal((2, 5, INPUTS)).astype(np.float32)
    wanted = x @ artifact.tensors["w"].array().T
    assert np.abs(Session(artifact)(x) - wanted).max() < 0.05 * wanted.std()
