"""Which linear layers the kernel for 4 bits may have."""

import numpy as np
import onnx
import pytest

from laconic.artifact import Artifact
from laconic.forms import Dense, Grid
from laconic.runtime import Session
from laconic.runtime.assemble import assemble

OUTPUTS, INPUTS, GROUP = 640, 512, 32


def layer(bias: tuple[int, ...] | None) -> Artifact:
    rng = np.random.default_rng(0)
    integers = rng.integers(-7, 8, (OUTPUTS, INPUTS)).astype(np.int8)
    steps = rng.uniform(0.01, 0.02, integers.size // GROUP).astype(np.float32)
    tensors: dict[str, Grid | Dense] = {"w": Grid(integers.shape, integers, steps)}
    ends = f"float[n, {INPUTS}] x, float[{OUTPUTS}, {INPUTS}] w"
    if bias is not None:
        tensors["b"] = Dense.of(rng.standard_normal(bias).astype(np.float32))
        ends += f", float[{', '.join(map(str, bias))}] b"
    body = f"y = Gemm<transB=1>(x, w{', b' if bias is not None else ''})"
    text = f'<ir_version: 10, opset_import: ["" : 18]> g ({ends}) => (float[n, {OUTPUTS}] y) {{ {body} }}'
    return Artifact(tensors, onnx.parser.parse_model(text).SerializeToString())


@pytest.mark.parametrize(
    ("bias", "taken"), [(None, True), ((OUTPUTS,), True), ((1,), False), ((1, OUTPUTS), False)], ids=["none", "each", "one", "a row"]
)
def test_a_bias_that_the_kernel_would_not_spread_out_keeps_the_ordinary_one(bias: tuple[int, ...] | None, taken: bool) -> None:
    artifact = layer(bias)
    kinds = {node.op_type for node in assemble(artifact, engine="onnxruntime").graph.node}
    assert kinds == ({"MatMulNBits"} if taken else {"Gemm"})
    x = np.random.default_rng(1).standard_normal((3, INPUTS)).astype(np.float32)
    added = artifact.tensors["b"].array() if bias is not None else 0
    wanted = x @ artifact.tensors["w"].array().T + added
    assert np.abs(Session(artifact)(x) - wanted).max() < 0.05 * wanted.std()
