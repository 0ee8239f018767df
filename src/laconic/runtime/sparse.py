"""Compressed sparse rows, and the two kernels that multiply them.

    A   the weights that are not zero, row after row
    JA  the column of each
    IA  where each row begins in A; one more, for the end

A row times a vector reads six bytes a weight that is left, and one value of the vector from somewhere; a dense row reads four bytes a
weight, all in order. So sparse pays from some share of zeros that depends on the machine: it is measured (partition.py). Large layers wait
for these bytes, so weights that are 8-bit integers times a step of their row are kept as integers: three bytes each.
"""

from dataclasses import dataclass, replace

import numpy as np
from numba import njit

from laconic.forms.rows import levels
from laconic.forms.steps import common_steps

TILE = 64  # columns of a matrix that are summed up at a time, in the nearest cache
FEW = 4  # columns up to which they are multiplied one by one


@dataclass(frozen=True, eq=False)
class Rows:
    """A sparse matrix `(rows, columns)`.

    Args:
        values: A, float32 or int8 `(n,)`.
        columns: JA, uint16 where that is enough, else uint32, `(n,)`.
        starts: IA, uint64 `(rows + 1,)`.
        steps: what the values of a row are multiplied by, float32 `(rows,)`.
    """

    values: np.ndarray
    columns: np.ndarray
    starts: np.ndarray
    steps: np.ndarray

    @classmethod
    def of(cls, matrix: np.ndarray, steps: np.ndarray | None = None) -> "Rows":
        """Of a dense matrix, float32 or int8, each of whose rows is to be multiplied by a step, 1 unless told otherwise.

        >>> rows = Rows.of(np.float32([[0, 2], [0, 0], [3, 4]]))
        >>> rows.values.tolist(), rows.columns.tolist(), rows.starts.tolist()
        ([2.0, 3.0, 4.0], [1, 0, 1], [0, 1, 1, 3])
        """
        at, columns = np.nonzero(matrix)
        starts = np.concatenate(([0], np.cumsum(np.bincount(at, minlength=len(matrix))))).astype(np.uint64)
        narrow = np.uint16 if matrix.shape[1] <= 1 << 16 else np.uint32
        steps = np.ones(len(matrix), np.float32) if steps is None else steps
        return cls(matrix[at, columns], columns.astype(narrow), starts, steps)

    def in_integers(self) -> "Rows":
        """The same with 8-bit integers, where every row is some times a step bit for bit; otherwise itself.

        >>> Rows.of(np.float32([[0.5, 0, -0.75], [0, 3, 0]])).in_integers().values.tolist()
        [2, -3, 1]
        """
        starts = self.starts.astype(np.int64)
        counts = starts[1:] - starts[:-1]
        row = np.repeat(np.arange(len(counts)), counts)
        place = np.arange(len(row)) - starts[row]
        side_by_side = np.zeros((len(counts), int(counts.max(initial=0))), np.float32)
        side_by_side[row, place] = self.values
        found = common_steps(side_by_side) if side_by_side.size and (self.steps == 1).all() else None
        if found is None or np.abs(found[0]).max() > levels(8):
            return self
        return replace(self, values=found[0][row, place].astype(np.int8), steps=found[1])

    def times_vectors(self, vectors: np.ndarray) -> np.ndarray:
        """Of `(n, columns)`, float32: `(n, rows)`, each vector multiplied."""
        if len(vectors) > FEW:
            return np.ascontiguousarray(self.times_matrix(np.ascontiguousarray(vectors.T)).T)
        out = np.empty((len(vectors), len(self.starts) - 1), np.float32)
        for vector, product in zip(np.ascontiguousarray(vectors), out, strict=True):
            _times_vector(self.values, self.columns, self.starts, self.steps, vector, product)
        return out

    def times_matrix(self, matrix: np.ndarray) -> np.ndarray:
        """Of `(columns, n)`, float32 in one piece: `(rows, n)`."""
        out = np.empty((len(self.starts) - 1, matrix.shape[1]), np.float32)
        _times_matrix(self.values, self.columns, self.starts, self.steps, matrix, out)
        return out


@njit(cache=True, fastmath=True, boundscheck=False, nogil=True)
def _times_vector(values, columns, starts, steps, vector, out):  # type: ignore[no-untyped-def]
    """Indices are unsigned throughout: signed ones might count from the end, which costs a branch each."""
    for row in range(np.uint64(len(starts) - 1)):
        total = np.float32(0)
        for place in range(starts[row], starts[row + np.uint64(1)]):
            total += np.float32(values[place]) * vector[columns[place]]
        out[row] = total * steps[row]


@njit(cache=True, fastmath=True, boundscheck=False, nogil=True)
def _times_matrix(values, columns, starts, steps, matrix, out):  # type: ignore[no-untyped-def]
    sums = np.empty(TILE, np.float32)
    width = matrix.shape[1]
    for row in range(np.uint64(len(starts) - 1)):
        for left in range(0, width, TILE):
            count = min(TILE, width - left)
            sums[:count] = 0
            for place in range(starts[row], starts[row + np.uint64(1)]):
                value, line = np.float32(values[place]), matrix[columns[place], left : left + count]
                for k in range(count):
                    sums[k] += value * line[k]
            out[row, left : left + count] = sums[:count] * steps[row]
