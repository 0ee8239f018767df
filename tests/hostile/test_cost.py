"""Bars R1, R3 and R4, small: the benches of hostile files, one batch of each."""

import runpy
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.mark.slow
def test_the_worst_files_cost_their_readers_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    rows = runpy.run_path(str(BENCH / "hostile_cost.py"))["table"]()
    assert [row["file"] for row in rows if row["peak MiB"] > row["allowed MiB"]] == []
    assert max(row["seconds"] for row in rows) < 20  # that something ends; how fast it does is the bench's matter
    assert {row["outcome"] for row in rows} >= {"decoded", "refused: LimitError", "refused: ArtifactError"}


@pytest.mark.slow
def test_a_batch_of_mutants_has_no_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    line = runpy.run_path(str(BENCH / "fuzz.py"))["batch"](seed=10**6, count=1000)
    assert line["faults"] == 0
    assert line["raw refused"] > 400
    assert min(line["mended refused"], line["mended decoded"], line["mended ran"]) > 10
