"""Headers that lie, under checksums that are right: each is refused with a typed error, at once, and for little memory."""

import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from laconic.artifact import Artifact, layout, pack, unpack
from laconic.artifact.frame import MAGIC, frame, unframe
from laconic.artifact.limits import Limits
from laconic.artifact.wire import deflate
from laconic.base.errors import ArtifactError
from laconic.codec.varint import write_varint as varint

MIB = 1 << 20
HUGE = (2**31 - 1, 2**31, 2**32, 2**62, 2**63 - 1)
TIED, FLOAT32, UINT8 = b"\0", 0, 5
DENSE, MASKED, GRID, CODEBOOK = 32, 64, 96, 128
NO_GROUPS = b"\0"


@contextmanager
def cheaply() -> Iterator[None]:
    """Within two seconds of the processor and 32 MiB."""
    tracemalloc.start()
    start = time.process_time()
    try:
        yield
        peak, seconds = tracemalloc.get_traced_memory()[1], time.process_time() - start
    finally:
        tracemalloc.stop()
    assert peak < 32 * MIB
    assert seconds < 2


def assert_refused(file: bytes, match: str | None = None) -> None:
    with cheaply(), pytest.raises(ArtifactError, match=match):
        unpack(file)


def file(table: bytes, streams: bytes = b"", **sections: bytes) -> bytes:
    return frame({"tensors": table, "streams": streams, **sections})


def entry(name: bytes = b"w", body: bytes = bytes([DENSE, 1, 0])) -> bytes:
    return varint(len(name)) + name + body


def tensor(kind: int, *shape: int, rank: int | None = None, count: int | None = None) -> bytes:
    """The body of an entry of this kind; `count` is that of its table."""
    sides = b"".join(map(varint, shape))
    return bytes([kind]) + varint(len(shape) if rank is None else rank) + sides + (b"" if count is None else varint(count))


def table(*entries: bytes, count: int | None = None, flags: int = 1, directory: bytes = NO_GROUPS) -> bytes:
    return varint(flags) + varint(len(entries) if count is None else count) + b"".join(entries) + directory


def numbers(*given: int) -> bytes:
    return b"".join(map(varint, given))


def test_the_builders_of_these_tests_are_right() -> None:
    assert unpack(file(table(entry()))).tensors["w"].shape == (0,)
    small, large = entry(b"s", tensor(DENSE | UINT8, 3)), entry(b"l", tensor(DENSE | UINT8, 64, 64))
    found = unpack(file(table(small, large, directory=numbers(2, 1)), bytes(2) + bytes(3))).tensors
    assert found["s"].array().tolist() == [0, 0, 0]
    assert found["l"].array().tolist() == [[0] * 64] * 64
    rows = entry(b"r", tensor(DENSE | UINT8, 300, 4096))
    found = unpack(file(table(rows, directory=numbers(2, 256, 3)), bytes(6))).tensors
    assert not found["r"].array().any()


@pytest.mark.parametrize("number", HUGE)
def test_numbers_of_any_size(number: int) -> None:
    large = entry(body=tensor(DENSE, 300, 4096))
    lies = {
        "tensors": table(entry(), count=number),
        "flags": table(flags=number),
        "name": table(varint(number) + b"w"),
        "axes": table(entry(body=tensor(DENSE, rank=number))),
        "side": table(entry(body=tensor(DENSE, number))),
        "sides": table(entry(body=tensor(DENSE, number, number, number, number))),
        "empty": table(entry(body=tensor(DENSE, 0, number, 2))),
        "steps": table(entry(body=tensor(GRID, 1, count=number))),
        "entries": table(entry(body=tensor(CODEBOOK, 1, count=number))),
        "pool": table(entry(body=tensor(DENSE, 1)), directory=numbers(number, 0)),
        "tail": table(large, directory=numbers(number, 2, 256, 3)),
        "groups": table(large, directory=numbers(0, number)),
        "groups of nothing": table(entry(), directory=numbers(number)),
        "rows": table(large, directory=numbers(0, 2, number, 3)),
        "bytes": table(large, directory=numbers(0, 2, 256, number)),
        "both": table(large, directory=numbers(0, 2, number, number)),
        "tied": table(entry(), entry(b"v", TIED + varint(number))),
    }
    for content in lies.values():
        assert_refused(file(content))
        with pytest.raises(ArtifactError):
            layout(file(content))


@pytest.mark.parametrize("number", HUGE)
def test_sections_of_any_length(number: int) -> None:
    for head in (varint(0) + varint(number), varint(0) + varint(2) + varint(1) + varint(number) + varint(2) + varint(0), varint(number)):
        assert_refused((sealed := MAGIC + head) + zlib.crc32(sealed).to_bytes(4, "little"))


@pytest.mark.parametrize("number", HUGE)
def test_blocks_of_any_length(number: int) -> None:
    for section in ("graph", "notes"):
        assert_refused(file(table(), **{section: varint(number) + deflate(b"x")[1:]}), "inflated bytes")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (table(entry(b"\xff\xfe")), "not UTF-8"),
        (table(entry(b"\xed\xa0\x80")), "not UTF-8"),
        (table(entry(b"x" * 1025)), "bytes of a name"),
        (table(entry(), entry()), "same name"),
        (table(entry(body=TIED + varint(0))), "tied to 0"),
        (table(entry(body=TIED + varint(1)), entry(b"v")), "tied to 1"),
        (table(entry(), entry(b"v", TIED + varint(0)), entry(b"u", TIED + varint(1))), "tied to 1"),
        (table(entry(body=tensor(5 * 32, 0))), "Form number 5"),
        (table(entry(body=tensor(255, 0))), "Form number 7"),
        (table(entry(body=tensor(DENSE | 17, 0))), "type number 17"),
        (table(entry(), entry(b"v", b"\1\0")), "type number 1"),
        (table(entry(body=tensor(DENSE, *[1] * 17))), "axes of a tensor"),
        (table(entry(body=bytes([DENSE, 1, 0x80, 0]))), "more bytes than it needs"),
        (table(entry(body=tensor(MASKED | UINT8, 3))), "made of floats"),
        (table(entry(body=tensor(GRID | UINT8, 3, count=1))), "made of floats"),
        (table(entry(body=tensor(GRID | 10, 3, count=1))), "16 bits or more"),
        (table(entry(body=tensor(GRID, 6, count=4))), "6 values cannot have 4 steps"),
        (table(entry(body=tensor(GRID, 6, count=0))), "6 values cannot have 0 steps"),
        (table(entry(body=tensor(CODEBOOK | UINT8, 6, count=257))), "cannot have 257 entries"),
        (table(entry(body=tensor(CODEBOOK, 6, count=0))), "cannot have 0 entries"),
        (table(entry()) + b"\0", "follow the end"),
        (table(entry())[:-1], "expected"),
        (table(entry(), flags=0), None),
        (table(entry(), flags=2), "unknown flags"),
        (table(entry(body=tensor(DENSE, 1)), directory=numbers(1, 0)), "do not add up"),
        (table(entry(body=tensor(DENSE, 1)), directory=numbers(0, 1)), "1 groups for 0 rows"),
        (table(entry(body=tensor(DENSE, 64, 64)), directory=numbers(0, 0)), "0 groups for 64 rows"),
        (table(entry(body=tensor(DENSE, 64, 64)), directory=numbers(0, 65)), "65 groups for 64 rows"),
        (table(entry(body=tensor(DENSE, 64, 64)), directory=numbers(0, 1)), "do not add up"),
        (table(count=2**16 + 1), "tensors: 65537"),
        (b"", "expected"),
    ],
)
def test_tables_that_make_no_sense(content: bytes, match: str | None) -> None:
    assert_refused(file(content), match)


def test_streams_without_an_owner() -> None:
    assert_refused(file(table(entry()), b"\0"), "do not add up to the 1 bytes")


LARGE = entry(body=tensor(DENSE | UINT8, 300, 4096))  # 300 rows, 256 of which make a group


@pytest.mark.parametrize(
    ("cuts", "match"),
    [
        ((256, 3), None),
        ((128, 3), None),
        ((127, 3), "a group of more than 1048576 values, or one before the last of fewer than 524288"),
        ((257, 3), "a group of more than"),
        ((128, 3, 128, 3), None),
        ((128, 3, 44, 3), "one before the last of fewer"),
        ((300, 3), "do not add up"),
        ((301, 3), "do not add up"),
        ((0, 3), "do not add up"),
        ((256, 0), "do not add up"),
        ((256, 6), "do not add up"),
        ((256, 7), "do not add up"),
    ],
)
def test_groups_are_cut_within_bounds(cuts: tuple[int, ...], match: str | None) -> None:
    groups = len(cuts) // 2 + 1
    content = file(table(LARGE, directory=numbers(groups, *cuts)), bytes(3 * groups))
    if match is None:
        assert not unpack(content).tensors["w"].array().any()
    else:
        assert_refused(content, match)
        with pytest.raises(ArtifactError, match=match):
            layout(content)


def test_one_group_is_not_too_large_either() -> None:
    assert_refused(file(table(LARGE, directory=numbers(1)), bytes(3)), "a group of more than")


def test_more_groups_than_can_be_large_enough() -> None:
    many = entry(body=tensor(DENSE | UINT8, 1 << 20, 1))
    assert_refused(file(table(many, directory=numbers(4, *[1, 1] * 3)), bytes(4)), "4 groups for 1048576 rows")
    assert_refused(file(table(many, directory=numbers(1 << 20, *[1, 1] * ((1 << 20) - 1))), bytes(1 << 20)), "groups for 1048576 rows")


@pytest.mark.parametrize("section", ["graph", "notes"])
def test_a_block_that_inflates_without_end(section: str) -> None:
    bomb = deflate(bytes(64 * MIB))
    assert len(bomb) < 70_000
    assert_refused(file(table(), **{section: bomb}), "inflated bytes")
    inner = bomb[len(varint(64 * MIB)) :]
    assert_refused(file(table(), **{section: varint(1000) + inner}), "does not hold")


def test_a_thousand_ties_to_one_large_tensor() -> None:
    ties = [entry(b"%d" % i, TIED + varint(0)) for i in range(20_000)]
    shared = entry(body=tensor(DENSE | UINT8, 1 << 20))  # all equal
    assert_refused(file(table(shared, *ties, directory=numbers(1)), bytes(3)), "bytes decoded")


def test_many_tensors_that_cost_the_file_nothing() -> None:
    entries = [entry(b"%d" % i, tensor(DENSE | UINT8, 1 << 20)) for i in range(50)]
    directory = numbers(50, *[256, 3] * 49)
    assert_refused(file(table(*entries, directory=directory), bytes(150)), "repetitions")


def test_ties_are_not_followed_in_circles() -> None:
    assert_refused(file(table(entry(body=TIED + varint(1)), entry(b"v", TIED + varint(0)))), "tied to 1")


@pytest.mark.parametrize("section", ["tensors", "streams", "graph", "notes"])
def test_sections_full_of_one_byte(section: str, sound: Artifact, trial: Callable[[bytes], Any]) -> None:
    parts = {name: bytes(part) for name, part in unframe(pack(sound), Limits()).items()}
    for byte in range(256):
        trial(frame(parts | {section: bytes([byte]) * 100}))
