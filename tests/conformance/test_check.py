"""`laconic check`: what it promises is what comes."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from laconic import Data, Finetune, Fold, Prune, Share, Training, from_arrays
from laconic.recipe import Recipe, check, run

PRESSED = (
    Prune(sparsity=0.8, rounds=3, training=Training(epochs=2, lr=0.01, batch=16)),
    Share(bits=4),
    Finetune(epochs=1, lr=0.001, batch=16),
)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 4))


@pytest.fixture(scope="module")
def samples() -> Data:
    rng = np.random.Generator(np.random.PCG64(0))
    parts = [(rng.integers(0, 256, (n, 1, 8, 8)).astype(np.uint8), np.arange(n) % 4) for n in (160, 40, 40)]
    return from_arrays(*parts)


def test_size_is_good_to_a_fifth_and_time_tells_minutes_from_hours(samples: Data) -> None:
    recipe = Recipe(PRESSED)
    found = check(network(), samples, recipe, name="net")
    done = run(network(), samples, recipe)
    assert found.size.value == pytest.approx(len(done.content), rel=0.2)
    assert found.before.value == done.record.before.size.value
    assert 0 < found.time.value < 600
    assert found.graph
    assert found.warnings == done.record.warnings == ()


def test_every_weight_and_its_steps_are_told(samples: Data) -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.fc = nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 4)
            self.b.weight = self.a.weight
            self.fc.weight.data.fill_(0.25)
            self.empty = nn.Parameter(torch.zeros(0, 2))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(self.b(self.a(x.flatten(1))) * (1 if float(x.sum()) > 0 else 2))

    found = check(Odd(), samples, Recipe((Prune(sparsity={"a": 0.5}), Share(bits={"a": 3}), Finetune(epochs=0))), name="odd")
    told = {fate.name: (fate.steps, fate.remark) for fate in found.fates}
    assert told["a.weight"] == (("prune", "share"), "tied to b.weight")
    assert told["fc.weight"] == ((), "no step of the recipe presses it; all its values are equal")
    assert told["empty"] == ((), "it is empty")
    assert not found.graph
    assert any(warning.startswith("weights only") for warning in found.warnings)
    assert "1 of 3 weight tensors" in str(found)
    assert json.loads(found.to_json())["verdict"] == found.verdict


def test_large_tensors_are_packed_in_part_and_counted_whole(samples: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe((Fold(), Prune(sparsity=0.5), Share(bits=4)))
    whole = check(network(), samples, recipe).size.value
    monkeypatch.setattr(sys.modules["laconic.recipe.check"], "MOST_PACKED", 3072)
    assert check(network(), samples, recipe).size.value == pytest.approx(whole, rel=0.1)


@pytest.fixture
def desk(tmp_path: Path, samples: Data, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of a user's, who works in it."""
    (tmp_path / "net.py").write_text(
        "from torch import nn\n\n\ndef build():\n    return nn.Sequential(nn.Flatten(), nn.Linear(64, 4))\n\n\n"
        "def crooked():\n    return nn.Sequential(nn.Flatten(), nn.Linear(63, 4))\n\n\ndef broken():\n    return 1 / 0\n"
    )
    arrays = {
        f"{axis}_{name}": getattr(getattr(samples, name), word)
        for name in ("train", "test")
        for axis, word in ((("x"), "inputs"), ("y", "targets"))
    }
    np.savez(tmp_path / "d.npz", **arrays)
    (tmp_path / "r.yaml").write_text("steps: [prune: {sparsity: 0.5}, share: {bits: 3}]\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_tells_people_and_machines_and_writes_nothing(cli: Any, desk: Path) -> None:
    before = sorted(desk.rglob("*"))
    done = cli("check", "net.py:build", "--data", "npz:d.npz", "--recipe", "r.yaml")
    assert (done.code, "prune → share" in done.out, "1 of 1 weight tensors" in done.out) == (0, True, True)
    told = cli("check", "net.py:build", "--data", "npz:d.npz", "--recipe", "r.yaml", "--json")
    assert json.loads(told.out)["fates"][0]["steps"] == ["prune", "share"]
    assert [path for path in sorted(desk.rglob("*")) if "__pycache__" not in path.parts] == before


COMPLAINTS = {
    "a model of no file": (3, ("check", "gone.py:build", "--data", "npz:d.npz")),
    "a builder of no name": (3, ("check", "net.py:biuld", "--data", "npz:d.npz")),
    "a builder that fails": (3, ("check", "net.py:broken", "--data", "npz:d.npz")),
    "a model of another shape": (3, ("check", "net.py:crooked", "--data", "npz:d.npz", "--recipe", "r.yaml")),
    "a model without its source": (3, ("check", "lenet5", "--data", "digits")),
    "a mistyped model of the zoo": (3, ("check", "zoo:lenet6", "--data", "digits")),
    "data of no file": (3, ("check", "net.py:build", "--data", "npz:gone.npz")),
    "data of no name": (2, ("check", "net.py:build", "--data", "digts")),
    "a mistyped preset": (2, ("check", "net.py:build", "--data", "npz:d.npz", "--recipe", "deep-compresion")),
    "a recipe of no file": (2, ("check", "net.py:build", "--data", "npz:d.npz", "--recipe", "gone.yaml")),
    "weights of no file": (3, ("check", "net.py:build", "--data", "npz:d.npz", "--weights", "gone.pt")),
    "a shape in words": (2, ("check", "net.py:build", "--data", "npz:d.npz", "--input", "big")),
    "a mean without a deviation": (2, ("check", "net.py:build", "--data", "npz:d.npz", "--mean", "0.5")),
    "a profile without a shape": (2, ("profile", "net.py:build")),
    "a profile of another shape": (3, ("profile", "net.py:build", "--input", "1x7x7")),
    "a sparsity of everything": (2, ("sensitivity", "net.py:build", "--data", "npz:d.npz", "--sparsities", "0.5,1")),
    "sparsities in words": (2, ("sensitivity", "net.py:build", "--data", "npz:d.npz", "--sparsities", "most")),
    "a layer that is not there": (2, ("sensitivity", "net.py:build", "--data", "npz:d.npz", "--layers", "conv9")),
    "a page in no folder": (2, ("sensitivity", "net.py:build", "--data", "npz:d.npz", "-o", "gone/page.html")),
    "a profile in no folder": (2, ("profile", "net.py:build", "--input", "1x8x8", "-o", "gone/page.html")),
    "a file that is not there": (2, ("inspect", "gone.lac")),
    "a file of another kind": (5, ("verify", "d.npz")),
    "an input that is not there": (2, ("run", "gone.lac", "gone.npy")),
}


@pytest.mark.parametrize("name", COMPLAINTS)
def test_what_the_program_says_when_it_cannot(name: str, cli: Any, desk: Path, heard: Any) -> None:
    code, words = COMPLAINTS[name]
    done = cli(*words)
    assert (done.code, done.out) == (code, "")
    said = done.err[done.err.index("error: ") :]
    assert "where:" in said or "try:" in said
    heard("cli", name, said)


@pytest.mark.parametrize("slow", [True, False])
def test_mixed_precision_is_warned_of_where_it_is_slow(samples: Data, slow: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["laconic.recipe.check"], "slow_on", lambda device: slow)
    found = check(network(), samples, Recipe((Finetune(epochs=1, precision="mixed"),)), name="net")
    assert found.warnings == (("finetune: without arithmetic in bfloat16, as here, precision: full is much faster",) if slow else ())
