"""A problem small enough to train on in a tenth of a second, networks for it, and the program run in this process or its own."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import settings
from torch import Tensor, nn

from laconic.base.preprocessing import Preprocessing
from laconic.cli import main
from laconic.datasets.data import Data, Split

# No deadline, for the first call of a kernel compiles it; the same examples each time, so that what is red is red for everybody.
settings.register_profile("laconic", deadline=None, derandomize=True)
settings.load_profile("laconic")

CLASSES = 4


def pytest_runtest_setup() -> None:
    """Each test, fixtures included, draws the same numbers whatever ran before it."""
    torch.manual_seed(0)


class Block(nn.Module):
    """Two convolutions with batch normalisation around an identity path."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x))))))


class TinyNet(nn.Module):
    """8 × 8 images of one channel → 4 logits, with whatever a residual network has."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 6, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(6)
        self.block = Block(6)
        self.fc = nn.Linear(6 * 16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.block(torch.relu(self.norm(self.stem(x)))).flatten(1))


def with_history(model: nn.Module) -> nn.Module:
    """Give every normalisation statistics, gains and shifts that a trained one might have; some gains are negative."""
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.normal_(generator=generator)
            module.running_var.uniform_(0.5, 2.0, generator=generator)
            if module.affine:
                module.weight.data.normal_(generator=generator)
                module.bias.data.normal_(generator=generator)
    return model


def quadrants(samples: int, seed: int) -> Split:
    """Noise with a bright quadrant; which one it is, is the class."""
    rng = np.random.Generator(np.random.PCG64(seed))
    targets = np.arange(samples, dtype=np.int64) % CLASSES
    inputs = rng.integers(0, 120, (samples, 1, 8, 8)).astype(np.uint8)
    for image, target in zip(inputs, targets, strict=True):
        image[0, 4 * (target // 2) :, 4 * (target % 2) :][:4, :4] += 100
    return Split(inputs, targets)


@pytest.fixture(scope="session")
def data() -> Data:
    """64 training images, 32 to validate and 32 to test."""
    names = tuple(f"corner {i}" for i in range(CLASSES))
    splits = [quadrants(samples, seed) for seed, samples in enumerate((64, 32, 32))]
    return Data("quadrants", *splits, Preprocessing((1, 8, 8), mean=(0.3,), std=(0.2,)), names, "drawn by the tests")


def residual_network() -> nn.Module:
    torch.manual_seed(0)
    return with_history(TinyNet()).eval()


@pytest.fixture
def model() -> nn.Module:
    """A residual network of 1 200 weights in evaluation mode, with the statistics of a trained one."""
    return residual_network()


@pytest.fixture(scope="module")
def residual() -> nn.Module:
    """The same, for tests that only look at it."""
    return residual_network()


@pytest.fixture(scope="session")
def history() -> Callable[[nn.Module], nn.Module]:
    """`with_history`, for networks of a test's own."""
    return with_history


@pytest.fixture(scope="session")
def digest() -> Callable[[nn.Module], str]:
    """Everything about a model that a step could touch, in one word: values, modes, what asks for gradients, gradients."""

    def of(model: nn.Module) -> str:
        seen = hashlib.sha256()
        for name, tensor in model.state_dict().items():
            seen.update(name.encode() + tensor.cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
        state = [(name, module.training) for name, module in model.named_modules()]
        state += [(name, p.requires_grad, p.grad is None) for name, p in model.named_parameters()]
        seen.update(repr(state).encode())
        return seen.hexdigest()

    return of


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """stdout, which must be JSON and nothing else."""
        return json.loads(self.out)


Cli = Callable[..., Done]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs one command in this process."""

    def run(*words: object) -> Done:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(word) for word in words])
        out, err = capsys.readouterr()
        return Done(int(end.value.code or 0), out, err)

    return run


@pytest.fixture(scope="session")
def process() -> Cli:
    """Runs one command in a process of its own, on pipes of no known width."""

    def run(*words: object) -> Done:
        command = [sys.executable, "-m", "laconic.cli", *map(str, words)]
        env = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
        return Done(done.returncode, done.stdout, done.stderr)

    return run
