"""A record survives its own JSON, and reads what was written before a field was added."""

import json

import pytest

from laconic.base.errors import DataError
from laconic.base.measures import Measure
from laconic.base.records import Figures, Record, Verdicts

FIGURES = Figures(Measure(9, "bytes", "length of the file"))
RECORD = Record(
    "net",
    "mine",
    "squared error",
    "",
    0,
    FIGURES,
    FIGURES,
    higher_is_better=False,
    classes=("cat", "dög"),
    verdicts=Verdicts((0, 1), (0, 0), (1, 1)),
)


def test_predictions_classes_and_direction_come_back_equal():
    assert Record.from_json(RECORD.to_json()) == RECORD


def test_a_record_from_before_there_were_predictions_is_read():
    fields = json.loads(RECORD.to_json())
    for name in ("verdicts", "classes", "higher_is_better"):
        del fields[name]
    found = Record.from_json(json.dumps(fields))
    assert (found.verdicts, found.classes, found.higher_is_better) == (Verdicts(), (), True)


@pytest.mark.parametrize("sides", [((0, 1), (0,), (0, 1)), ((0,), (), ()), ((), (), (1,))])
def test_verdicts_on_different_numbers_of_samples_are_refused(sides):
    with pytest.raises(DataError, match="verdicts on"):
        Verdicts(*sides)
