"""Figures as people read them, and the verdict as they would check it."""

import dataclasses
import re

from hypothesis import given
from hypothesis import strategies as st

from laconic.base.measures import Measure
from laconic.base.records import Figures, Record
from laconic.report.comparison import lines, verdict
from laconic.report.words import factor, figure, plain, spread


def spoken(record: Record) -> str:
    return verdict(record).replace("\u202f", " ").replace("\u00a0", " ")


def of(before: Figures, after: Figures) -> Record:
    return Record("Net", "", "accuracy", "", 0, before, after)


def size(length: float) -> Measure:
    return Measure(length, "bytes", "")


def test_verdict_of_a_larger_unchanged_or_unknown_size():
    assert spoken(of(Figures(size(10)), Figures(size(25)))) == "Net is 2.5 × larger (25 B instead of 10 B)."
    assert spoken(of(Figures(size(10)), Figures(size(10)))) == "Net is as large as before (10 B)."
    assert spoken(of(Figures(size(0)), Figures(size(10)))) == "Net weighs 10 B."


def test_verdict_joins_what_was_measured():
    plain_score = Figures(size(4), Measure(0.31, "mAP", ""))
    assert spoken(of(Figures(size(8)), plain_score)) == "Net is 2.0 × smaller (4 B instead of 8 B) and scores 0.31 mAP."
    better = of(Figures(size(8), Measure(0.4, "mAP", "")), plain_score)
    assert spoken(better).endswith("and scores 0.31 mAP against 0.4 mAP before (−0.09).")
    slower = dataclasses.replace(of(Figures(size(8)), Figures(size(4))), speed_ratio=Measure(0.84, "x", ""))
    assert spoken(slower).endswith("and runs 0.84 × as fast.")


def test_decimals_follow_the_samples():
    scores = (Measure(91.73, "%", "", 10_000, 0.28), Measure(91.41, "%", "", 10_000, 0.28))
    sentence = spoken(of(Figures(size(8), scores[0]), Figures(size(4), scores[1])))
    assert "scores 91.41 % against 91.73 % before (−0.32 points)" in sentence
    assert spread(scores[0]).endswith("0.28")


@given(st.floats(0, 100), st.floats(0, 100), st.sampled_from([100, 10_000]))
def test_printed_difference_is_that_of_the_printed_scores(before, after, n):
    figures = [Figures(size(1), Measure(value, "%", "", n)) for value in (before, after)]
    row = next(line for line in lines(of(*figures)) if line.quantity.startswith("Score"))
    first, second, change = (
        float(re.match(r"[+−]?[\d.]+", cell.figure)[0].replace("−", "-")) for cell in (row.before, row.after, row.change)
    )
    assert abs(second - first - change) < 1e-6


def test_units():
    assert figure(size(1_726_856)) == "1\u202f726\u202f856\u00a0B"
    assert figure(Measure(0.41, "", "")) == "0.41"
    assert factor(1000 / 3) == "333\u00a0×"


@given(st.text())
def test_plain_text_can_be_printed_and_encoded(text):
    cleaned = plain(text + "\ud800\x1b\u202e")
    assert cleaned.encode()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", cleaned)
