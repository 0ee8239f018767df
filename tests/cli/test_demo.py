"""laconic demo: the main job from end to end."""

from pathlib import Path
from typing import Any

import pytest


@pytest.mark.slow
def test_the_demo_keeps_its_promises(cli: Any, tmp_path: Path) -> None:
    done = cli("demo", "--out", tmp_path / "demo", "--json")
    assert done.code == 0, done.err
    told = done.json()
    assert sorted(path.name for path in (tmp_path / "demo").iterdir()) == ["digits.lac", "report.html", "results.json"]
    assert told["fresh_process"]["torch"] is False
    assert told["fresh_process"]["bytes"] == (tmp_path / "demo" / "digits.lac").stat().st_size
    before, after = told["record"]["before"], told["record"]["after"]
    assert before["size"]["value"] > 30 * after["size"]["value"]
    assert after["score"]["value"] > 95
    assert 100 * told["fresh_process"]["correct"] / told["fresh_process"]["samples"] == pytest.approx(after["score"]["value"])


def test_a_file_where_the_folder_should_be_is_refused_at_once(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "demo").touch()
    assert cli("demo", "--out", tmp_path / "demo").code == 2
