"""Every engine computes the same; what won is remembered on this machine, and a cache that is gone or odd does no harm."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from laconic.artifact import Artifact, write
from laconic.artifact.files import identity
from laconic.base.errors import GraphError, UsageError
from laconic.forms import Dense
from laconic.graph.export import export
from laconic.runtime import Session, load
from laconic.runtime import engines as module
from laconic.runtime.engines import ENGINES, Choice, choices, open_graph
from laconic.runtime.remembered import cache, recall, remember


@pytest.fixture
def artifact(model: nn.Module) -> Artifact:
    return Artifact({name: Dense.of(tensor.numpy()) for name, tensor in model.state_dict().items()}, export(model, (1, 8, 8)))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_all_engines_are_here() -> None:
    assert {choice.engine for choice in choices()} == set(ENGINES)


WHOLE = [choice for choice in choices() if choice.engine != "laconic"]  # that one wants zeros, see test_partition.py


@pytest.mark.parametrize("choice", WHOLE, ids=str)
def test_every_engine_computes_what_torch_does_at_any_batch(choice: Choice, artifact: Artifact, model: nn.Module) -> None:
    session = Session(artifact, choice=choice)
    for batch in (1, 5, 2, 1):
        inputs = torch.randn(batch, 1, 8, 8, generator=torch.Generator().manual_seed(batch))
        with torch.no_grad():
            expected = model.eval()(inputs).numpy()
        far = 1e-4 if choice.precision == "fp32" else 0.05
        np.testing.assert_allclose(session(inputs.numpy()), expected, atol=far * np.abs(expected).max())


def test_of_many_batch_sizes_the_oldest_is_forgotten(artifact: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHAPES", 2)
    session = Session(artifact, choice=Choice("openvino"))
    for batch in (1, 2, 3, 1):
        assert session(np.zeros((batch, 1, 8, 8), np.float32)).shape[0] == batch


def test_outputs_stay_when_the_session_runs_again(artifact: Artifact) -> None:
    """Engines may give out their own memory."""
    for choice in WHOLE:
        session = Session(artifact, choice=choice)
        first = session(np.zeros((1, 1, 8, 8), np.float32))
        before = first.copy()
        session(np.ones((1, 1, 8, 8), np.float32))
        np.testing.assert_array_equal(first, before)


@pytest.mark.parametrize("choice", WHOLE, ids=str)
def test_threads_may_share_a_session(choice: Choice, artifact: Artifact) -> None:
    """Each gets the outputs of its own inputs."""
    session = Session(artifact, choice=choice)
    inputs = np.random.default_rng(0).normal(size=(64, 1, 1, 8, 8)).astype(np.float32)
    alone = [session(one) for one in inputs]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(8):
            for ours, theirs in zip(pool.map(session, inputs), alone, strict=True):
                np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", ENGINES)
def test_what_no_engine_reads_is_refused(name: str) -> None:
    with pytest.raises(GraphError, match="refuses the graph"):
        open_graph(b"no graph", 1, Choice(name))


def test_unknown_engines_and_precisions_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no engine 'tensorrt'"):
        Choice("tensorrt")
    with pytest.raises(UsageError, match="no use for 'int3'"):
        Choice("onnxruntime", "int3")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(UsageError, match="openvino is not installed"):
        Choice("openvino")


def test_the_winner_is_taken_by_load_for_its_threads(artifact: Artifact, tmp_path: Path) -> None:
    write(tmp_path / "f.lac", artifact)
    sha256 = identity((tmp_path / "f.lac").read_bytes())
    assert load(tmp_path / "f.lac").choice == Choice()
    assert remember(sha256, 1, Choice("openvino"))
    assert load(tmp_path / "f.lac").choice == Choice("openvino")
    assert load(tmp_path / "f.lac", threads=2).choice == Choice()
    assert load(tmp_path / "f.lac", engine="onnxruntime").choice == Choice()


def test_a_remembered_engine_that_refuses_the_file_gives_way(artifact: Artifact, tmp_path: Path) -> None:
    """Ours does where no layer wins its race this time. Asked for by name, it still refuses."""
    write(tmp_path / "f.lac", artifact)
    remember(identity((tmp_path / "f.lac").read_bytes()), 1, Choice("laconic"))
    session = load(tmp_path / "f.lac")
    assert session.choice == Choice()
    assert session(np.zeros((2, 1, 8, 8), np.float32)).shape[0] == 2
    with pytest.raises(GraphError, match="no layer has many zeros"):
        load(tmp_path / "f.lac", engine="laconic")


def test_a_graph_that_every_engine_refuses_is_refused(tmp_path: Path) -> None:
    """A convolution of doubles is sound ONNX, for which the default has no kernel either."""
    text = '<ir_version: 10, opset_import: ["" : 20]> g (double[n, 1, 4] x, double[1, 1, 2] w) => (y) { y = Conv (x, w) }'
    write(tmp_path / "f.lac", Artifact({"w": Dense.of(np.ones((1, 1, 2)))}, onnx.parser.parse_model(text).SerializeToString()))
    remember(identity((tmp_path / "f.lac").read_bytes()), 1, Choice("laconic"))
    with pytest.raises(GraphError, match="ONNX Runtime refuses the graph"):
        load(tmp_path / "f.lac")


@pytest.mark.parametrize("content", ["", "[]", "{", '{"x": 1}', "\x00"])
def test_an_odd_cache_is_as_good_as_none(content: str) -> None:
    cache().parent.mkdir(parents=True)
    cache().write_text(content)
    assert recall(lambda: "0" * 64, 1) == Choice()
    assert remember("0" * 64, 1, Choice("openvino"))
    assert recall(lambda: "0" * 64, 1) == Choice("openvino")


def test_an_engine_that_is_gone_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    remember("0" * 64, 1, Choice("openvino"))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setitem(ENGINES, "onnxruntime", type("Here", (), {"installed": True, "precisions": lambda _: ("fp32",)})())
    assert recall(lambda: "0" * 64, 1) == Choice()


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert not remember("0" * 64, 1, Choice())


def test_only_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laconic.runtime.remembered.MOST", 3)
    for number in range(5):
        remember(f"{number:064d}", 1, Choice("openvino"))
    assert [recall(lambda n=n: f"{n:064d}", 1).engine for n in (0, 4)] == ["onnxruntime", "openvino"]  # type: ignore[misc]
