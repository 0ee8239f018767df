"""Where the points of a scatter plot are, what is joined, and which words are written."""

import itertools
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laconic.report.plot import Scale, scale
from laconic.report.scatter import Point, scatter

VALUE = st.floats(-1e12, 1e12)


def point(name: str, across: float, up: float, tone: str = "front", spread: float = 0.0) -> Point:
    return Point(name, across, up, spread, "", tone)


def circles(markup: str) -> dict[str, tuple[float, float]]:
    found = re.findall(r"<title>(\w+): </title>.*?cx=\"([\d.]+)%\" cy=\"([\d.]+)\"", markup)
    return {name: (float(x), float(y)) for name, x, y in found}


def test_right_is_larger_and_up_is_higher():
    drawn = circles(scatter("t", "x", "y", [point("a", 10, 5), point("b", 20, 9), point("c", 30, 7)]))
    assert drawn["a"][0] < drawn["b"][0] < drawn["c"][0]
    assert drawn["b"][1] < drawn["c"][1] < drawn["a"][1]
    assert drawn["b"][0] - drawn["a"][0] == pytest.approx(drawn["c"][0] - drawn["b"][0], abs=0.02)


def test_wide_ranges_are_logarithmic():
    drawn = circles(scatter("t", "x", "y", [point("a", 10, 1), point("b", 100, 1), point("c", 1000, 1)]))
    assert drawn["b"][0] == pytest.approx(50, abs=0.02)


def test_only_the_front_is_joined_from_left_to_right():
    points = [point("c", 30, 9), point("a", 10, 5), point("x", 20, 1, "beaten"), point("b", 20, 7), point("y", 20, 2, "apart")]
    markup = scatter("t", "x", "y", points)
    lines = re.findall(r'<line class="front" x1="([\d.]+)%" y1="([\d.]+)" x2="([\d.]+)%" y2="([\d.]+)"', markup)
    ends = [((float(a), float(b)), (float(c), float(d))) for a, b, c, d in lines]
    places = circles(markup)
    assert ends == [(places["a"], places["b"]), (places["b"], places["c"])]


@given(st.lists(st.tuples(st.floats(1, 1e12), VALUE, st.floats(0, 1e9)), min_size=1, max_size=8))
def test_everything_is_drawn_inside(values):
    points = [Point(f"p{place}", across, up, spread, "", "front") for place, (across, up, spread) in enumerate(values)]
    for x, y in circles(scatter("t", "x", "y", points)).values():
        assert 0 <= x <= 100
        assert 16 <= y <= 280


@given(st.lists(VALUE, min_size=1, max_size=5), st.booleans())
def test_ticks_are_few_and_between_the_ends(values, logarithmic):
    found = scale(values, logarithmic=logarithmic)
    assert found.low < min(values) <= max(values) < found.high
    assert all(-1e-6 <= found.place(tick) <= 1 + 1e-6 for tick in found.ticks())
    assert len(found.ticks()) <= 30


def test_ticks_are_round():
    assert Scale(93.1, 99.8).ticks() == [94, 96, 98]
    assert [round(tick) for tick in Scale(900, 40_000, logarithmic=True).ticks()] == [1000, 3000, 10_000, 30_000]


def test_names_of_equal_points_do_not_meet():
    markup = scatter("t", "x", "y", [point(name, 10, 5) for name in "abcde"])
    rows = [float(y) for y in re.findall(r'<text x="[\d.]+%" dx="11" y="([\d.]+)"', markup)]
    assert len(rows) == 5
    assert all(abs(one - other) >= 16 for one, other in itertools.combinations(rows, 2))


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf, 1e300])
def test_figures_beyond_all_sense_are_left_out(odd):
    markup = scatter("t", "x", "y", [point("a", 10, 5), point("odd", odd, 5), point("odder", 10, odd)])
    assert list(circles(markup)) == ["a"]
    assert scatter("t", "x", "y", [point("odd", odd, 5)]) == ""


def test_names_are_escaped():
    markup = scatter("<t>", "<x>", "<y>", [point("<script>", 1, 2)])
    assert "<script>" not in markup
    assert "&lt;script&gt;" in markup
    assert "<x>" not in markup
