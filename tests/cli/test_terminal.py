"""What people and machines see."""

import json
import math
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laconic.cli.terminal import found_in, printable, show, show_json, table, times


def test_json_has_null_for_what_is_not_finite(capsys: pytest.CaptureFixture[str]) -> None:
    show_json({"a": [math.nan, (1.5, math.inf)], "b": -math.inf})
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail) == {"a": [None, [1.5, None]], "b": None}


@given(st.text())
def test_printable_text_keeps_its_length_and_loses_all_that_controls(text: str) -> None:
    shown = printable(text)
    assert len(shown) == len(text)
    assert all(sign.isprintable() or unicodedata.category(sign) == "Zs" for sign in shown)
    assert printable(shown) == shown


def test_a_pipe_breaks_no_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    name = "layer." * 60
    show(table("tensor", "bytes", rows=[(name, "1")]))
    assert name in capsys.readouterr().out


def test_a_narrow_terminal_breaks_the_name_and_keeps_the_figures(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    show(table("tensor", "bytes", rows=[("layer." * 60, "1,234,567")]))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 40
    assert "1,234,567" in lines[1]


def test_a_path_is_in_one_piece_however_narrow_the_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    show(found_in("The page", Path("a folder/of some length/page.html")))
    assert capsys.readouterr().out == f"The page is in {Path('a folder/of some length/page.html')}.\n"


def test_names_are_not_read_as_markup(capsys: pytest.CaptureFixture[str]) -> None:
    show(table("tensor", rows=[("[red]conv[/red] :smile:",)]))
    assert "[red]conv[/red] :smile:" in capsys.readouterr().out


def test_small_ratios_keep_two_decimals() -> None:
    assert [times(r) for r in (0.968, 1.5, 31.18)] == ["0.97 ×", "1.50 ×", "31.2 ×"]
