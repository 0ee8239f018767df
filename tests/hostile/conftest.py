"""What a hostile file is made of. Whatever such a file does, nothing may be printed."""

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from laconic.artifact import Artifact


def load(path: Path) -> ModuleType:
    """A Python file that is in no package, as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MUTANTS = load(Path(__file__).with_name("mutants.py"))


@pytest.fixture(autouse=True)
def _nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    yield
    assert capfd.readouterr() == ("", "")


@pytest.fixture(scope="session")
def mutants() -> ModuleType:
    """The module `mutants`."""
    return MUTANTS


@pytest.fixture(scope="session")
def graph_of() -> Callable[..., bytes]:
    """A call that makes a graph of a body in ONNX's own notation, with the input `x` (n, 4) and the file's tensor `w` (4, 3)."""
    return MUTANTS.graph_of


@pytest.fixture(scope="session")
def sound() -> Artifact:
    """A small network of all Forms, with a graph that computes a shape, and with all notes."""
    return MUTANTS.sound()


@pytest.fixture(scope="session")
def trial() -> Callable[[bytes], str]:
    """A call that does with a file what a reader may do, and says how far it came; only an ArtifactError may stop it."""
    return MUTANTS.attempt
