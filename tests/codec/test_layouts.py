import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laconic.base.errors import CodecError
from laconic.codec.layouts import LAYOUTS, distinct, layout_at

PLAIN, SPARSE, DICTIONARY = LAYOUTS
int64s = st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-1, 1), min_size=1, max_size=60).map(lambda n: np.array(n, np.int64))


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
@given(values=int64s)
def test_joining_undoes_splitting(layout, values: np.ndarray) -> None:  # type: ignore[no-untyped-def]
    parts = layout.split(values)
    if parts is not None:
        main, side = parts
        count, kind, side_kind = layout.expect(len(values), np.int64, len(side))
        np.testing.assert_array_equal(main.astype(kind), main)
        np.testing.assert_array_equal(side.astype(side_kind), side)
        assert len(main) == count
        np.testing.assert_array_equal(layout.join(main.astype(kind), side.astype(side_kind), len(values), np.int64), values)


def test_sparse_holds_values_and_the_gaps_before_them() -> None:
    main, side = SPARSE.split(np.array([0, 0, 7, -1, 0, 5, 0]))
    assert main.tolist() == [7, -1, 5]
    assert side.tolist() == [2, 0, 1]


@pytest.mark.parametrize("values", [[0, 0], [1, 2]])
def test_sparse_needs_zeros_and_others(values: list[int]) -> None:
    assert SPARSE.split(np.array(values)) is None


def test_dictionary_holds_places_and_differences() -> None:
    main, side = DICTIONARY.split(np.array([100, -7, 100, 3]))
    assert main.tolist() == [2, 0, 2, 1]
    assert side.tolist() == [-7, 10, 97]


def test_dictionary_needs_few_values_with_gaps_between() -> None:
    assert DICTIONARY.split(np.array([4, 5, 6, 5])) is None
    assert DICTIONARY.split(np.arange(0, 2 * 4097, 2)) is None
    assert DICTIONARY.split(np.arange(0, 2 * 4096, 2)) is not None


@pytest.mark.parametrize(
    "gaps", [[-1], [3, -2], [5], [4, 0], [2, 2], [2**63 - 1], [-(2**63)], [0, 0, 0, 0, 0, 0]], ids=lambda gaps: ",".join(map(str, gaps))
)
def test_sparse_refuses_gaps_that_leave_the_array(gaps: list[int]) -> None:
    with pytest.raises(CodecError):
        SPARSE.join(np.ones(len(gaps), np.int64), np.array(gaps), 5, np.int64)


@pytest.mark.parametrize("place", [-1, 3, 2**63 - 1])
def test_dictionary_refuses_places_that_it_has_not(place: int) -> None:
    with pytest.raises(CodecError):
        DICTIONARY.join(np.array([0, place]), np.array([1, 2, 3]), 2, np.int64)


def test_distinct_counts_across_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laconic.codec.layouts._CHUNK", 3)
    assert distinct(np.array([5, 5, 1, 5, 2, 2, 9]), most=4).tolist() == [1, 2, 5, 9]  # type: ignore[union-attr]
    assert distinct(np.array([5, 5, 1, 5, 2, 2, 9]), most=3) is None


def test_an_unknown_layout_is_refused() -> None:
    with pytest.raises(CodecError, match="layout"):
        layout_at(3)
