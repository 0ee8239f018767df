"""Streams → Forms, tensor by tensor and in order; groups are decoded in threads, a few ahead."""

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from laconic.artifact.blocks import builder
from laconic.artifact.directory import Piece, pool_counts, values_of
from laconic.artifact.entries import TensorEntry
from laconic.artifact.layout import Contents
from laconic.artifact.limits import Limits
from laconic.artifact.pools import decode_pool
from laconic.base.dtypes import dtype_of
from laconic.base.errors import ArtifactError, LimitError
from laconic.base.files import forget
from laconic.base.threads import in_order
from laconic.codec.context.group import read_group
from laconic.codec.limits import holds
from laconic.forms import Form, rebuild


class Tensor(NamedTuple):
    """One tensor of a file.

    Args:
        entry: its line in the table.
        form: the weight; tied ones share one Form object.
        bytes: its share of the file's streams: what its integers and its tail take, counted, and a part of the pool of its type by
            the number of its values there, estimated. The shares of all tensors add up to the whole.
    """

    entry: TensorEntry
    form: Form
    bytes: int


class _Stream(NamedTuple):
    """The bytes of one stream, and what and where it is, for errors."""

    content: memoryview
    place: str


class _Pool:
    """The values of one type that stand together, handed out from front to back."""

    def __init__(self, values: np.ndarray, length: int) -> None:
        self._values, self._length, self._at = values, length, 0

    def take(self, count: int) -> tuple[np.ndarray, int]:
        """The next `count` values, and their share of the pool's bytes."""
        start, self._at = self._at, self._at + count
        ends = (self._length * at // max(len(self._values), 1) for at in (self._at, start))
        return self._values[start : self._at].copy(), next(ends) - next(ends)


def decode(found: Contents, limits: Limits, threads: int | None) -> Iterator[Tensor]:
    """The tensors of an opened file.

    Raises:
        ArtifactError: streams that are damaged or hostile; LimitError where they ask for too much.
    """
    _check_repeated(found, limits)
    try:
        yield from _decode(found, threads)
    except MemoryError as cause:
        raise LimitError("the file asks for more memory than there is", hint="give stricter limits to refuse it sooner") from cause


def _check_repeated(found: Contents, limits: Limits) -> None:
    counts = pool_counts(found.entries)
    streams = [(length, counts[dtype]) for dtype, length in found.directory.pools.items()]
    streams += [(group.length, values_of(held)) for group, held in zip(found.directory.groups, found.pieces, strict=True)]
    repeated = sum(count for length, count in streams if not holds(length, count))
    if repeated > limits.repeated_values:
        raise LimitError(
            f"the file is too short for {repeated} of its values, where at most {limits.repeated_values} may be repetitions",
            where="section tensors",
            hint="raise the limit if you trust the file",
        )


def _decode(found: Contents, threads: int | None) -> Iterator[Tensor]:
    streams = _streams(found)
    pools = {dtype: _open_pool(next(streams), dtype, count) for dtype, count in pool_counts(found.entries).items()}
    tails = {place: next(streams) for place in found.directory.tails}
    runs = itertools.chain.from_iterable(in_order(_runs, zip(streams, found.pieces, strict=True), threads))
    targets = {entry.tied_to for entry in found.entries}
    kept: dict[int, Form] = {}
    for place, entry in enumerate(found.entries):
        if entry.form == "tied":
            yield Tensor(entry, kept[entry.tied_to], 0)
            continue
        table, share = pools[entry.dtype].take(entry.pooled) if entry.pooled else (np.empty(0, dtype_of(entry.dtype)), 0)
        tail = tails.get(place, _Stream(memoryview(b""), f"section streams, tensor {entry.name!r}"))
        form, coded = _form(entry, table, tail, runs)
        if place in targets:
            kept[place] = form
        yield Tensor(entry, form, share + len(tail.content) + coded)
        del form  # before the next is made


def _streams(found: Contents) -> Iterator[_Stream]:
    """All streams in the order of the directory: pools, tails, groups."""
    directory, at = found.directory, 0
    names = [f"pool of {dtype}" for dtype in directory.pools]
    names += [f"tail of tensor {found.entries[place].name!r}" for place in directory.tails]
    names += [f"tensors {found.entries[held[0].place].name!r} to {found.entries[held[-1].place].name!r}" for held in found.pieces]
    lengths = (*directory.pools.values(), *directory.tails.values(), *(group.length for group in directory.groups))
    for name, length in zip(names, lengths, strict=True):
        yield _Stream(found.sections["streams"][at : at + length], f"section streams, bytes {at} to {at + length}, {name}")
        at += length


def _open_pool(stream: _Stream, dtype: str, count: int) -> _Pool:
    with _at(stream.place):
        return _Pool(decode_pool(stream.content, dtype_of(dtype), count), len(stream.content))


def _runs(group: tuple[_Stream, Sequence[Piece]]) -> list[tuple[np.ndarray, int]]:
    """The integers of each piece of a group, `(n,)`, and the bytes that they take."""
    stream, held = group
    with _at(stream.place):
        blocks, ends = read_group(stream.content, [piece.shape for piece in held])
    forget(stream.content)
    return [(block.reshape(-1), end - start) for block, start, end in zip(blocks, [0, *ends], ends, strict=False)]


def _form(entry: TensorEntry, table: np.ndarray, tail: _Stream, runs: Iterator[tuple[np.ndarray, int]]) -> tuple[Form, int]:
    """The Form of an entry, and the bytes that its integers take in groups."""
    if entry.form == "dense" and not entry.blocks:
        return rebuild("dense", entry.shape, None, table), 0
    left, coded = entry.size, 0
    waiting = [next(runs)] if left else []  # nothing is allocated for a tensor before a part of it was found sound
    with _at(tail.place):
        made = builder(entry, table, tail.content)
        while left:
            integers, share = waiting.pop() if waiting else next(runs)
            made.put(slice(entry.size - left, entry.size - left + len(integers)), integers)
            left, coded = left - len(integers), coded + share
        return made.form(), coded


@contextlib.contextmanager
def _at(place: str) -> Iterator[None]:
    """Tell what goes wrong inside with the place where it did."""
    try:
        yield
    except ArtifactError as cause:
        raise type(cause)(cause.what, where=place, hint=cause.hint) from cause
