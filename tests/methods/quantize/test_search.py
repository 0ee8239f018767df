"""The search for where something ends: near it, after few trials, inside its range."""

import pytest

from laconic.methods.quantize.search import NEAR, boundary


@pytest.mark.parametrize("where", [1e-5, 0.02, 0.9, 1.0, 1.1, 3.0, 77.0])
def test_the_search_ends_near_the_boundary_after_few_trials(where: float) -> None:
    tried: list[float] = []

    def holds(coarseness: float) -> bool:
        tried.append(coarseness)
        return coarseness < where

    last, first = boundary(holds, 1.0, 1e-6, 100.0)
    assert last is not None
    assert first is not None
    assert last < where <= first <= NEAR * last
    assert len(tried) == len(set(tried)) <= (8 if 0.5 < where < 2 else 16)
    assert all(1e-6 <= coarseness <= 100 for coarseness in tried)


@pytest.mark.parametrize("start", [1e-9, 1e-6, 1.0, 100.0, 1e9])
def test_the_search_says_when_there_is_no_boundary(start: float) -> None:
    tried: list[float] = []
    for outcome, expected in ((True, (100.0, None)), (False, (None, 1e-6))):
        assert boundary(lambda at, outcome=outcome: tried.append(at) or outcome, start, 1e-6, 100.0) == expected  # type: ignore[misc]
    assert all(1e-6 <= coarseness <= 100 for coarseness in tried)
