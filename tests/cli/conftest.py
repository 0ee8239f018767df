"""A tiny network and its data in files of a user's."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from laconic.cli import main

NET = """
import torch
from torch import nn

print("a user's file may print")


def build():
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 4 * 4, 3))


class Sly(nn.Module):
    def __init__(self):
        super().__init__()
        self.line = nn.Linear(36, 3)

    def forward(self, x):
        y = self.line(x.flatten(1))
        return y * 2 if float(y.sum()) > 0 else y


def sly():
    return Sly()
"""

RECIPE = """
seed: 4
steps:
  - prune: {sparsity: 0.5}
  - finetune: {epochs: 1, lr: 0.01}
  - share: {bits: 3}
"""


@dataclass(frozen=True)
class Desk:
    """A folder with `net.py`, `data.npz`, `recipe.yaml`, and what compress made of them: `small.lac` and the folder `story`."""

    home: Path

    @property
    def net(self) -> str:
        return f"{self.home / 'net.py'}:build"

    @property
    def sly(self) -> str:
        return f"{self.home / 'net.py'}:sly"

    @property
    def data(self) -> str:
        return f"npz:{self.home / 'data.npz'}"

    @property
    def recipe(self) -> Path:
        return self.home / "recipe.yaml"

    @property
    def small(self) -> Path:
        return self.home / "small.lac"

    @property
    def story(self) -> Path:
        return self.home / "story"


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """The folder, made once; tests write elsewhere."""
    made = Desk(tmp_path_factory.mktemp("desk"))
    (made.home / "net.py").write_text(NET)
    made.recipe.write_text(RECIPE)
    rng = np.random.Generator(np.random.PCG64(0))
    parts = {name: (rng.integers(0, 256, (n, 1, 6, 6), np.uint8), rng.integers(0, 3, n)) for name, n in (("train", 40), ("test", 12))}
    np.savez(made.home / "data.npz", **{f"{axis}_{name}": pair[i] for name, pair in parts.items() for i, axis in enumerate("xy")})
    words = ("compress", made.net, "--data", made.data, "--recipe", made.recipe, "-o", made.small, "--run", made.story)
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    assert end.value.code == 0
    return made


@pytest.fixture(scope="session")
def packed(desk: Desk) -> Path:
    """The network as it is, in a file that stores no preprocessing."""
    file = desk.home / "packed.lac"
    with pytest.raises(SystemExit) as end:
        main(["pack", desk.net, "--input", "1x6x6", "-o", str(file)])
    assert end.value.code == 0
    return file
