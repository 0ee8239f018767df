"""What the codec's tests share: the whole codec as plain Python, and arrays of every kind."""

import importlib
import pkgutil
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import settings
from numba.core.dispatcher import Dispatcher

import laconic.codec

settings.register_profile("compiling", deadline=None)  # the first call of a kernel compiles it
settings.load_profile("compiling")


@pytest.fixture
def to_plain_python(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A call that replaces every compiled kernel of the codec by the Python function it was compiled from, for the rest of the test."""

    def replace() -> None:
        for found in pkgutil.walk_packages(laconic.codec.__path__, "laconic.codec."):
            module = importlib.import_module(found.name)
            for name, value in vars(module).copy().items():
                if isinstance(value, Dispatcher):
                    monkeypatch.setattr(module, name, value.py_func)

    return replace


def arrays() -> dict[str, np.ndarray]:
    """One array of every kind that the codec meets."""
    rng = np.random.Generator(np.random.PCG64(0))
    extremes = np.array([-(2**63), 2**63 - 1, 0, -1, 1, 2**62, -(2**62)], np.int64)
    return {
        "one value": np.array([-5]),
        "all equal": np.full(500, 2**63 - 1),
        "all zero": np.zeros(500, np.int64),
        "extremes": extremes,
        "repeated extremes": rng.choice(extremes, 300),
        "two values": rng.integers(0, 2, 400),
        "codebook": rng.choice(32, 600, p=rng.dirichlet(np.ones(32))),
        "sparse": rng.integers(-9, 10, 800) * (rng.random(800) < 0.1),
        "one in a thousand": np.eye(1, 1000, 700, dtype=np.int64)[0] * -3,
        "ramp": np.arange(-300, 300),
        "far apart": rng.choice(np.array([-(10**15), 3, 10**9, 10**17]), 500),
        "heavy tails": np.rint(rng.standard_cauchy(400) * 10).astype(np.int64),
        "huge alphabet": rng.integers(-(2**40), 2**40, 300),
        "bytes": rng.integers(0, 256, 400),
    }


ARRAYS = arrays()


@pytest.fixture(params=ARRAYS, ids=lambda name: name.replace(" ", "-"))
def values(request: pytest.FixtureRequest) -> np.ndarray:
    """Each of `arrays()` in turn."""
    return ARRAYS[request.param]
