"""The rows of one tensor are the columns of the next: what a filter puts out, the next layer's channel takes in.

A filter that was pruned away leaves a column of zeros in the layer behind it, and a strong one often a strong column. So the first rows of
a tensor are coded as if its columns had been as large, beside each other, as the rows of a tensor before it. The coder knows nothing
of networks: it takes the last tensor whose number of rows divides the number of columns. Where that is the wrong one, the columns
themselves soon say otherwise.
"""

from collections import deque

import numpy as np

from laconic.codec.context.levels import LARGEST, ONE

EVEN = 256
_REMEMBERED = 8
_MOST = 16 * EVEN
_SOFT = 32  # a row counts as if a 32nd of the mean came on top: a row of zeros says little of what is not there


class Links:
    """The mean magnitudes of the rows of the last few tensors."""

    def __init__(self) -> None:
        self._rows: deque[np.ndarray] = deque(maxlen=_REMEMBERED)

    def note(self, values: np.ndarray) -> None:
        """A tensor `(rows, columns, taps)` that was coded; a single row says nothing."""
        if len(values) > 1:
            magnitudes = np.minimum(np.abs(np.clip(values, -LARGEST, LARGEST)), LARGEST)
            self._rows.appendleft(magnitudes.sum((1, 2)) * ONE // (values.shape[1] * values.shape[2]))

    def columns(self, count: int) -> np.ndarray:
        """How large each of the next tensor's columns may be, int64 `(count,)`, in units of 1/256 of their mean."""
        rows = next((rows for rows in self._rows if count > 1 and count % len(rows) == 0), None)
        if rows is None:
            return np.full(count, EVEN, np.int64)
        mean = int(rows.sum()) // len(rows)
        soft = mean // _SOFT + ONE // 4096
        return np.repeat(np.minimum((rows + soft) * EVEN // (mean + soft), _MOST), count // len(rows))
