"""Eight processes at once on one output and on one run (bar R17)."""

import time
from pathlib import Path
from typing import Any

import pytest

from laconic.artifact import unpack

CROWD = 8
FULL_MINUTES = 5


def watch(processes: list[Any], file: Path) -> set[bytes]:
    """Read `file` again and again while the processes work; every version that was seen."""
    seen, deadline = set(), time.monotonic() + 60 * FULL_MINUTES
    while any(process.poll() is None for process in processes) and time.monotonic() < deadline:
        if file.exists():
            seen.add(file.read_bytes())
        time.sleep(0.01)
    return seen | {file.read_bytes()}


@pytest.mark.slow
def test_eight_on_one_output_with_runs_of_their_own(begin: Any, tmp_path: Path) -> None:
    file = tmp_path / "small.lac"
    processes = [begin(file, "--run", str(tmp_path / str(number)), "--seed", str(number % 2)) for number in range(CROWD)]
    seen = watch(processes, file)
    ends = [(process.communicate()[1], process.returncode) for process in processes]
    assert [code for _, code in ends] == [0] * CROWD, ends
    for content in seen:
        assert unpack(content).tensors
    assert len(seen) <= 2  # one for each seed: nothing between two files was ever seen
    assert not list(tmp_path.rglob(".laconic-*"))


@pytest.mark.slow
def test_eight_on_one_run(begin: Any, tmp_path: Path) -> None:
    file = tmp_path / "small.lac"
    processes = [begin(file) for _ in range(CROWD)]
    seen = watch(processes, file)
    ends = [(process.communicate()[1], process.returncode) for process in processes]
    codes = [code for _, code in ends]
    assert 0 in codes, ends
    for said, code in ends:
        assert code in (0, 2, 6), said
        assert code == 0 or "another process is working on this run" in said or "the folder holds an interrupted run" in said
        assert "Traceback" not in said
    assert len(seen) == 1
    assert unpack(seen.pop()).tensors
    assert not list(tmp_path.rglob(".laconic-*"))
