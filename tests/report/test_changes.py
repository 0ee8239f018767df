"""Which predictions changed, against a count sample by sample, and where the page shows it."""

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from laconic.base.records import Record, Verdicts
from laconic.report import render
from laconic.report.changes import changes

NUMBERS = st.integers(-1, 4)
NAMES = ("cat", "dog", "gnu")
SOME = Verdicts(target=(0, 0, 1, 1, 2), before=(0, 0, 1, 0, 2), after=(0, 1, 1, 2, 2))


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), max_size=30))
def test_every_sample_is_counted_once(samples):
    sides = tuple(zip(*samples, strict=True)) or ((), (), ())
    found = changes(Verdicts(*sides), NAMES, 99)
    changed = [(t, b, a) for t, b, a in samples if b != a]
    assert found.samples == len(samples)
    assert bool(found.rows) == bool(changed)
    for row, number in zip(found.rows, sorted({t for t, _, _ in samples}), strict=False):
        own = [(b, a) for t, b, a in samples if t == number]
        assert row.name == (NAMES[number] if 0 <= number < 3 else f"class {number}")
        assert (row.samples, row.before, row.after) == (len(own), sum(b == number for b, _ in own), sum(a == number for _, a in own))
        assert row.after - row.before == row.gained - row.lost
        assert row.lost == sum(b == number and a != number for b, a in own)


def test_the_most_changed_classes_are_kept_in_their_order():
    verdicts = Verdicts(target=(0, 1, 2, 2, 3), before=(0, 1, 2, 2, 3), after=(0, 0, 0, 0, 0))
    assert [row.name for row in changes(verdicts, (), 2).rows] == ["class 1", "class 2"]


def test_the_page_tells_which_predictions_changed(record: Record):
    page = render(dataclasses.replace(record, verdicts=SOME, classes=("<b>cat</b>", "dog", "gnu")))
    assert "2 of 5 predictions changed: 1 lost, 0 gained, 1 wrong either way." in page
    assert "&lt;b&gt;cat&lt;/b&gt;" in page
    assert page.index('id="changes"') < page.index('id="layers"')


def test_the_page_says_that_none_changed(record: Record):
    page = render(dataclasses.replace(record, verdicts=Verdicts((0, 1), (1, 1), (1, 1))))
    assert "None of 2 predictions changed." in page
    assert 'class="changes"' not in page


def test_the_page_is_silent_where_nothing_is_decided(record: Record):
    assert record.verdicts == Verdicts()
    assert 'id="changes"' not in render(record)
