"""Sparse rows are those of the lecture, and multiply as dense ones do."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laconic.runtime import sparse
from laconic.runtime.sparse import Rows


def test_the_matrix_of_the_lecture() -> None:
    """Seed 004's 6 × 6 example."""
    matrix = np.zeros((6, 6), np.float32)
    matrix[0, 2:4] = 6, 4
    matrix[1, 3:6] = 3, 5, 7
    matrix[2, 4] = 8
    matrix[3, [0, 2, 3]] = 8, 4, 3
    matrix[5, 0:2] = 5, 9
    rows = Rows.of(matrix)
    assert rows.values.tolist() == [6, 4, 3, 5, 7, 8, 8, 4, 3, 5, 9]
    assert rows.columns.tolist() == [2, 3, 3, 4, 5, 4, 0, 2, 3, 0, 1]
    assert rows.starts.tolist() == [0, 2, 5, 6, 9, 9, 11]


@given(st.integers(1, 40), st.integers(1, 50), st.integers(1, 140), st.floats(0, 1), st.integers(0, 9))
def test_products_are_those_of_the_dense_matrix(rows: int, width: int, count: int, zeros: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    dense = rng.standard_normal((rows, width)).astype(np.float32) * (rng.random((rows, width)) >= zeros)
    other = rng.standard_normal((width, count)).astype(np.float32)
    found = Rows.of(dense)
    np.testing.assert_allclose(found.times_matrix(other), dense @ other, atol=1e-4)
    np.testing.assert_allclose(found.times_vectors(other.T), (dense @ other).T, atol=1e-4)
    np.testing.assert_allclose(found.times_vectors(other.T[:2]), (dense @ other[:, :2]).T, atol=1e-4)


@given(st.integers(1, 20), st.integers(1, 50), st.integers(1, 140), st.floats(0, 1), st.integers(0, 9))
def test_rows_on_a_grid_become_integers_and_multiply_alike(rows: int, width: int, count: int, zeros: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    integers = rng.integers(-127, 128, (rows, width)) * (rng.random((rows, width)) >= zeros)
    integers[:, 0] = 1  # what tells the step
    dense = integers.astype(np.float32) * rng.uniform(0.01, 0.02, (rows, 1)).astype(np.float32)
    other = rng.standard_normal((width, count)).astype(np.float32)
    found = Rows.of(dense).in_integers()
    assert found.values.dtype == np.int8
    np.testing.assert_allclose(found.times_matrix(other), dense @ other, atol=1e-3)
    np.testing.assert_allclose(found.times_vectors(other.T[:2]), (dense @ other[:, :2]).T, atol=1e-3)


@pytest.mark.parametrize("most", [127, 128])
def test_only_integers_of_eight_bits_do(most: int) -> None:
    rows = Rows.of(np.float32([[1, 0, 5], [0, most, 1]])).in_integers()
    assert rows.values.dtype == (np.int8 if most == 127 else np.float32)
    assert rows.times_vectors(np.float32([[1, 1, 1]])).tolist() == [[6, most + 1]]


def test_rows_wider_than_sixteen_bits() -> None:
    dense = np.zeros((2, (1 << 16) + 5), np.float32)
    dense[0, -1], dense[1, 0] = 2, 3
    rows = Rows.of(dense)
    assert rows.columns.dtype == np.uint32
    assert rows.times_vectors(np.arange(dense.shape[1], dtype=np.float32)[None]).tolist() == [[2 * (dense.shape[1] - 1), 0]]


def test_the_kernels_do_in_plain_python_what_they_do_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    dense = rng.standard_normal((5, 7)).astype(np.float32) * (rng.random((5, 7)) < 0.5)
    matrix = rng.standard_normal((7, 70)).astype(np.float32)
    rows = Rows.of(dense)
    compiled = rows.times_matrix(matrix), rows.times_vectors(matrix.T[:1])
    monkeypatch.setattr(sparse, "_times_matrix", sparse._times_matrix.py_func)
    monkeypatch.setattr(sparse, "_times_vector", sparse._times_vector.py_func)
    np.testing.assert_allclose(rows.times_matrix(matrix), compiled[0], atol=1e-5)
    np.testing.assert_allclose(rows.times_vectors(matrix.T[:1]), compiled[1], atol=1e-5)
