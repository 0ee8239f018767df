"""laconic compare: runs and files side by side."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from laconic.artifact import read, unpack
from laconic.artifact.files import write
from laconic.cli.contenders import names_of
from laconic.datasets import load_data
from laconic.runtime import load


@pytest.fixture
def told(cli: Any, desk: Any, packed: Path, tmp_path: Path) -> Any:
    words = ("compare", packed, desk.small, desk.story, "--data", desk.data, "-o", tmp_path / "c.html", "--repeats", 5, "--json")
    return cli(*words).json()


def test_sizes_are_those_of_the_files(told: Any, desk: Any, packed: Path) -> None:
    assert [one["name"] for one in told["contenders"]] == ["packed.lac", "small.lac", "story"]
    sizes = [one["size"]["value"] for one in told["contenders"]]
    assert sizes == [packed.stat().st_size, desk.small.stat().st_size, desk.small.stat().st_size]


def test_scores_and_predictions_are_those_of_the_files(told: Any, desk: Any) -> None:
    data = load_data(desk.data)
    session = load(desk.small)
    assert session.notes.preprocessing is not None
    decided = session(session.notes.preprocessing.apply(data.test.inputs)).argmax(1)
    small, story = told["contenders"][1:]
    assert small["decided"] == story["decided"] == decided.tolist()
    assert small["target"] == data.test.targets.tolist()
    assert small["score"]["value"] == pytest.approx(100 * np.mean(decided == data.test.targets))
    assert small["judged_on"] == story["judged_on"]
    assert [(change["first"], change["other"]) for change in told["changes"]] == [("packed.lac", "small.lac"), ("packed.lac", "story")]
    assert told["changes"][0]["samples"] == 12


def test_files_are_clocked_together_and_runs_apart(told: Any) -> None:
    packed, small, story = told["contenders"]
    assert packed["clocked_in"] == small["clocked_in"] != story["clocked_in"]
    assert (packed["latency"]["n"], small["speed"]["n"]) == (5, 5)
    assert packed["speed"] is story["speed"] is None
    assert set(told["fronts"]["latency"]) <= {"packed.lac", "small.lac"}
    assert "latencies are of different runs" in told["verdict"]


def test_tensors_are_those_of_the_layout(told: Any, desk: Any) -> None:
    small, story = told["contenders"][1:]
    assert small["parts"] == story["parts"]
    assert small["parts"].keys() == unpack(read(desk.small)).tensors.keys()


def test_the_page_is_written_where_it_was_said(cli: Any, desk: Any, packed: Path, tmp_path: Path) -> None:
    done = cli("compare", desk.small, packed, "-o", tmp_path / "c.html", "--repeats", 2)
    assert done.code == 0, done.err
    assert "small.lac" in done.out
    assert "packed.lac" in (tmp_path / "c.html").read_text()


def test_a_file_of_weights_only_is_compared_in_size(cli: Any, desk: Any, tmp_path: Path) -> None:
    bare = tmp_path / "bare.lac"
    write(bare, unpack(read(desk.small)), weights_only=True)
    words = ("compare", bare, desk.story / "results.json", "--data", desk.data, "-o", tmp_path / "c.html", "--json")
    first, second = cli(*words).json()["contenders"]
    assert (first["latency"], first["score"]) == (None, None)
    assert first["remark"] == "no graph to run: weights only"
    assert set(first["parts"]) == {"#0", "#1", "#2", "#3"}
    assert second["name"] == "story"


def test_what_cannot_be_compared_is_refused(cli: Any, desk: Any, tmp_path: Path) -> None:
    page = tmp_path / "c.html"
    broken = tmp_path / "broken.lac"
    broken.write_bytes(desk.small.read_bytes()[:-9])
    cases = ((desk.small,), 2), ((desk.small, tmp_path / "gone.lac"), 2), ((desk.small, tmp_path), 2), ((desk.small, broken), 5)
    for paths, code in cases:
        assert cli("compare", *paths, "-o", page).code == code, paths
    assert cli("compare", desk.small, desk.small, "-o", tmp_path / "gone" / "c.html").code == 2
    assert cli("compare", desk.small, desk.small, "--data", "digitz", "-o", page).code == 2
    assert not page.exists()


def test_names_are_told_apart() -> None:
    assert names_of([Path("/a/x/net.lac"), Path("/b/x/net.lac"), Path("/b/x/net.lac")]) == ["a/x/net.lac", "b/x/net.lac", "b/x/net.lac (2)"]
    assert names_of([Path("/run/results.json"), Path("/other/results.json")]) == ["run", "other"]
