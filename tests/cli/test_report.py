"""laconic report: a finished run, told again."""

import shutil
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def story(desk: Any, tmp_path: Path) -> Path:
    return Path(shutil.copytree(desk.story, tmp_path / "story"))


def test_the_page_is_rendered_again_from_the_results(cli: Any, story: Path) -> None:
    before = (story / "report.html").read_text()
    (story / "report.html").unlink()
    done = cli("report", story)
    assert done.code == 0, done.err
    assert (story / "report.html").read_text() == before
    assert "smaller" in done.out


def test_json_holds_the_record(cli: Any, story: Path) -> None:
    assert cli("report", story, "--json").json()["record"]["seed"] == 4


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"model": 1}'])
def test_results_that_are_none_exit_3(cli: Any, story: Path, text: str) -> None:
    (story / "results.json").write_text(text)
    assert cli("report", story).code == 3


def test_a_folder_without_results_exits_2(cli: Any, tmp_path: Path) -> None:
    assert cli("report", tmp_path).code == 2
    assert cli("report", tmp_path / "gone").code == 2
