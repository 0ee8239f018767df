"""laconic sensitivity: which layers mind it when they are pruned."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import laconic
from laconic.cli.opening import open_model
from laconic.datasets import load_data
from laconic.methods.prune import Prune
from laconic.recipe.text import parse

LAYERS = ["0.weight", "3.weight"]


def test_machines_get_the_scores_and_a_line_that_is_a_recipe(cli: Any, desk: Any) -> None:
    words = ("sensitivity", desk.net, "--data", desk.data, "--sparsities", "0.9,0.5", "--samples", 3, "--drop", 40, "--json")
    told = cli(*words).json()
    data = load_data(desk.data)
    found = laconic.sensitivity(open_model(desk.net, None, None), data, (0.5, 0.9), samples=3)
    assert told["sparsities"] == [0.5, 0.9]
    assert told["before"]["value"] == found.before.value
    assert {name: [one["value"] for one in scores] for name, scores in told["scores"].items()} == {
        name: [one.value for one in scores] for name, scores in found.scores.items()
    }
    assert list(told["scores"]) == LAYERS
    assert told["changes"] == {name: list(found.changes(name)) for name in LAYERS}
    assert told["before"]["n"] == 3
    assert told["at_most"] == found.at_most(40)
    assert parse(f"steps: [{told['recipe']}]").steps == (Prune(sparsity=found.at_most(40)),)


def test_people_get_a_row_a_layer_the_line_and_the_page(cli: Any, desk: Any, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = cli("sensitivity", desk.net, "--data", desk.data, "--sparsities", "0,0.5", "--drop", 100, "-o", page)
    assert done.code == 0, done.err
    lines = [line.split() for line in done.out.splitlines()]
    assert lines[0] == ["layer", "0", "%", "50", "%"]
    assert [(line[0], line[1]) for line in lines[1:3]] == [(name, "0.0") for name in LAYERS]
    assert "prune: {sparsity: {0.weight: 0.5, 3.weight: 0.5}}" in done.out.splitlines()
    text = page.read_text()
    assert all(f"<code>{name}</code>" in text for name in LAYERS)
    assert "prune: {sparsity:" in text


def test_without_a_drop_there_is_no_recipe(cli: Any, desk: Any) -> None:
    told = cli("sensitivity", desk.net, "--data", desk.data, "--layers", "3", "--sparsities", "0.5", "--json").json()
    assert (told["recipe"], told["at_most"], told["page"], list(told["scores"])) == (None, None, None, ["3.weight"])


def test_the_network_stays_where_no_layer_can_be_pruned(cli: Any, desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laconic.base.sensitivities.Sensitivity.drops", lambda self, layer: (9.0,))
    words = ("sensitivity", desk.net, "--data", desk.data, "--sparsities", "0.5", "--drop", 1)
    assert "No layer stands any of these sparsities for a drop of 1." in cli(*words).out
    assert cli(*words, "--json").json()["recipe"] is None


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--sparsities", "1"), 2, "sparsity of 1"),
        (("--sparsities", "half"), 2, "no sparsities"),
        (("--layers", "conv9"), 2, "0.weight, 3.weight"),
        (("--drop", "-1"), 2, "--drop"),
        (("--samples", "0"), 2, "--samples"),
        (("--weights", "gone.pt"), 3, "gone.pt"),
    ],
)
def test_bad_words_are_refused(cli: Any, desk: Any, words: tuple[str, ...], code: int, said: str) -> None:
    done = cli("sensitivity", desk.net, "--data", desk.data, *words)
    assert (done.code, done.out) == (code, "")
    assert said in done.err


@pytest.mark.parametrize(("place", "said"), [("gone/page.html", "does not exist"), (".", "a folder stands")])
def test_a_page_that_cannot_be_written_is_refused_before_the_work(cli: Any, desk: Any, tmp_path: Path, place: str, said: str) -> None:
    done = cli("sensitivity", desk.net, "--data", desk.data, "-o", tmp_path / place)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ")
    assert said in done.err


def test_data_without_targets_are_refused(cli: Any, desk: Any, tmp_path: Path) -> None:
    rng = np.random.Generator(np.random.PCG64(0))
    np.savez(tmp_path / "bare.npz", inputs=rng.integers(0, 256, (40, 1, 6, 6), np.uint8))
    done = cli("sensitivity", desk.net, "--data", f"npz:{tmp_path / 'bare.npz'}")
    assert (done.code, done.out) == (3, "")
    assert "the data have none" in done.err
