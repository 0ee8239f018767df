"""Where lines are drawn, which of them have a colour and a name, and where the names stand."""

import math
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laconic.report.curves import TONES, Curve, curves, sample

VALUE = st.floats(-1e12, 1e12)


def circles(markup: str, look: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(rf'<circle class="{look}" cx="([\d.]+)%" cy="([\d.]+)"', markup)]


def named(markup: str) -> dict[str, float]:
    return {name: float(y) for y, name in re.findall(r'<text class="name [^"]*" x="100%" dx="10" y="([\d.]+)" dy="4">(.*?)</text>', markup)}


def test_right_is_larger_up_is_higher_and_neighbours_are_joined():
    markup = curves("t", "x", "y", [Curve("a", [(50, 9), (70, 9.5), (90, 1)], "", 0)], 9)
    first, second, third = circles(markup, "tone-0")
    assert first[0] < second[0] < third[0]
    assert second[1] < first[1] < third[1]
    assert second[0] - first[0] == pytest.approx(third[0] - second[0], abs=0.02)
    lines = re.findall(r'<line class="curve tone-0" x1="([\d.]+)%" y1="([\d.]+)" x2="([\d.]+)%" y2="([\d.]+)"', markup)
    assert [tuple(map(float, line)) for line in lines] == [(*first, *second), (*second, *third)]
    level = re.search(r'class="level" x1="0%" x2="100%" y1="([\d.]+)"', markup)
    assert level is not None
    assert float(level[1]) == first[1]


@given(st.lists(st.lists(VALUE, min_size=3, max_size=3), min_size=1, max_size=8), VALUE)
def test_everything_is_drawn_inside_and_names_never_meet(values, level):
    lines = [Curve(f"p{i}", list(zip((50, 70, 90), heights, strict=True)), "", i % TONES) for i, heights in enumerate(values)]
    markup = curves("t", "x", "y", lines, level)
    drawn = [place for tone in range(TONES) for place in circles(markup, f"tone-{tone}")]
    assert len(drawn) == 3 * len(lines)
    assert all(0 <= x <= 100 and 16 <= y <= 280 for x, y in drawn)
    heights = sorted(named(markup).values())
    assert len(heights) == len(lines)
    assert all(second - first >= 16 for first, second in pairwise(heights))
    assert heights[-1] <= 280


def test_lines_without_a_tone_are_grey_nameless_and_below():
    markup = curves("t", "x", "y", [Curve("a", [(1, 1)], "", 0), Curve("b", [(1, 2)], "")], 1)
    assert markup.index('class="rest"') < markup.index('class="tone-0"')
    assert list(named(markup)) == ["a"]
    assert 'class="curve rest"' in sample(Curve("b", [], ""))


def test_long_names_keep_their_end():
    markup = curves("t", "x", "y", [Curve("features.denseblock4.denselayer16.conv2.weight", [(1, 1)], "", 0)], 1)
    assert list(named(markup)) == ["…enselayer16.conv2.weight"]


@pytest.mark.parametrize("odd", [math.nan, math.inf, 1e300])
def test_figures_beyond_all_sense_are_left_out(odd):
    markup = curves("t", "x", "y", [Curve("a", [(1, 1), (2, odd), (3, 2)], "", 0), Curve("odd", [(1, odd)], "", 1)], odd)
    assert len(circles(markup, "tone-0")) == 2
    assert circles(markup, "tone-1") == []
    assert 'class="level"' not in markup
    assert not re.search("nan|inf", str(markup).replace("finite", ""))
    assert curves("t", "x", "y", [Curve("odd", [(1, odd)], "")], 1) == ""


def test_words_are_escaped():
    markup = curves("<t>", "<x>", "<y>", [Curve("<script>", [(1, 2)], "<s>", 0)], 1)
    assert not re.search("<script>|<t>|<x>|<y>|<s>", markup)
    assert "&lt;script&gt;" in markup
