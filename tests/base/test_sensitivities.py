"""What a drop allows, in either direction of a score."""

import math

import pytest

from laconic.base.errors import UsageError
from laconic.base.measures import Measure
from laconic.base.sensitivities import Sensitivity
from laconic.nn import matching

SPARSITIES = (0.5, 0.7, 0.9)


def found(higher: bool = True, **scores: tuple[float, ...]) -> Sensitivity:
    measures = {name: tuple(Measure(value, "", "by hand") for value in values) for name, values in scores.items()}
    return Sensitivity("score", higher, SPARSITIES, Measure(97.0, "", "by hand"), measures)


def test_the_greatest_sparsity_within_the_drop() -> None:
    told = found(firm=(97, 97, 96), soft=(97, 95.9, 50), weak=(90, 80, 70), better=(97, 98, 99))
    assert told.at_most(1) == {"firm": 0.9, "soft": 0.5, "better": 0.9}
    assert told.at_most(0) == {"firm": 0.7, "soft": 0.5, "better": 0.9}
    assert found(lucky=(97, 90, 97)).at_most(1) == {"lucky": 0.5}
    assert told.at_most(100) == dict.fromkeys(("firm", "soft", "weak", "better"), 0.9)


def test_a_drop_that_is_met_to_the_last_digit_is_met() -> None:
    assert 97 - 96.3 > 0.7
    assert found(fc=(97, 96.3, 0)).at_most(0.7) == {"fc": 0.7}


def test_of_a_score_that_is_better_when_low_more_is_worse() -> None:
    told = found(higher=False, fc=(97.5, 98.5, 50))
    assert told.drops("fc") == (0.5, 1.5, -47)
    assert told.within("fc", 1) == (0.5,)  # what comes after a fall is luck


def test_a_score_that_is_no_number_is_never_within() -> None:
    assert found(fc=(97, math.nan, math.nan)).at_most(5) == {"fc": 0.5}
    assert found(fc=(math.nan,) * 3).at_most(5) == {}


@pytest.mark.parametrize("name", ["blocks[0].weight", "a*b.weight", "what?.weight", "plain.weight"])
def test_names_hold_as_patterns(name: str) -> None:
    table = found(**{name: (97, 97, 0)}).at_most(1)
    assert matching([name, "axb.weight", "blocks0.weight"], table, "prune") == {name: 0.7}


@pytest.mark.parametrize("drop", [-0.1, math.nan, math.inf])
def test_what_is_no_drop_is_refused(drop: float) -> None:
    with pytest.raises(UsageError, match="cannot be allowed"):
        found(fc=(97, 97, 97)).at_most(drop)
