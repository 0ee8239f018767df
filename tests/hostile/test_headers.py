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
from laconic.artifact.wire import deflate, varint
from laconic.base.errors import ArtifactError

MIB = 1 << 20
HUGE = (2**31 - 1, 2**31, 2**32, 2**62, 2**63 - 1)
DENSE, TIED, CODEBOOK, FLOAT32 = b"\1", b"\0", b"\4", b"\0"


@contextmanager
def cheaply() -> Iterator[None]:
    """Within two seconds and 32 MiB."""
    tracemalloc.start()
    start = time.perf_counter()
    try:
        yield
        peak, seconds = tracemalloc.get_traced_memory()[1], time.perf_counter() - start
    finally:
        tracemalloc.stop()
    assert peak < 32 * MIB
    assert seconds < 2


def assert_refused(file: bytes, match: str | None = None) -> None:
    with cheaply(), pytest.raises(ArtifactError, match=match):
        unpack(file)


def file(table: bytes, streams: bytes = b"", **sections: bytes) -> bytes:
    return frame({"tensors": table, "streams": streams, **sections})


def entry(name: bytes = b"w", body: bytes = DENSE + FLOAT32 + b"\0" + b"\0") -> bytes:
    return varint(len(name)) + name + body


def table(*entries: bytes, count: int | None = None, flags: int = 1) -> bytes:
    return varint(flags) + varint(len(entries) if count is None else count) + b"".join(entries)


def dense(*shape: int, rank: int | None = None, length: int = 0) -> bytes:
    sides = b"".join(map(varint, shape))
    return DENSE + FLOAT32 + varint(len(shape) if rank is None else rank) + sides + varint(length)


def codebook(count: int, integers: int, entries: int, *shape: int) -> bytes:
    return CODEBOOK + FLOAT32 + varint(len(shape)) + b"".join(map(varint, shape)) + varint(count) + varint(integers) + varint(entries)


def test_the_builders_of_these_tests_are_right() -> None:
    assert unpack(file(table(entry(body=dense(0, length=3))), bytes(3))).tensors["w"].shape == (0,)


@pytest.mark.parametrize("number", HUGE)
def test_numbers_of_any_size(number: int) -> None:
    lies = {
        "tensors": table(entry(), count=number),
        "flags": table(flags=number),
        "name": table(varint(number) + b"w"),
        "axes": table(entry(body=dense(rank=number))),
        "side": table(entry(body=dense(number))),
        "sides": table(entry(body=dense(number, number, number, number))),
        "empty": table(entry(body=dense(0, number))),
        "stream": table(entry(body=dense(1, length=number))),
        "table": table(entry(body=codebook(number, 0, 0, 1))),
        "integers": table(entry(body=codebook(1, number, 0, 1))),
        "entries": table(entry(body=codebook(1, 0, number, 1))),
        "both": table(entry(body=codebook(1, number, number, 1))),
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
        (table(entry(body=b"\5\0\0\0")), "Form number 5"),
        (table(entry(body=b"\xff\0\0\0")), "Form number 255"),
        (table(entry(body=DENSE + b"\x0a\0\0")), "type number 10"),
        (table(entry(body=dense(*[1] * 17))), "axes of a tensor"),
        (table(entry(body=DENSE + FLOAT32 + b"\1\x80\0\0")), "more bytes than it needs"),
        (table(entry()) + b"\0", "follow the end"),
        (table(entry())[:-1], "expected"),
        (table(entry(), flags=0), None),
        (table(entry(), flags=2), "unknown flags"),
        (table(entry(body=dense(1, length=1))), "streams are 1 bytes long"),
        (table(count=2**16 + 1), "tensors: 65537"),
        (b"", "expected"),
    ],
)
def test_tables_that_make_no_sense(content: bytes, match: str | None) -> None:
    assert_refused(file(content), match)


def test_streams_without_an_owner() -> None:
    assert_refused(file(table(entry()), b"\0"), "streams are 0 bytes long")


@pytest.mark.parametrize("section", ["graph", "notes"])
def test_a_block_that_inflates_without_end(section: str) -> None:
    bomb = deflate(bytes(64 * MIB))
    assert len(bomb) < 70_000
    assert_refused(file(table(), **{section: bomb}), "inflated bytes")
    inner = bomb[len(varint(64 * MIB)) :]
    assert_refused(file(table(), **{section: varint(1000) + inner}), "does not hold")


def test_a_thousand_ties_to_one_large_tensor() -> None:
    ties = [entry(b"%d" % i, TIED + varint(0)) for i in range(5000)]
    shared = entry(body=DENSE + b"\5" + b"\1" + varint(1 << 20) + varint(2))  # uint8, all equal
    assert_refused(file(table(shared, *ties), bytes(2)), "bytes decoded")


def test_many_tensors_that_cost_the_file_nothing() -> None:
    entries = [entry(b"%d" % i, DENSE + b"\5" + b"\1" + varint(1 << 20) + varint(2)) for i in range(50)]
    assert_refused(file(table(*entries), bytes(100)), "repetitions")


def test_ties_are_not_followed_in_circles() -> None:
    assert_refused(file(table(entry(body=TIED + varint(1)), entry(b"v", TIED + varint(0)))))


@pytest.mark.parametrize("section", ["tensors", "streams", "graph", "notes"])
def test_sections_full_of_one_byte(section: str, sound: Artifact, trial: Callable[[bytes], Any]) -> None:
    parts = {name: bytes(part) for name, part in unframe(pack(sound), Limits()).items()}
    for byte in range(256):
        trial(frame(parts | {section: bytes([byte]) * 100}))
