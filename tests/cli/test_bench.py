"""laconic bench: two clocks, taking turns."""

import time
from pathlib import Path
from typing import Any

import pytest

from laconic.cli.turns import ratios, take_turns


def spin(ms: float) -> None:
    start = time.process_time()
    while (time.process_time() - start) * 1000 < ms:
        pass


def test_both_clocks_see_work_and_only_the_wall_sees_waiting() -> None:
    busy, lazy = take_turns([("busy", lambda: spin(4)), ("lazy", lambda: time.sleep(0.004))], 5)
    assert busy.cpu_ms == pytest.approx(4, rel=0.25)
    assert lazy.cpu_ms < 1
    assert lazy.measure.value >= 4
    assert lazy.calm < 0.25 < busy.calm


def test_the_ratio_says_how_many_times_as_fast_the_first_is() -> None:
    fast, slow = take_turns([("fast", lambda: spin(1)), ("slow", lambda: spin(4))], 9)
    wall, cpu = ratios(fast, slow)
    assert cpu == pytest.approx(4, rel=0.2)
    assert wall.value > 2
    assert wall.n == 9


def test_a_file_alone(cli: Any, desk: Any) -> None:
    told = cli("bench", desk.small, "--repeats", "5", "--batch", "2", "--json").json()
    assert [run["name"] for run in told["runs"]] == [str(desk.small)]
    assert (told["batch"], told["runs"][0]["wall"]["n"]) == (2, 5)
    assert "speed_ratio" not in told


def test_a_file_against_itself(cli: Any, desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(desk.home)
    done = cli("bench", desk.small.name, desk.small.name, "--repeats", "5")
    assert done.code == 0, done.err
    assert sum(line.startswith(desk.small.name) for line in done.out.splitlines()) == 3


def test_a_file_against_a_model_in_torch(cli: Any, desk: Any) -> None:
    told = cli("bench", desk.small, desk.net, "--repeats", "5", "--json").json()
    ours, theirs = (run["wall"]["value"] for run in told["runs"])
    assert told["runs"][1]["name"] == f"{desk.net} in torch"
    assert (told["speed_ratio"]["value"] > 1) == (theirs > ours)


def test_a_model_that_takes_other_samples_exits_3(cli: Any, desk: Any, tmp_path: Path) -> None:
    done = cli("bench", desk.small, "zoo:resnet20", "--repeats", "2")
    assert done.code == 3, done.err


def test_one_round_gives_no_spread_and_is_refused(cli: Any, desk: Any) -> None:
    assert cli("bench", desk.small, "--repeats", "1").code == 2


def test_a_tournament_ranks_every_engine_and_is_remembered(cli: Any, desk: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = cli("bench", desk.small, "--tournament", "--repeats", "3", "--json").json()
    assert {row["engine"] for row in found["ranking"]} == {"onnxruntime", "openvino"}
    times = [row["ms"] for row in found["ranking"]]
    assert times == sorted(times)
    assert all(row["error"] < 1e-4 for row in found["ranking"] if row["precision"] == "fp32")
    assert found["remembered"]
    assert (tmp_path / "laconic" / "engines.json").is_file()
    out = cli("bench", desk.small, "--tournament", "--repeats", "3").out
    assert "is fastest" in out
    assert "the fastest of calls with one sample" in out
    assert "from now on" in out


def test_a_tournament_is_of_one_file(cli: Any, desk: Any) -> None:
    assert cli("bench", desk.small, desk.small, "--tournament").code == 2


def test_the_winner_of_larger_batches_is_not_what_load_takes(cli: Any, desk: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    out = cli("bench", desk.small, "--tournament", "--batch", "32", "--repeats", "2").out
    assert "is fastest" in out
    assert "from now on" not in out
    assert not (tmp_path / "laconic").exists()


def test_layers_that_take_most_come_first(cli: Any, desk: Any) -> None:
    lines = cli("bench", desk.small, "--layers", "--repeats", "9").out.splitlines()
    told = cli("bench", desk.small, "--layers", "--repeats", "9", "--json").json()
    head, rows = lines[0].split(), lines[1 : lines.index("")]
    assert head == ["layer", "ms", "share"]
    spent = [float(row.split()[-3]) for row in rows]
    assert spent == sorted(spent, reverse=True)
    assert {one["layer"] for one in told["layers"]} >= {"0", "3"}
    assert all(one["file_ms"] >= 0 for one in told["layers"])


def test_kernels_that_take_less_than_can_be_told_have_no_share(cli: Any, desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laconic.cli.kernels.by_layer", lambda *_: {"file": {"fc": 0.0, "between layers": 0.0}})
    done = cli("bench", desk.small, "--layers")
    assert done.code == 0, done.err
    assert "fc takes 0 % of the 0 ms" in done.out


def test_layers_of_two_files_stand_side_by_side(cli: Any, desk: Any) -> None:
    told = cli("bench", desk.small, desk.small, "--layers", "--repeats", "5", "--json").json()
    assert told["original"] == told["file"] == str(desk.small)
    assert all(set(one) == {"layer", "file_ms", "original_ms"} for one in told["layers"])
    assert cli("bench", desk.small, desk.small, "--layers", "--repeats", "5").out.split()[:7] == [
        "layer",
        "ms",
        "in",
        "the",
        "other",
        "as",
        "fast",
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("zoo:lenet5", "--layers"), "compare with another .lac file"),
        (("--layers", "--threads", "2"), "one thread"),
        (("--layers", "--tournament"), "as a whole"),
    ],
)
def test_what_has_no_layers_to_tell_is_refused(cli: Any, desk: Any, words: tuple[str, ...], said: str) -> None:
    done = cli("bench", desk.small, *words)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
