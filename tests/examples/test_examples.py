"""Every example runs, in a setting of seconds, and what it prints is what its file does in a session of its own."""

import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import laconic

Load = Callable[[str], ModuleType]

SLOW = pytest.mark.slow


@pytest.mark.parametrize("name", ["regression", *(pytest.param(name, marks=SLOW) for name in ("segmentation", "language", "detection"))])
def test_an_example_writes_a_file_that_scores_what_it_prints(
    name: str, example: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / f"{name}.lac"
    record = example(name).main(epochs=2, samples=100, out=out).record
    again = re.search(r"loaded again: (\S+) (\S+) ± \S+ \(n = (\d+)\)", capsys.readouterr().out)
    assert again is not None
    assert float(again[1]) == pytest.approx(record.after.score.value, rel=1e-3)
    assert (again[2], int(again[3])) == (record.after.score.unit, record.after.score.n)
    assert out.stat().st_size == record.after.size.value < record.before.size.value / 4
    assert laconic.load(out).notes.preprocessing is not None


def test_examples_say_in_their_heading_how_they_are_run(example: Load) -> None:
    for name in ("regression", "segmentation", "language", "detection"):
        heading = example(name).__doc__
        assert heading is not None
        assert f"python examples/{name}.py" in heading
        assert f"{name}.lac" in heading
