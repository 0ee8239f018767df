"""Forms ⇄ the integers of their blocks, a run at a time: what one direction takes out of a Form, the other puts together.

dense floats     heads                                    the tail holds the rest
dense integers   the values; uint64 as the int64 of the same bits
masked           0 where pruned, 1 + head where kept      the tail holds the rest of those kept
grid             multiples of a step                      the steps stand in a pool
codebook         places, counted from that of the entry nearest to zero; the entries stand in a pool
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from laconic.artifact.entries import TensorEntry
from laconic.artifact.pools import bounds, check_between, stored_as
from laconic.artifact.tails import Tail
from laconic.base.dtypes import MANTISSA, bits, dtype_of, is_floating
from laconic.base.errors import ArtifactError
from laconic.codec.floats import heads, largest_step
from laconic.forms import Form, rebuild
from laconic.forms.order import nearest_to_zero

Take = Callable[[slice], np.ndarray]
"""Called with runs of places, one behind the other: the integers there, int64."""

LARGEST_MULTIPLE = 1 << 24  # float32 holds every integer up to here: a grid's values are then the same in any language


def taker(form: Form) -> Take:
    """What gives out the integers of a Form's block."""
    if form.kind == "dense":
        return _take_floats(form) if is_floating(form.dtype) else _take_integers(form)
    return {"masked": _take_masked, "grid": _take_grid, "codebook": _take_codebook}[form.kind](form)


def _take_floats(form: Form) -> Take:
    patterns, mantissa = bits(form.table), MANTISSA[form.dtype.name]
    base = largest_step(patterns, mantissa)
    return lambda run: heads(patterns[run], mantissa, base)


def _take_integers(form: Form) -> Take:
    plain = form.table.view(np.int64) if form.dtype == np.uint64 else form.table
    return lambda run: plain[run].astype(np.int64)


def _take_masked(form: Form) -> Take:
    assert form.integers is not None
    mask, take, used = form.integers.reshape(-1), _take_floats(form), 0

    def masked(run: slice) -> np.ndarray:
        nonlocal used
        kept = np.flatnonzero(mask[run])
        found = np.zeros(run.stop - run.start, np.int64)
        found[kept] = 1 + take(slice(used, used + len(kept)))
        used += len(kept)
        return found

    return masked


def _take_grid(form: Form) -> Take:
    assert form.integers is not None
    multiples = form.integers.reshape(-1)
    return lambda run: multiples[run].astype(np.int64)


def _take_codebook(form: Form) -> Take:
    assert form.integers is not None
    places, zero = form.integers.reshape(-1), nearest_to_zero(form.table)
    return lambda run: places[run].astype(np.int64) - zero


class Builder(Protocol):
    """Puts a Form together."""

    def put(self, run: slice, integers: np.ndarray) -> None:
        """The integers at a run of places, int64; the runs come one behind the other.

        Raises:
            ArtifactError: no such Form has them.
        """

    def form(self) -> Form:
        """The Form, after all integers were put.

        Raises:
            ArtifactError: table or tail do not fit them.
        """


def builder(entry: TensorEntry, table: np.ndarray, tail: memoryview) -> Builder:
    """What makes the Form of an entry whose values do not all stand in a pool.

    Args:
        entry: of the table of tensors.
        table: its part of the pool.
        tail: its tail's bytes, where it has one.
    """
    if entry.form == "dense":
        return _Floats(entry, tail) if entry.has_tail else _Integers(entry)
    if entry.form == "masked":
        return _Masked(entry, tail)
    return (_Grid if entry.form == "grid" else _Codebook)(entry, table)


class _Floats:
    def __init__(self, entry: TensorEntry, tail: memoryview) -> None:
        self._entry, self._dtype = entry, dtype_of(entry.dtype)
        self._tail = Tail(tail, self._dtype)
        self._patterns = np.empty(entry.size, f"u{entry.width}")

    def put(self, run: slice, integers: np.ndarray) -> None:
        self._patterns[run] = self._tail.heads(integers)

    def form(self) -> Form:
        self._tail.complete(self._patterns)
        return rebuild("dense", self._entry.shape, None, self._patterns.view(self._dtype))


class _Integers:
    def __init__(self, entry: TensorEntry) -> None:
        self._entry, self._dtype = entry, dtype_of(entry.dtype)
        self._values = np.empty(entry.size, stored_as(self._dtype))

    def put(self, run: slice, integers: np.ndarray) -> None:
        if self._dtype == np.uint64:
            self._values[run] = integers.view(np.uint64)
            return
        check_between(integers, *bounds(self._dtype))
        self._values[run] = integers

    def form(self) -> Form:
        return rebuild("dense", self._entry.shape, None, self._values.astype(self._dtype, copy=False))


class _Masked:
    def __init__(self, entry: TensorEntry, tail: memoryview) -> None:
        self._entry, self._dtype = entry, dtype_of(entry.dtype)
        self._tail = Tail(tail, self._dtype)
        self._mask, self._kept = np.empty(entry.size, np.uint8), [np.empty(0, f"u{entry.width}")]

    def put(self, run: slice, integers: np.ndarray) -> None:
        self._mask[run] = integers != 0
        self._kept.append(self._tail.heads(integers[integers != 0] - 1))

    def form(self) -> Form:
        patterns = np.concatenate(self._kept)
        self._kept.clear()
        self._tail.complete(patterns)
        return rebuild("masked", self._entry.shape, self._mask, patterns.view(self._dtype))


class _Grid:
    def __init__(self, entry: TensorEntry, steps: np.ndarray) -> None:
        self._entry, self._steps = entry, steps
        self._multiples, self._longest = np.empty(entry.size, np.int32), 0

    def put(self, run: slice, integers: np.ndarray) -> None:
        check_between(integers, -LARGEST_MULTIPLE, LARGEST_MULTIPLE)
        self._longest = max(self._longest, int(integers.max()), -int(integers.min()))
        self._multiples[run] = integers

    def form(self) -> Form:
        with np.errstate(over="ignore", invalid="ignore"):
            finite = np.isfinite(np.array(self._longest).astype(self._steps.dtype) * self._steps).all()
        if not finite:
            raise ArtifactError("a grid has a step that is not finite, or values that would not be")
        return rebuild("grid", self._entry.shape, self._multiples, self._steps)


class _Codebook:
    def __init__(self, entry: TensorEntry, values: np.ndarray) -> None:
        self._entry, self._values = entry, values
        self._zero = nearest_to_zero(values) if len(values) else 0
        self._places = np.empty(entry.size, np.min_scalar_type(len(values) - 1))

    def put(self, run: slice, integers: np.ndarray) -> None:
        check_between(integers, -self._zero, len(self._values) - 1 - self._zero)
        self._places[run] = integers + self._zero

    def form(self) -> Form:
        return rebuild("codebook", self._entry.shape, self._places, self._values)
