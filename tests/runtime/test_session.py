"""A file that runs, and what it says to inputs that do not fit."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from laconic.artifact import Artifact, Limits, Notes, write
from laconic.base.errors import DataError, GraphError, LimitError, UsageError
from laconic.forms import Dense
from laconic.graph.export import export
from laconic.runtime import Session, load
from laconic.runtime.assemble import assemble
from laconic.runtime.engine import start


def by_hand(x: np.ndarray, weights: dict[str, np.ndarray]) -> np.ndarray:
    return np.maximum(x @ weights["w"] + weights["b"], 0) @ weights["v"]


@pytest.fixture
def samples() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)


def test_it_computes_what_the_graph_says(artifact: Artifact, weights: dict[str, np.ndarray], samples: np.ndarray) -> None:
    outputs = Session(artifact)(samples)
    assert outputs.dtype == np.float32
    np.testing.assert_allclose(outputs, by_hand(samples, weights), atol=1e-6, rtol=1e-6)


def test_a_file_runs_as_the_artifact_does(tmp_path: Path, artifact: Artifact, samples: np.ndarray) -> None:
    write(tmp_path / "f.lac", artifact)
    session = load(tmp_path / "f.lac")
    np.testing.assert_array_equal(session(samples), Session(artifact)(samples))
    assert session.notes == artifact.notes
    assert session.sample_shape == (4,)
    np.testing.assert_array_equal(load(str(tmp_path / "f.lac"))(samples), session(samples))


def test_it_computes_what_torch_computes(model: nn.Module) -> None:
    tensors = {name: Dense.of(tensor.numpy()) for name, tensor in model.state_dict().items()}
    inputs = torch.randn(7, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = model(inputs).numpy()
    outputs = Session(Artifact(tensors, export(model, (1, 8, 8))))(inputs.numpy())
    np.testing.assert_allclose(outputs, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_are_given_to_the_engine(threads: int, artifact: Artifact, samples: np.ndarray) -> None:
    session = Session(artifact, threads)
    assert start(assemble(artifact).SerializeToString(), threads).get_session_options().intra_op_num_threads == threads
    np.testing.assert_allclose(session(samples), Session(artifact)(samples), atol=1e-6)


@pytest.mark.parametrize("threads", [0, -1])
def test_no_threads_are_refused(threads: int, artifact: Artifact) -> None:
    with pytest.raises(UsageError, match="one thread"):
        Session(artifact, threads)


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.astype(np.float64),
        lambda x: np.repeat(x, 2, axis=0)[::2],
        np.asfortranarray,
        lambda x: x[::-1][::-1],
        lambda x: x.astype(">f4"),
        lambda x: x.tolist(),
    ],
    ids=["float64", "strided", "fortran", "reversed twice", "big-endian", "list"],
)
def test_how_the_inputs_lie_in_memory_does_not_matter(change: Callable[[np.ndarray], Any], artifact: Artifact, samples: np.ndarray) -> None:
    session = Session(artifact)
    np.testing.assert_array_equal(session(change(samples)), session(samples))


def test_batches_of_any_length(artifact: Artifact, weights: dict[str, np.ndarray]) -> None:
    session = Session(artifact)
    for batch in (0, 1, 2, 1000):
        x = np.ones((batch, 4), np.float32)
        np.testing.assert_allclose(session(x), by_hand(x, weights), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.bool_, np.complex64, np.str_, object])
def test_inputs_of_another_type_are_refused(dtype: Any, artifact: Artifact) -> None:
    with pytest.raises(DataError, match="floating-point"):
        Session(artifact)(np.zeros((1, 4), dtype))


@pytest.mark.parametrize("shape", [(), (4,), (1, 5), (1, 4, 1), (2, 2, 2), (0,)])
def test_inputs_of_another_shape_are_refused(shape: tuple[int, ...], artifact: Artifact) -> None:
    with pytest.raises(DataError, match=r"inputs of shape \(n, 4\)"):
        Session(artifact)(np.zeros(shape, np.float32))


@pytest.mark.parametrize(("reason", "told"), [("", "weights-only"), ("data-dependent", "data-dependent")])
def test_weights_alone_do_not_run(reason: str, told: str, artifact: Artifact) -> None:
    with pytest.raises(UsageError, match=told) as caught:
        Session(replace(artifact, graph=None, notes=Notes(reason=reason)))
    assert "load_into" in caught.value.hint


def test_limits_reach_the_graph(artifact: Artifact, tmp_path: Path) -> None:
    write(tmp_path / "f.lac", artifact)
    for limits in (Limits(graph_nodes=3), Limits(activation_bytes=10), Limits(decoded_bytes=10), Limits(file_bytes=10)):
        with pytest.raises(LimitError):
            load(tmp_path / "f.lac", limits=limits)


@pytest.mark.parametrize("dtype", ["float16", "double"])
def test_networks_of_other_widths(dtype: str) -> None:
    graph = onnx.parser.parse_model(
        f'<ir_version: 10, opset_import: ["" : 20]> g ({dtype}[n, 3] x, {dtype}[3] w) => ({dtype}[n, 3] y) {{ y = Mul (x, w) }}'
    )
    weight = np.array([1, 2, 3], dtype)
    outputs = Session(Artifact({"w": Dense.of(weight)}, graph.SerializeToString()))(np.ones((2, 3), np.float32))
    assert outputs.dtype == weight.dtype
    np.testing.assert_array_equal(outputs, np.stack([weight, weight]))


def test_what_the_engine_refuses_is_told_as_ours(capfd: pytest.CaptureFixture[str]) -> None:
    """A convolution of doubles is sound ONNX, for which the engine has no kernel."""
    text = '<ir_version: 10, opset_import: ["" : 20]> g (double[n, 1, 4] x, double[1, 1, 2] w) => (y) { y = Conv (x, w) }'
    with pytest.raises(GraphError, match="ONNX Runtime refuses the graph"):
        Session(Artifact({"w": Dense.of(np.ones((1, 1, 2)))}, onnx.parser.parse_model(text).SerializeToString()))
    assert capfd.readouterr() == ("", "")


def test_failures_in_the_middle_are_told_as_ours(capfd: pytest.CaptureFixture[str]) -> None:
    text = """<ir_version: 10, opset_import: ["" : 20]> g (float[n, 4] x) => (y) {
        i = Cast <to = 7> (x)
        y = GatherElements <axis = 1> (x, i)
    }"""
    session = Session(Artifact({}, onnx.parser.parse_model(text).SerializeToString()))
    np.testing.assert_array_equal(session(np.float32([[3, 2, 1, 0]])), [[0, 1, 2, 3]])
    with pytest.raises(GraphError, match="fails in the graph"):
        session(np.float32([[99, 0, 0, 0]]))
    assert capfd.readouterr() == ("", "")
