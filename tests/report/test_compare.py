"""The page and the table of runs and files side by side."""

import dataclasses
import io
import re

import pytest
from rich.console import Console

from laconic.base.measures import Measure
from laconic.base.records import Record, Verdicts
from laconic.report.compare import changed, comparison_table, part_rows, render_comparison
from laconic.report.contenders import Contender, Part, from_record
from laconic.report.templates import LARGEST

TARGET = (0, 0, 1, 1)


def contender(name: str, size: int, **more) -> Contender:
    known = {
        "score": Measure(90.0 + size % 7, "%", "", 1000, 0.5),
        "latency": Measure(0.1 * size, "ms", "", 50, 0.01),
        "judged_on": "accuracy on digits",
        "clocked_in": "now",
        "parts": {"fc.weight": Part("codebook", size), "fc.bias": Part("dense", 40)},
        "classes": ("cat", "dog"),
        "target": TARGET,
        "decided": (0, 0, 1, size % 2),
    }
    return Contender(name, Measure(size, "bytes", "length of the file"), **{**known, **more})


A, B = contender("a.lac", 1001), contender("b.lac", 2002)


def text(page: str) -> str:
    return re.sub(r"<[^>]*>", " ", page).replace("\u202f", " ").replace("\u00a0", " ")


def test_the_page_tells_all_that_was_compared():
    page = render_comparison([A, B])
    words = text(page)
    for said in (
        "a.lac (1 001 B) is the smallest",
        "2.0 × larger",
        "b.lac against a.lac",
        "1 of 4 predictions changed",
        "fc.weight",
        "cat",
    ):
        assert said in words, said
    assert page.count("<circle") == 4
    assert "default-src 'none'" in page
    assert not re.search(r"<script|<img|<link|https?:|javascript:", page)


def test_tensors_are_held_against_the_first_column():
    other = dataclasses.replace(B, parts={"fc.bias": Part("dense", 40), "new": Part("grid", 7)})
    rows = {row.name: row.cells for row in part_rows([A, other], 9)}
    assert list(rows) == ["fc.weight", "fc.bias", "new"]
    assert rows["fc.weight"] == [("codebook", "1\u202f001", False), ("", "–", True)]
    assert rows["fc.bias"] == [("dense", "40", False), ("dense", "40", False)]
    assert rows["new"] == [("", "–", False), ("grid", "7", True)]


def test_the_largest_tensors_are_kept():
    assert [row.name for row in part_rows([A, B], 1)] == ["fc.weight"]


def test_predictions_on_other_samples_are_not_compared():
    others = [
        dataclasses.replace(B, target=(1, 0, 1, 1)),
        dataclasses.replace(B, judged_on="accuracy on mnist"),
        dataclasses.replace(B, decided=()),
    ]
    assert changed([A, *others], 9) == []
    first, other, found = changed([dataclasses.replace(A, decided=()), A, B], 9)[0]
    assert (first, other, found.sentence) == ("a.lac", "b.lac", "1 of 4 predictions changed: 1 lost, 0 gained, 0 wrong either way.")


def test_a_run_is_known_by_its_record(record: Record):
    told = dataclasses.replace(record, classes=("cat", "dog"), verdicts=Verdicts(TARGET, TARGET, (0, 0, 0, 0)), higher_is_better=False)
    found = from_record("lenet", told)
    assert (found.size, found.score, found.latency) == (record.after.size, record.after.score, record.after.latency)
    assert found.parts["fc1.weight"] == Part("codebook", 50_000)
    assert (found.target, found.decided, found.classes, found.higher_is_better) == (TARGET, (0, 0, 0, 0), ("cat", "dog"), False)


def test_what_was_not_measured_is_left_out():
    bare = [Contender(name, Measure(9, "bytes", "")) for name in "ab"]
    page = render_comparison(bare)
    assert "<circle" not in page
    assert "Which predictions" not in page
    assert "Layer by layer" not in page


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -1.0, 0.0, 1e300])
def test_odd_figures_break_nothing(odd):
    measure = Measure(odd, "bytes", "", 3, odd)
    assert "</html>" in render_comparison([A, dataclasses.replace(B, size=measure, score=measure, latency=measure)])


HOSTILE = "<script>&\"'</td>\u202e\x1b[31m\udcff{{ 7 * 7 }}"


def test_hostile_words_are_escaped_everywhere():
    words = dict.fromkeys(("judged_on", "clocked_in", "remark"), HOSTILE)
    measure = Measure(1.0, HOSTILE, HOSTILE, 3, 0.1)
    figures = dict.fromkeys(("size", "score", "latency", "speed"), measure)
    bad = dataclasses.replace(A, parts={HOSTILE: Part(HOSTILE, 3)}, classes=(HOSTILE,) * 2, **words, **figures)
    page = render_comparison([dataclasses.replace(bad, name=HOSTILE), dataclasses.replace(bad, name=HOSTILE + "2", decided=(1, 1, 1, 1))])
    assert "<script" not in page
    assert not any(sign in page for sign in "\u202e\x1b\udcff")
    assert page.count("&lt;script&gt;") >= 20
    assert "{{ 7 * 7 }}" in page


def test_the_page_of_many_large_files_stays_small():
    parts = {f"blocks.{number}.weight": Part("codebook", number) for number in range(2000)}
    many = [dataclasses.replace(A, name=f"{'long' * 100}{number}", parts=parts, classes=("&" * 10_000,) * 2) for number in range(40)]
    page = render_comparison(many)
    assert 20_000 < len(page.encode()) <= LARGEST
    assert "tensors, the smallest, are left out" in page


def test_the_terminal_shows_figures_and_verdict():
    out = io.StringIO()
    Console(file=out, width=200).print(comparison_table([A, dataclasses.replace(B, name="[red]b")]))
    assert "[red]b" in out.getvalue()
    assert "is the smallest" in out.getvalue()
