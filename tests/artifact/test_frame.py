"""Damage: whatever happens to the bytes of a file, a reader notices, and says where."""

import zlib

import pytest

from laconic.artifact import Artifact, layout, pack, unpack
from laconic.artifact.frame import MAGIC, VERSION, frame, unframe
from laconic.artifact.limits import Limits
from laconic.artifact.wire import Reader, deflate, inflate
from laconic.base.errors import ArtifactError, LimitError
from laconic.codec.varint import write_varint as varint


@pytest.fixture
def content(small: Artifact) -> bytes:
    return pack(small)


@pytest.fixture
def sections(content: bytes) -> dict[str, bytes]:
    return {name: bytes(part) for name, part in unframe(content, Limits()).items()}


def preamble(*sections: tuple[int, bytes], version: int = VERSION, count: int | None = None) -> bytes:
    """A preamble of any sections in any order, and their bodies, with right checksums."""
    head = MAGIC + varint(version) + varint(len(sections) if count is None else count)
    head += b"".join(varint(kind) + varint(len(part)) for kind, part in sections)
    return b"".join(part + zlib.crc32(part).to_bytes(4, "little") for part in (head, *(part for _, part in sections)))


def assert_refused(file: bytes, match: str | None = None) -> None:
    for reader in (unpack, layout):
        with pytest.raises(ArtifactError, match=match):
            reader(file)


def test_every_truncation_is_noticed(content: bytes) -> None:
    for length in range(len(content)):
        assert_refused(content[:length])


@pytest.mark.parametrize("weights_only", [False, True])
def test_every_flipped_bit_is_noticed(small: Artifact, weights_only: bool) -> None:
    content = pack(small, weights_only)
    for bit in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        assert_refused(bytes(damaged))


@pytest.mark.parametrize("tail", [b"\0", b"PK\x03\x04", b"\x89lac"])
def test_appended_bytes_are_noticed(content: bytes, tail: bytes) -> None:
    assert_refused(content + tail, "follow the end")
    assert_refused(content + content, "follow the end")


def test_the_builder_of_these_tests_is_right(content: bytes, sections: dict[str, bytes]) -> None:
    assert preamble((1, sections["tensors"]), (2, sections["streams"]), (3, sections["graph"]), (4, sections["notes"])) == content


def test_sections_in_the_wrong_place_are_refused(sections: dict[str, bytes]) -> None:
    tensors, streams, notes = (1, sections["tensors"]), (2, sections["streams"]), (4, sections["notes"])
    assert_refused(preamble(streams, tensors), "wrong place")
    assert_refused(preamble(tensors, streams, notes, notes), "stands twice")
    assert_refused(preamble(tensors, streams, (5, b"")), "kind 5 is unknown")
    assert_refused(preamble((0, b""), tensors, streams), "kind 0 is unknown")
    assert_refused(preamble(tensors), "lacks")
    assert_refused(preamble(streams), "lacks")
    assert_refused(preamble(), "lacks")
    assert_refused(preamble(tensors, streams, count=5), "sections: 5 where at most 4")


def test_a_newer_version_is_named(sections: dict[str, bytes]) -> None:
    with pytest.raises(ArtifactError, match="version 300 and this laconic reads version 1") as caught:
        unpack(preamble((1, sections["tensors"]), version=300))
    assert "upgrade" in caught.value.hint


@pytest.mark.parametrize("file", [b"", b"\x89", b"\x89PNG\r\n\x1a\n", b"PK\x03\x04" + bytes(99), b"\x80\x02}q\x00."])
def test_other_files_are_told_apart(file: bytes) -> None:
    assert_refused(file, "not a .lac file")


def test_damage_is_located(content: bytes) -> None:
    damaged = bytearray(content)
    damaged[-1] ^= 1
    with pytest.raises(ArtifactError, match="checksum") as caught:
        unpack(bytes(damaged))
    assert caught.value.where == f"section notes, byte {len(content)}"


def test_names_are_needed_for_sections_only(sections: dict[str, bytes]) -> None:
    assert unframe(frame(sections), Limits()) == sections


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 2**32, 2**63 - 1])
def test_varints_come_back(number: int) -> None:
    reader = Reader(varint(number), "here")
    assert reader.varint() == number
    reader.end()


@pytest.mark.parametrize("written", ["8000", "ff00", "ffffffffffffffffff01", "ffffffffffffffffffff", "80", ""])
def test_varints_that_are_long_large_or_cut_are_refused(written: str) -> None:
    with pytest.raises(ArtifactError):
        Reader(bytes.fromhex(written), "here").varint()


@pytest.mark.parametrize("plain", [b"", b"x", bytes(100_000)])
def test_blocks_come_back_and_only_they(plain: bytes) -> None:
    block = deflate(plain)
    assert inflate(Reader(block, "here"), len(plain)) == plain
    raw = block[len(varint(len(plain))) :]
    for damaged in (block[:-1], block + b"\0", varint(len(plain) + 1) + raw, varint(len(plain) - 1) + raw if plain else b"\0\xff"):
        with pytest.raises(ArtifactError, match="deflated"):
            inflate(Reader(damaged, "here"), 10**6)
    if plain:
        with pytest.raises(LimitError):
            inflate(Reader(block, "here"), len(plain) - 1)
