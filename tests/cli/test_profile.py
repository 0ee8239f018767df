"""laconic profile."""

from pathlib import Path
from typing import Any

import pytest


def test_counts_of_a_network_known_by_hand(cli: Any, desk: Any) -> None:
    found = cli("profile", desk.net, "--input", "1x6x6", "--batch", "2", "--json").json()
    assert found["params"] == 4 * 9 + 4 + 64 * 3 + 3
    assert found["macs"] == 2 * (4 * 16 * 9 + 64 * 3)


def test_layers_by_their_cost(cli: Any) -> None:
    by = {
        word: [layer["name"] for layer in cli("profile", "zoo:lenet5", "--sort", word, "--json").json()["layers"]]
        for word in ("params", "macs")
    }
    assert by == {"params": ["fc1", "conv2", "fc2", "conv1"], "macs": ["conv2", "fc1", "conv1", "fc2"]}


def test_latencies_come_greatest_first(cli: Any) -> None:
    layers = cli("profile", "zoo:lenet5", "--sort", "latency", "--json").json()["layers"]
    times = [layer["latency"]["value"] for layer in layers]
    assert times == sorted(times, reverse=True)


def test_the_table_has_a_line_a_layer_and_the_whole(cli: Any) -> None:
    lines = cli("profile", "zoo:lenet5").out.replace("\u202f", " ").splitlines()
    assert [line.split()[0] for line in lines[:7]] == ["layer", "conv1", "conv2", "fc1", "fc2", "between", "whole"]
    assert "431 080 parameters, 2 293 000 MACs" in "\n".join(lines)


def test_zeros_are_counted_where_there_are_data(cli: Any) -> None:
    plain, counted = cli("profile", "zoo:lenet5", "--json").json(), cli("profile", "zoo:lenet5", "--data", "digits", "--json").json()
    assert plain["effective_macs"] is None
    assert 0 < counted["effective_macs"] <= counted["macs"]
    assert 0 < counted["layers"][3]["input_density"] < 1
    assert "not by zero" in cli("profile", "zoo:lenet5", "--data", "digits").out


def test_several_batches_make_a_line_each(cli: Any) -> None:
    lines = cli("profile", "zoo:lenet5", "--batch", "1,4").out.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["batch", "1", "4"]
    assert [one["batch"] for one in cli("profile", "zoo:lenet5", "--batch", "1,4", "--json").json()["batches"]] == [1, 4]
    assert "--batch 1,8,32" in cli("profile", "zoo:lenet5", "--batch", "0").err


def test_a_shape_must_be_said_where_only_the_builder_knows(cli: Any, desk: Any) -> None:
    done = cli("profile", desk.net)
    assert done.code == 2
    assert "--input" in done.err


def test_a_wrong_shape_or_name_exits_3(cli: Any, desk: Any) -> None:
    assert cli("profile", desk.net, "--input", "1x7x7").code == 3
    assert "zoo:lenet5" in cli("profile", "lenet5").err


def test_the_page_shows_every_layer_and_the_table_stays(cli: Any, desk: Any, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = cli("profile", desk.net, "--input", "1x6x6", "-o", page)
    assert done.code == 0, done.err
    assert f"The page is in {page}." in done.out
    assert done.out.startswith("layer")
    text = page.read_text()
    assert [f"<code>{name}</code>" in text for name in "0123"] == [True] * 4
    for look in ("tone-1", "tone-3", "rest"):
        assert f'class="block {look}"' in text


def test_the_page_shows_rates_of_layers_and_a_line_for_each_batch(cli: Any, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = cli("profile", "zoo:lenet5", "--data", "digits", "--batch", "1,4", "-o", page)
    assert done.code == 0, done.err
    text = page.read_text()
    assert "Against the batch" in text
    assert all(f"{heading}</th>" in text for heading in ("Inputs not zero", "MACs not by zero", "FLOP a byte"))
    assert [f'<tr><th scope="row">{batch}</th>' in text for batch in "14"] == [True, True]


def test_machines_learn_where_the_page_is(cli: Any, desk: Any, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    words = ("profile", desk.net, "--input", "1x6x6", "--json")
    told = cli(*words, "-o", page).json()
    assert told["page"] == str(page)
    assert page.exists()
    assert [layer["connectivity"] for layer in told["layers"]] == ["full", "other", "other", "linear"]
    assert cli(*words).json()["page"] is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-o", "gone/page.html"), "does not exist"),
        (("-o", "."), "a folder stands"),
    ],
)
def test_a_page_that_cannot_be_is_refused_before_the_work(cli: Any, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    done = cli("profile", "zoo:lenet5", *words[:-1], tmp_path / words[-1])
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ")
    assert said in done.err


LANGUAGE = """
from torch import nn

def build():
    return nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(12, 3))
"""


def test_networks_that_read_tokens(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(LANGUAGE)
    found = cli("profile", f"{tmp_path}/net.py:build", "--input", "3", "--tokens", "--json").json()
    assert (found["params"], found["macs"]) == (9 * 4 + 12 * 3 + 3, 12 * 3)
