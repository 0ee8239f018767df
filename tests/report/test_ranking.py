"""Who is held against whom, and what is said of it."""

import dataclasses

from laconic.base.measures import Measure
from laconic.report.contenders import Contender
from laconic.report.ranking import dominators, on_front, ranked, verdict


def one(name: str, size: float, score: float | None = None, latency: float | None = None, **more) -> Contender:
    return Contender(
        name,
        Measure(size, "bytes", ""),
        None if score is None else Measure(score, "%", "", 1000, 0.5),
        None if latency is None else Measure(latency, "ms", "", 50, 0.01),
        **{"judged_on": "accuracy on mnist", "clocked_in": "now", **more},
    )


def said(*contenders: Contender) -> str:
    return verdict(contenders).replace("\u202f", " ").replace("\u00a0", " ")


def test_the_verdict_names_the_leaders_and_the_beaten():
    a, b, c = one("a", 1000, 90, 2), one("b", 2000, 95, 1), one("c", 3000, 89, 3)
    assert said(a, b, c) == (
        "a (1 000 B) is the smallest. b (1 ms) is the fastest. b (95.0 %) scores best. "
        "c is dominated: another is nowhere worse and somewhere better."
    )
    assert dominators(c, [a, b, c]) == ["a", "b"]
    assert on_front([a, b, c], "score") == ["a", "b"]


def test_what_lies_within_the_spread_is_no_lead():
    assert "a (90.4 %) and b (90.0 %) score best" in said(one("b", 2, 90), one("a", 1, 90.4), one("c", 3, 80))
    assert "Within their spread all score alike (90.4 % and 90.0 %)." in said(one("b", 2, 90), one("a", 1, 90.4))
    assert "All are of one size (2 B and 2 B)." in said(one("b", 2), one("a", 2))


def test_latencies_of_different_occasions_are_not_ranked():
    a, b = one("a", 1, 90, 9, clocked_in="run a"), one("b", 2, 90, 1, clocked_in="run b")
    assert ranked([a, b], "latency") == {}
    assert "fastest" not in said(a, b)
    assert "Not all can be ranked: latencies are of different runs." in said(a, b)
    assert dominators(b, [a, b]) == ["a"], "its latency is not held against a's"


def test_the_largest_group_is_ranked():
    pair = [one("a", 1, 90), one("b", 2, 95)]
    odd = one("c", 0.5, 99, judged_on="accuracy on digits")
    assert set(ranked([odd, *pair], "score")) == {"a", "b"}
    assert "scores are of different test samples" in said(odd, *pair)


def test_a_figure_that_only_one_has_is_simply_not_ranked():
    assert said(one("a", 1, 90, 2), one("b", 2)) == "a (1 B) is the smallest."


def test_nobody_is_dominated_without_scores():
    assert dominators(one("b", 2, None, 5), [one("a", 1, None, 1)]) == []
    assert "dominated" not in said(one("a", 1), one("b", 2))


def test_errors_are_better_when_lower():
    low, high = (dataclasses.replace(one(str(score), 5, score), higher_is_better=False) for score in (3.0, 30.0))
    assert "3.0 (3.0 %) scores best" in said(low, high)
    assert dominators(high, [low, high]) == ["3.0"]
