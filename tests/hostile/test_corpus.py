"""What coverage-guided fuzzing has found is read again: every input is refused with a typed error, or decoded (bar R2)."""

import runpy
from pathlib import Path

import pytest

FUZZ = runpy.run_path(str(Path(__file__).parents[2] / "bench" / "coverage_fuzz.py"), run_name="fuzz")
CORPUS = sorted(Path(__file__).with_name("corpus").iterdir())


def test_there_is_a_corpus() -> None:
    assert len(CORPUS) > 50


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name[:12])
def test_an_input_of_the_corpus_is_refused_or_read(path: Path) -> None:
    FUZZ["attempt"](path.read_bytes())


def test_an_error_of_any_other_kind_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("not ours")

    monkeypatch.setattr("laconic.artifact.unpack", broken)
    with pytest.raises(ValueError, match="not ours"):
        FUZZ["attempt"](CORPUS[0].read_bytes())
