"""ONNX and .lac files wherever a model is taken: pack, export, profile, check, compress, bench, and as weights."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import laconic
from laconic.base.imports import call_attribute
from laconic.graph.trace import quiet
from laconic.zoo.reference import build_model


@pytest.fixture(scope="module")
def foreign(desk: Any) -> Path:
    """The desk's network as torch's old exporter writes it, for a batch of one."""
    path = desk.home / "net.onnx"
    with quiet():
        model = call_attribute(desk.net, error=Exception).eval()
        torch.onnx.export(model, (torch.zeros(1, 1, 6, 6),), str(path), dynamo=False, input_names=["pixels"], output_names=["scores"])
    return path


def images(count: int) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(1)).normal(size=(count, 1, 6, 6)).astype(np.float32)


def scores(path: Path, inputs: np.ndarray) -> np.ndarray:
    engine = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return np.concatenate([engine.run(None, {"pixels": row[None]})[0] for row in inputs])


def test_there_and_back(cli: Any, foreign: Path, tmp_path: Path) -> None:
    told = cli("pack", foreign, "--mean", "0.5", "--std", "0.25", "-o", tmp_path / "f.lac", "--json").json()
    assert told["graph"] is True
    session = laconic.load(tmp_path / "f.lac")
    assert session.notes.preprocessing is not None
    assert (session.notes.preprocessing.shape, session.notes.preprocessing.mean) == ((1, 6, 6), (0.5,))
    np.testing.assert_allclose(session(images(3)), scores(foreign, images(3)), rtol=1e-5, atol=1e-6)
    assert cli("export", tmp_path / "f.lac", "--to", "onnx", "-o", tmp_path / "back.onnx").code == 0
    onnx.checker.check_model(str(tmp_path / "back.onnx"), full_check=True)
    np.testing.assert_allclose(scores(tmp_path / "back.onnx", images(3)), scores(foreign, images(3)), rtol=1e-5, atol=1e-6)
    names = {tensor.name for tensor in onnx.load(tmp_path / "back.onnx").graph.initializer}
    assert {"0.weight", "0.bias", "3.weight", "3.bias"} <= names


def test_what_has_no_graph_is_packed_with_the_reason(cli: Any, tmp_path: Path) -> None:
    text = '<ir_version: 10, opset_import: ["" : 20]> g (bool[n, 5] x) => (float[n, 2] y) { f = Cast <to = 1> (x) y = MatMul (f, w) }'
    model = onnx.parser.parse_model(text)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.ones((5, 2), np.float32), "w"))
    onnx.save(model, tmp_path / "truths.onnx")
    done = cli("pack", tmp_path / "truths.onnx", "-o", tmp_path / "f.lac", "--json")
    assert (done.json()["graph"], list(done.json()["forms"])) == (False, ["w"])
    assert "floating-point samples" in done.err


@pytest.mark.parametrize(
    ("words", "code", "clue"),
    [
        (("pack", "gone.onnx"), 3, "no such file"),
        (("pack", "text.onnx"), 3, "no ONNX file"),
        (("pack", "net.onnx", "--weights", "w.pt"), 2, "its own weights"),
        (("pack", "net.onnx", "--input", "3x6x6"), 2, "samples of shape 1x6x6, not 3x6x6"),
        (("profile", "text.onnx"), 3, "no ONNX file"),
        (("profile", "text.lac"), 3, "not a .lac file"),
        (("profile", "gone.lac"), 3, "no such file"),
        (("profile", "bare.lac"), 3, "--weights"),
    ],
)
def test_what_cannot_be_is_refused(cli: Any, foreign: Path, tmp_path: Path, monkeypatch: Any, words: Any, code: int, clue: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.onnx").write_bytes(foreign.read_bytes())
    for name in ("text.onnx", "text.lac"):
        Path(name).write_text("not a graph")
    np.savez("arrays.npz", x=np.zeros(3, np.float32))
    cli("pack", "arrays.npz", "-o", "bare.lac")
    done = cli(*words, *(("-o", "f.lac") if words[0] == "pack" else ()))
    assert (done.code, done.out) == (code, "")
    assert clue in done.err
    assert not Path("f.lac").exists()


@pytest.mark.parametrize("kind", ["onnx", "lac"])
def test_a_file_is_a_model(cli: Any, desk: Any, foreign: Path, packed: Path, tmp_path: Path, kind: str) -> None:
    source = foreign if kind == "onnx" else packed
    told = cli("profile", source, "--json").json()
    assert [layer["kind"] for layer in told["layers"]] == ["Conv2d", "Linear"]
    assert cli("check", source, "--data", desk.data, "--recipe", desk.recipe).code == 0
    done = cli("compress", source, "--data", desk.data, "--recipe", desk.recipe, "-o", tmp_path / "s.lac", "--json")
    assert done.code == 0, done.err
    kinds = {tensor["name"]: tensor["form"] for tensor in cli("inspect", tmp_path / "s.lac", "--json").json()["tensors"]}
    assert kinds == {"0.weight": "codebook", "0.bias": "dense", "3.weight": "codebook", "3.bias": "dense"}
    assert laconic.load(tmp_path / "s.lac")(images(5)).shape == (5, 3)
    assert len(done.json()["record"]["verdicts"]["target"]) < 12, "such a network is a checkpoint: half of the test samples are for choices"


def test_a_files_own_weights_and_the_same_class(cli: Any, desk: Any, packed: Path) -> None:
    model = build_model(str(packed)).state_dict()
    assert all(torch.equal(model[name], value) for name, value in call_attribute(desk.net, error=Exception).state_dict().items())


def test_a_file_has_weights_for_its_class(cli: Any, desk: Any, tmp_path: Path) -> None:
    assert cli("pack", desk.net, "--input", "1x6x6", "--weights", desk.small, "-o", tmp_path / "f.lac").code == 0
    np.testing.assert_allclose(laconic.load(tmp_path / "f.lac")(images(3)), laconic.load(desk.small)(images(3)), rtol=1e-5, atol=1e-6)
    done = cli("pack", "zoo:lenet5", "--weights", desk.small, "-o", tmp_path / "g.lac")
    assert done.code == 3
    assert "only" in done.err


def test_a_teacher_from_a_file(cli: Any, desk: Any, foreign: Path, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(f"steps: [distill: {{epochs: 1, teacher: {foreign}}}]")
    done = cli("compress", desk.net, "--data", desk.data, "--recipe", tmp_path / "r.yaml", "-o", tmp_path / "s.lac")
    assert done.code == 0, done.err


def test_bench_runs_the_onnx_file_as_it_is(cli: Any, foreign: Path, tmp_path: Path) -> None:
    cli("pack", foreign, "-o", tmp_path / "f.lac")
    told = cli("bench", tmp_path / "f.lac", foreign, "--repeats", 5, "--json").json()
    assert [run["name"] for run in told["runs"]] == [str(tmp_path / "f.lac"), str(foreign)]
    assert cli("bench", tmp_path / "f.lac", foreign, "--batch", 3, "--repeats", 5).code == 3, "the file takes one sample at a time"
    assert cli("bench", tmp_path / "f.lac", tmp_path / "gone.onnx").code == 3
