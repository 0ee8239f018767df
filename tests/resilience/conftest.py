"""A folder with a network, data and a recipe of a user's, and `laconic compress` on them: in this process, or in one of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from laconic.base.errors import ExportError
from laconic.cli import main

NET = """
import torch
from torch import nn


def build():
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Dropout(0.2), nn.Flatten(), nn.Linear(4 * 4 * 4, 3))
"""
RECIPE = "seed: 4\nsteps: [prune: {sparsity: 0.5}, finetune: {epochs: 2, batch: 16, lr: 0.01}, share: {bits: 3}]\n"


@dataclass(frozen=True)
class Desk:
    """A folder with `net.py`, `data.npz` and `recipe.yaml`."""

    home: Path

    def words(self, output: Path, *more: str, model: str = "") -> list[str]:
        """The command line that compresses the network, or another model, into `output`."""
        given = ["--data", f"npz:{self.home / 'data.npz'}", "--recipe", str(self.home / "recipe.yaml")]
        return ["compress", model or f"{self.home / 'net.py'}:build", *given, "-o", str(output), *more]


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it said on stderr."""

    code: int
    said: str


Press = Callable[..., Done]


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """The folder, made once; outputs go elsewhere."""
    home = tmp_path_factory.mktemp("desk")
    (home / "net.py").write_text(NET)
    (home / "recipe.yaml").write_text(RECIPE)
    rng = np.random.Generator(np.random.PCG64(0))
    parts = {name: (rng.integers(0, 256, (n, 1, 6, 6), np.uint8), rng.integers(0, 3, n)) for name, n in (("train", 40), ("test", 12))}
    np.savez(home / "data.npz", **{f"{axis}_{name}": pair[i] for name, pair in parts.items() for i, axis in enumerate("xy")})
    return Desk(home)


@pytest.fixture
def abridged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a graph and with few timings, a compress takes a fraction of a second."""

    def refuse(*_: object) -> bytes:
        raise ExportError("not now", where="in this test")

    monkeypatch.setattr("laconic.recipe.package.export", refuse)
    monkeypatch.setattr("laconic.recipe.measure.REPEATS", 2)


@pytest.fixture
def press(desk: Desk, capsys: pytest.CaptureFixture[str], abridged: None) -> Press:
    """Compresses in this process into a given file, abridged."""

    def run(output: Path, *more: str, model: str = "") -> Done:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main(desk.words(output, *more, model=model))
        return Done(int(end.value.code or 0), capsys.readouterr().err)

    return run


@pytest.fixture(scope="session")
def begin(desk: Desk) -> Callable[..., "subprocess.Popen[str]"]:
    """Begins to compress in a process of its own, whole and unabridged."""

    def start(output: Path, *more: str, cwd: Path | None = None, **environment: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "laconic", *desk.words(output, *more)]
        env = os.environ | {"OMP_NUM_THREADS": "1"} | environment
        return subprocess.Popen(command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return start
