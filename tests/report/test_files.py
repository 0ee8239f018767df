"""What a run leaves in its folder, and what the terminal shows."""

import dataclasses
from io import StringIO

import pytest
from rich.console import Console

from laconic.base.errors import UsageError
from laconic.base.records import Record
from laconic.report import render, summary, write


def printed(record: Record, width: int = 120) -> str:
    console = Console(file=StringIO(), width=width)
    console.print(summary(record))
    return console.file.getvalue().replace("\u202f", " ").replace("\u00a0", " ")


def test_folder_holds_the_page_and_the_record(record, tmp_path):
    write(record, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "results.json"]
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == render(record)
    assert Record.from_json((tmp_path / "results.json").read_text(encoding="utf-8")) == record


def test_names_that_are_no_text_survive(record, tmp_path):
    odd = dataclasses.replace(record, model="caf\udce9.py")
    write(odd, tmp_path)
    assert Record.from_json((tmp_path / "results.json").read_text(encoding="utf-8")) == odd
    assert "caf\ufffd.py" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_missing_folder_is_refused(record, tmp_path):
    with pytest.raises(UsageError):
        write(record, tmp_path / "nowhere")


def test_terminal_shows_the_run(record):
    text = printed(record)
    for words in ("31.2 × smaller", "98.3 % ± 0.7", "−0.3 points", "share: {bits: 5}", "27.4 × smaller", "no speed-up", "! The test split"):
        assert words in text


def test_terminal_shows_a_bare_run(bare):
    assert "The network is as large as before (4 B)." in printed(bare)


def test_terminal_reads_no_word_as_markup(record):
    odd = dataclasses.replace(record, model="[red]net[/red]\x1b[2J", warnings=("[bold]w",), speed_line="[/nothing]")
    text = printed(odd)
    assert "[red]net[/red]\ufffd[2J" in text
    assert "[bold]w" in text
    assert "\x1b" not in text
