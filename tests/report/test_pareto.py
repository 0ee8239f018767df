"""The Pareto front against its definition spelled out, and what spreads do to it."""

from hypothesis import given
from hypothesis import strategies as st

from laconic.report.pareto import better, dominates, front

COST = st.tuples(st.integers(0, 5), st.just(0))
EXACT = st.lists(st.tuples(COST, COST, COST), max_size=12)
NOISY = st.lists(
    st.tuples(st.tuples(st.floats(0, 9), st.floats(0, 3)), st.tuples(st.floats(0, 9), st.floats(0, 3))), min_size=1, max_size=12
)


@given(EXACT)
def test_the_front_is_what_is_left_when_all_beaten_are_struck_out(points):
    values = [tuple(value for value, _ in point) for point in points]
    left = []
    for place, own in enumerate(values):
        beaten = False
        for other in values:
            if other != own and max(o - m for o, m in zip(other, own, strict=True)) <= 0:
                beaten = True
        if not beaten:
            left.append(place)
    assert front(points) == left


@given(NOISY)
def test_somebody_is_always_on_the_front_and_nobody_beats_himself(points):
    assert front(points)
    assert not any(dominates(point, point) for point in points)


@given(NOISY)
def test_spreads_only_ever_add_to_the_front(points):
    exact = [tuple((value, 0.0) for value, _ in point) for point in points]
    assert set(front(exact)) <= set(front(points))


def test_a_difference_counts_from_both_spreads_together_on():
    assert not better((10, 3), (15, 4))
    assert better((10, 3), (15.1, 4))
