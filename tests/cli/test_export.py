"""laconic export: what other programs read."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import safetensors.numpy

import laconic


def test_onnx_is_standard_and_runs_alike(cli: Any, desk: Any, tmp_path: Path) -> None:
    assert cli("export", desk.small, "--to", "onnx", "-o", tmp_path / "f.onnx").code == 0
    onnx.checker.check_model(str(tmp_path / "f.onnx"), full_check=True)
    engine = onnxruntime.InferenceSession(tmp_path / "f.onnx", providers=["CPUExecutionProvider"])
    assert len(engine.get_inputs()) == 1
    inputs = np.linspace(-1, 1, 72, dtype=np.float32).reshape(2, 1, 6, 6)
    (outputs,) = engine.run(None, {engine.get_inputs()[0].name: inputs})
    np.testing.assert_allclose(outputs, laconic.load(desk.small)(inputs), rtol=1e-5, atol=1e-6)


def test_safetensors_hold_every_tensor(cli: Any, desk: Any, tmp_path: Path) -> None:
    told = cli("export", desk.small, "--to", "safetensors", "-o", tmp_path / "f.safetensors", "--json").json()
    assert told["bytes"] == (tmp_path / "f.safetensors").stat().st_size
    shapes = {name: array.shape for name, array in safetensors.numpy.load_file(tmp_path / "f.safetensors").items()}
    assert shapes == {"0.weight": (4, 1, 3, 3), "0.bias": (4,), "3.weight": (3, 64), "3.bias": (3,)}


def test_without_a_graph_there_is_no_onnx(cli: Any, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.zeros(3, np.float32))
    cli("pack", tmp_path / "x.npz", "-o", tmp_path / "x.lac")
    done = cli("export", tmp_path / "x.lac", "--to", "onnx", "-o", tmp_path / "x.onnx")
    assert done.code == 2
    assert "no graph" in done.err
    assert not (tmp_path / "x.onnx").exists()


def test_an_unknown_format_names_the_known(cli: Any, desk: Any, tmp_path: Path) -> None:
    done = cli("export", desk.small, "--to", "coreml", "-o", tmp_path / "x")
    assert done.code == 2
    assert "onnx" in done.err
