"""Charts: lengths in proportion, words escaped."""

import re

import pytest

from laconic.report.charts import Bar, bars, percent, strip
from laconic.report.pictures import waterfall


def widths(markup: str, tone: str) -> list[float]:
    return [float(width) for width in re.findall(rf'<rect class="{tone}[^"]*"[^>]*width="([\d.]+)%"', markup)]


def test_bars_are_proportional_to_the_longest():
    drawn = bars("Bytes", [Bar("a", 200, "200 B", tone="before"), Bar("b", 50, "50 B", ghost=200)])
    assert (widths(drawn, "before"), widths(drawn, "ghost"), widths(drawn, "after")) == ([100], [100], [25])
    assert 'aria-label="Bytes: a 200 B; b 50 B"' in drawn


def test_whisker_spans_the_spread():
    drawn = bars("Time", [Bar("a", 8, "8 ms", spread=2)])
    assert widths(drawn, "after") == [80]
    assert re.search(r'x1="60.0%" x2="100.0%"', drawn)


def test_growth_has_no_ghost():
    assert widths(bars("Bytes", [Bar("a", 9, "9 B", ghost=3)]), "ghost") == []


def test_waterfall_falls_from_stage_to_stage(record):
    drawn = waterfall(record, rows=9)
    share = [round(100 * length / 1_726_856, 2) for length in (271_032, 63_120, 55_382)]
    assert widths(drawn, "before") == [100]
    assert widths(drawn, "after") == share
    assert widths(drawn, "ghost") == [100, *share[:2]]
    assert "271\u202f032\u00a0B · 98.9\u00a0%" in drawn


def test_strip_is_cut_without_gap():
    drawn = strip("Bytes", [("a", 30), ("b", 10)])
    assert re.findall(r'x="([\d.]+)%" width="([\d.]+)%"', drawn) == [("0.0", "75.0"), ("75.0", "25.0")]


def test_words_are_escaped():
    drawn = bars("<b>", [Bar("<i>\"'", 1, "<u>")]) + strip("<b>", [("<i>", 1)])
    assert not re.search("<[biu]>", drawn)


@pytest.mark.parametrize(("part", "whole"), [(1, 0), (float("nan"), 1), (1, float("inf")), (float("inf"), 1), (-1, 2)])
def test_percent_of_nothing_is_nothing(part, whole):
    assert percent(part, whole) == 0
