"""The Forms: four ways to hold one weight as integers and a small table.

Every Form answers the same three questions, and nothing downstream asks more:

    form.array()   the weight itself
    form.integers  what an entropy coder codes, one integer a weight; None for a dense weight
    form.table     the values that the integers speak of, one-dimensional

    kind      integers             table                  array
    dense     –                    all values             table
    masked    1 where kept         the kept values        table at the kept places, 0 elsewhere
    grid      multiples of a step  steps, each for an     integers × their step
                                   equal run of weights
    codebook  places in the table  the shared values,     table[integers]
                                   ascending
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from laconic.base.dtypes import bits
from laconic.base.errors import ArtifactError
from laconic.forms.order import ascending


@dataclass(frozen=True, eq=False)
class Form:
    """A weight of `shape`, held as integers (of that shape) and a one-dimensional table."""

    kind: ClassVar[str]
    shape: tuple[int, ...]
    integers: np.ndarray | None
    table: np.ndarray

    @property
    def dtype(self) -> np.dtype:
        """The type of the weight's values."""
        return self.table.dtype

    @property
    def size(self) -> int:
        """How many weights are held."""
        return int(np.prod(self.shape, dtype=np.int64))

    def array(self) -> np.ndarray:
        """The weight, a new array of `shape`."""
        raise NotImplementedError


class Dense(Form):
    """Every value as it is.

    >>> Dense.of(np.float32([[1, 2]])).array()
    array([[1., 2.]], dtype=float32)
    """

    kind = "dense"

    @classmethod
    def of(cls, array: np.ndarray) -> "Dense":
        """Hold `array` as it is."""
        return cls(array.shape, None, np.ascontiguousarray(array).reshape(-1))

    def array(self) -> np.ndarray:
        return self.table.reshape(self.shape).copy()


class Masked(Form):
    """Some weights kept, all others zero.

    >>> Masked.of(np.float32([0, 3, 0, 4])).table
    array([3., 4.], dtype=float32)
    """

    kind = "masked"

    @classmethod
    def of(cls, array: np.ndarray, mask: np.ndarray | None = None) -> "Masked":
        """Keep `array` where `mask` is true (default: where its bits are not all zero, so that -0.0 is kept too)."""
        kept = nonzero_bits(array) if mask is None else mask
        return cls(array.shape, kept.astype(np.uint8), array[kept])

    @property
    def mask(self) -> np.ndarray:
        """True where the weight is kept, of `shape`."""
        assert self.integers is not None
        return self.integers.astype(bool)

    def array(self) -> np.ndarray:
        weight = np.zeros(self.shape, self.dtype)
        weight[self.mask] = self.table
        return weight


class Grid(Form):
    """Integer multiples of a step. Of t steps, each counts for the next n / t of n weights: one step for all, one a row, one a group.

    >>> Grid((2,), np.array([-3, 2]), np.float32([0.5])).array()
    array([-1.5,  1. ], dtype=float32)
    """

    kind = "grid"

    def array(self) -> np.ndarray:
        assert self.integers is not None
        runs = self.integers.reshape(len(self.table), self.size // max(len(self.table), 1))
        return (runs.astype(self.dtype) * self.table[:, None]).reshape(self.shape)


class Codebook(Form):
    """Shared values (Han 2016): each weight names its entry in a table. Pruned weights name an entry that is zero.

    >>> Codebook.of(np.array([0, 1, 1]), np.float32([0, -2.5])).table
    array([-2.5,  0. ], dtype=float32)
    """

    kind = "codebook"

    @classmethod
    def of(cls, integers: np.ndarray, table: np.ndarray) -> "Codebook":
        """The weight `table[integers]`, with its entries brought into ascending order: neighbours in the table are near each other."""
        order = ascending(table)
        rank = np.empty(len(order), np.min_scalar_type(max(len(order) - 1, 0)))
        rank[order] = np.arange(len(order))
        return cls(integers.shape, narrow(rank[integers]), table[order])

    def array(self) -> np.ndarray:
        assert self.integers is not None
        return self.table[self.integers]


KINDS: dict[str, type[Form]] = {form.kind: form for form in (Dense, Masked, Grid, Codebook)}


def rebuild(kind: str, shape: tuple[int, ...], integers: np.ndarray | None, table: np.ndarray) -> Form:
    """The Form of these parts, after checking that they fit each other (they may come from a stranger's file).

    Raises:
        ArtifactError: the table's length or an integer is not what `kind` and `shape` allow, or there is no such kind.
    """
    _check(kind in KINDS, kind, f"to be one of {', '.join(KINDS)}")
    expected = int(np.prod(shape, dtype=np.int64))
    if integers is not None:
        _check(integers.size == expected, kind, f"{expected} integers for shape {shape}, got {integers.size}")
        integers = integers.reshape(shape)
    _CHECKS[kind](shape, integers, table)
    return KINDS[kind](shape, None if integers is None else narrow(integers), table)


def _check(holds: bool, kind: str, what: str) -> None:
    if not holds:
        raise ArtifactError(f"a {kind} weight needs {what}", hint="the file is damaged or was not written by laconic")


def _check_dense(shape: tuple[int, ...], integers: np.ndarray | None, table: np.ndarray) -> None:
    _check(integers is None and len(table) == np.prod(shape, dtype=np.int64), "dense", f"as many values as shape {shape} has places")


def _check_masked(shape: tuple[int, ...], integers: np.ndarray | None, table: np.ndarray) -> None:
    _check(integers is not None and _between(integers, 0, 1), "masked", "a mask of zeros and ones")
    assert integers is not None
    _check(len(table) == int(integers.sum()), "masked", "one value for each kept place")


def _check_grid(shape: tuple[int, ...], integers: np.ndarray | None, table: np.ndarray) -> None:
    size, steps = int(np.prod(shape, dtype=np.int64)), len(table)
    fits = size % steps == 0 if steps else size == 0
    _check(integers is not None and fits, "grid", f"as many steps as divide its {size} weights, got {steps}")


def _check_codebook(shape: tuple[int, ...], integers: np.ndarray | None, table: np.ndarray) -> None:
    inside = integers is not None and _between(integers, 0, len(table) - 1)
    _check(inside, "codebook", f"integers from 0 to below its {len(table)} entries")


def _between(integers: np.ndarray, low: int, high: int) -> bool:
    return integers.size == 0 or (int(integers.min()) >= low and int(integers.max()) <= high)


_CHECKS = {"dense": _check_dense, "masked": _check_masked, "grid": _check_grid, "codebook": _check_codebook}


def narrow(integers: np.ndarray) -> np.ndarray:
    """The same integers in the smallest type that holds them all: most weights need one byte of the eight that int64 takes.

    >>> narrow(np.array([0, 255])).dtype, narrow(np.array([-1, 200])).dtype
    (dtype('uint8'), dtype('int16'))
    """
    low, high = (int(integers.min()), int(integers.max())) if integers.size else (0, 0)
    for dtype in (np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32):
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            return integers.astype(dtype, copy=False)
    return integers


def nonzero_bits(array: np.ndarray) -> np.ndarray:
    """Mask of the values whose bits are not all zero: everything but +0."""
    return bits(array) != 0
