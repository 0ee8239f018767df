"""A standard ONNX model from a file."""

import numpy as np
import onnx
import onnxruntime
import pytest

from laconic.artifact import Artifact
from laconic.base.dtypes import bits
from laconic.base.errors import LimitError, UsageError
from laconic.forms import Dense
from laconic.runtime import Session, to_onnx


def test_it_is_a_model_that_others_run(artifact: Artifact) -> None:
    content = to_onnx(artifact)
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    x = np.random.default_rng(2).normal(size=(3, 4)).astype(np.float32)
    outputs = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
    np.testing.assert_array_equal(outputs, Session(artifact)(x))


def test_its_weights_are_those_of_the_file_bit_for_bit(artifact: Artifact, weights: dict[str, np.ndarray]) -> None:
    graph = onnx.load_from_string(to_onnx(artifact)).graph
    assert [value.name for value in graph.input] == ["x"]
    found = {constant.name: onnx.numpy_helper.to_array(constant) for constant in graph.initializer}
    assert found.keys() == weights.keys()
    for name, weight in weights.items():
        np.testing.assert_array_equal(bits(found[name]), bits(weight))


def test_the_same_artifact_gives_the_same_bytes(artifact: Artifact) -> None:
    assert to_onnx(artifact) == to_onnx(artifact)


def test_tied_weights_stand_where_the_graph_wants_them(artifact: Artifact) -> None:
    tensors = dict(artifact.tensors)
    tensors["unused"] = tensors["v"]
    assert to_onnx(Artifact(tensors, artifact.graph)) == to_onnx(artifact)


def test_weights_alone_are_no_model(artifact: Artifact) -> None:
    with pytest.raises(UsageError, match="holds no graph"):
        to_onnx(Artifact(artifact.tensors))


def test_more_than_one_model_can_hold_is_said(artifact: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    total = 4 * (12 + 3 + 6)
    monkeypatch.setattr("laconic.runtime.assemble.MOST_BYTES", total)
    to_onnx(artifact)
    monkeypatch.setattr("laconic.runtime.assemble.MOST_BYTES", total - 1)
    with pytest.raises(LimitError, match="one ONNX model holds at most"):
        to_onnx(artifact)


def test_two_gibibytes_are_too_many_and_never_made() -> None:
    rows = 1 << 29
    zeros = Dense((rows,), None, np.broadcast_to(np.float32(0), rows))  # four bytes of memory
    text = f'<ir_version: 10, opset_import: ["" : 20]> g (float[n, 1] x, float[{rows}] w) => (y) {{ y = ReduceMax (w) }}'
    with pytest.raises(LimitError, match="2147483648 bytes decoded"):
        to_onnx(Artifact({"w": zeros}, onnx.parser.parse_model(text).SerializeToString()))
