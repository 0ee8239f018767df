"""laconic compress."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import laconic
from laconic.base.imports import call_attribute
from laconic.base.records import Record
from laconic.recipe import load_recipe


def words(desk: Any, **said: object) -> list[object]:
    known: dict[str, object] = {"data": desk.data, "recipe": desk.recipe} | said
    return ["compress", desk.net, *(part for word, value in known.items() for part in (f"--{word.replace('_', '-')}", value))]


def test_the_file_runs_and_the_story_is_told(desk: Any) -> None:
    outputs = laconic.load(desk.small)(np.zeros((2, 1, 6, 6), np.float32))
    assert outputs.shape == (2, 3)
    record = Record.from_json((desk.story / "results.json").read_text())
    assert record.after.size.value == desk.small.stat().st_size
    assert record.model == desk.net
    assert (desk.story / "report.html").read_text().startswith("<!doctype html>".upper()[:2])


def test_json_is_alone_on_stdout_though_the_users_file_prints(cli: Any, desk: Any, tmp_path: Path) -> None:
    file, saved = tmp_path / "again.lac", tmp_path / "said.yaml"
    done = cli(*words(desk, output=file, save_recipe=saved, seed=9, mean="0.5", std="0.25"), "--json")
    told = done.json()
    assert told["bytes"] == file.stat().st_size
    assert told["record"]["seed"] == 9
    assert told["record"]["sha256"] == told["sha256"]
    assert "a user's file may print" in done.err
    assert load_recipe(str(saved)).seed == 9
    assert load_recipe(str(saved)).steps == load_recipe(str(desk.recipe)).steps
    stage = laconic.load(file).notes.preprocessing
    assert stage is not None
    assert (stage.mean, stage.std) == ((0.5,), (0.25,))


def test_the_same_words_give_the_same_bytes(cli: Any, desk: Any, tmp_path: Path) -> None:
    done = cli(*words(desk, output=tmp_path / "again.lac"))
    assert done.code == 0
    assert (tmp_path / "again.lac").read_bytes() == desk.small.read_bytes()
    assert "smaller" in done.out
    assert "share" in done.err


def test_a_checkpoint_brings_its_weights_and_its_own_splits(cli: Any, desk: Any, tmp_path: Path) -> None:
    model = call_attribute(desk.net, error=Exception)
    state = {name: torch.full_like(value, 0.25) for name, value in model.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "w.pth")
    (tmp_path / "none.yaml").write_text("steps: []\n")
    file = tmp_path / "c.lac"
    done = cli(*words(desk, output=file, recipe=tmp_path / "none.yaml", weights=tmp_path / "w.pth"), "--weights-only", "--json")
    assert done.code == 0, done.err
    told = done.json()
    assert told["record"]["after"]["score"]["n"] < 12
    assert told["weights_only"] is True
    assert told["bytes"] == file.stat().st_size == told["record"]["weights_only"]["value"] < told["record"]["after"]["size"]["value"]
    assert cli("run", file, file).code == 2
    loaded = laconic.load_into(model, file).state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in state.items())


@pytest.mark.parametrize(
    ("said", "code", "clue"),
    [
        ({"recipe": "deep"}, 2, "deep-compression"),
        ({"recipe": "gone.yaml"}, 2, "gone.yaml"),
        ({"output": "."}, 2, "folder"),
        ({"output": "nowhere/c.lac"}, 2, "nowhere"),
        ({"save-recipe": "nowhere/r.yaml"}, 2, "nowhere"),
        ({"run": "occupied/story"}, 2, "occupied"),
        ({"input": "3,6,6"}, 2, "--input"),
        ({"mean": "0.5"}, 2, "together"),
        ({"data": "dgits"}, 2, "digits"),
        ({"data": "npz:gone.npz"}, 3, "gone.npz"),
        ({"data": "digits"}, 3, "8, 8"),
        ({"input": "3x6x6"}, 3, "(3, 6, 6)"),
        ({"weights": "gone.pt"}, 3, "gone.pt"),
        ({"weights": "occupied"}, 3, "occupied"),
    ],
)
def test_what_cannot_work_is_refused_and_nothing_is_written(
    cli: Any, desk: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: dict[str, str], code: int, clue: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("occupied").touch()
    done = cli(*words(desk, **({"output": "c.lac"} | said)))
    assert (done.code, done.out) == (code, "")
    assert clue in done.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["occupied"]


def test_a_wrong_target_is_refused_before_the_work(cli: Any, desk: Any) -> None:
    done = cli(*words(desk, output=desk.home))
    assert "share" not in done.err


def test_a_graph_that_cannot_leave_torch_is_said_and_packed_without(cli: Any, desk: Any, tmp_path: Path) -> None:
    (tmp_path / "none.yaml").write_text("steps: []\n")
    file = tmp_path / "sly.lac"
    done = cli("compress", desk.sly, "--data", desk.data, "--recipe", tmp_path / "none.yaml", "-o", file, "--weights-only")
    assert done.code == 0, done.err
    assert "! weights only" in done.out
    assert "the table speaks of the complete file" in done.out
    assert "graph" not in json.loads(cli("inspect", file, "--json").out)["sections"]
