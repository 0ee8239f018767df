"""Bar R13, small: eight kills; `python bench/kills.py` does two hundred."""

import runpy
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench" / "kills.py"


@pytest.mark.slow
def test_killed_runs_go_on_to_the_same_bytes(tmp_path: Path) -> None:
    tally = runpy.run_path(str(BENCH))["torment"](tmp_path, kills=8)
    assert (tally.kills, len(tally.digests), tally.refused, tally.strays) == (8, 1, 0, 0)
    assert tally.through >= 1
