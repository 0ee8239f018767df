"""The directory: how long each stream is, and which rows of which tensors each group holds.

The streams stand in the order pools, tails, groups, without gaps; the last group is as long as what is left.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from laconic.artifact.entries import DTYPES, TensorEntry
from laconic.artifact.wire import Reader
from laconic.codec.context.blocks import Block
from laconic.codec.limits import LARGEST_GROUP, LEAST_GROUP
from laconic.codec.varint import write_varint


class Group(NamedTuple):
    """A run of rows of blocks that are coded together.

    Args:
        rows: how many, over all its blocks.
        length: bytes of its stream.
    """

    rows: int
    length: int


class Piece(NamedTuple):
    """The part of a block that stands in one group.

    Args:
        place: of its tensor in the table.
        shape: the rows in this group, columns, taps.
    """

    place: int
    shape: Block


@dataclass(frozen=True)
class Directory:
    """The lengths of all streams.

    Args:
        pools: type → bytes, for each type that has values in a pool, in the order of `DTYPES`.
        tails: place of a tensor that has a tail → bytes, in their order.
        groups: the groups in their order.
    """

    pools: Mapping[str, int]
    tails: Mapping[int, int]
    groups: tuple[Group, ...]

    @property
    def length(self) -> int:
        """Bytes of all streams together."""
        return sum(self.pools.values()) + sum(self.tails.values()) + sum(group.length for group in self.groups)


def pool_counts(entries: Sequence[TensorEntry]) -> dict[str, int]:
    """How many values the pool of each type holds; types without any are left out."""
    counts = dict.fromkeys(DTYPES, 0)
    for entry in entries:
        if entry.pooled:
            counts[entry.dtype] += entry.pooled
    return {dtype: count for dtype, count in counts.items() if count}


def write_directory(directory: Directory) -> bytes:
    """The bytes behind the table's last entry."""
    lengths = [*directory.pools.values(), *directory.tails.values(), len(directory.groups)]
    return b"".join(map(write_varint, itertools.chain(lengths, *directory.groups[:-1])))


def read_directory(reader: Reader, entries: Sequence[TensorEntry], there: int) -> Directory:
    """The inverse of `write_directory`.

    Args:
        reader: behind the last entry.
        entries: whose streams these are.
        there: bytes of the section `streams`.

    Raises:
        ArtifactError: the streams do not fill that section, or the groups do not hold the rows that there are.
    """
    pools = {dtype: reader.varint() for dtype in pool_counts(entries)}
    tails = {place: reader.varint() for place, entry in enumerate(entries) if entry.has_tail}
    rows = sum(block[0] for entry in entries for block in entry.blocks)
    number = reader.varint()
    most = 1 + sum(entry.size for entry in entries if entry.blocks) // LEAST_GROUP  # or else a small file could have millions
    if number > min(rows, most) or (rows and not number):
        raise reader.fault(f"{number} groups for {rows} rows")
    groups: list[Group] = []
    for _ in range(number - 1):
        groups.append(Group(reader.varint(), reader.varint()))
    found = Directory(pools, tails, tuple(groups))
    if number:
        left = Group(rows - sum(group.rows for group in groups), there - found.length)
        found = Directory(pools, tails, (*groups, left))
    _check(reader, found, there)
    return found


def _check(reader: Reader, found: Directory, there: int) -> None:
    if any(group.rows < 1 or group.length < 1 for group in found.groups) or found.length != there:
        raise reader.fault(f"the lengths of the streams do not add up to the {there} bytes that there are")


def pieces(entries: Sequence[TensorEntry], groups: Sequence[Group]) -> list[tuple[Piece, ...]]:
    """What each group holds.

    Args:
        entries: the table.
        groups: of as many rows as the blocks of the entries have together.
    """
    blocks = ((place, block) for place, entry in enumerate(entries) for block in entry.blocks)
    return [tuple(group) for group in _cut(blocks, groups)]


def _cut(blocks: Iterator[tuple[int, Block]], groups: Sequence[Group]) -> Iterator[list[Piece]]:
    place, (left, columns, taps) = 0, (0, 0, 0)
    for group in groups:
        found, wanted = [], group.rows
        while wanted:
            if not left:
                place, (left, columns, taps) = next(blocks)
            taken = min(left, wanted)
            found.append(Piece(place, (taken, columns, taps)))
            left, wanted = left - taken, wanted - taken
        yield found


def values_of(group: Sequence[Piece]) -> int:
    """How many values a group holds."""
    return sum(math.prod(piece.shape) for piece in group)


def sizes_allowed(groups: Sequence[Sequence[Piece]]) -> bool:
    """Whether no group is too large, and none that another follows too small."""
    counts = [values_of(group) for group in groups]
    return all(count <= LARGEST_GROUP for count in counts) and all(count >= LEAST_GROUP for count in counts[:-1])
