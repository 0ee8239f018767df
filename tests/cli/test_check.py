"""`laconic check` shows what a training would learn from before it trains."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from laconic import Data


def test_the_terms_of_a_distillation_are_shown(cli: Any, data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net.py").write_text(
        "from torch import nn\n\n\ndef build():\n    return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.Linear(8, 4))\n"
    )
    splits = {"train": data.train, "test": data.test}
    arrays = {f"{axis}_{name}": values for name, split in splits.items() for axis, values in (("x", split.inputs), ("y", split.targets))}
    np.savez(tmp_path / "d.npz", **arrays)
    (tmp_path / "r.yaml").write_text("steps: [distill: {epochs: 1, hints: 0.5, layers: {'1': '2'}}]\n")
    monkeypatch.chdir(tmp_path)
    done = cli("check", "net.py:build", "--data", "npz:d.npz", "--recipe", "r.yaml")
    assert done.code == 0
    lines = [line.split() for line in done.out.splitlines()]
    assert ["term", "weight", "student", "teacher", "loss"] in lines
    assert any(line[:6] == ["hints", "0.5", "1", "8", "2", "4"] and "linear" in line for line in lines)
