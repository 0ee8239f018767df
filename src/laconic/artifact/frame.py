"""The frame of the file: a preamble and four sections, each with its CRC-32."""

import itertools
import zlib
from collections.abc import Iterator, Mapping, Sequence

from laconic.artifact.limits import Limits
from laconic.artifact.wire import Reader
from laconic.base.errors import ArtifactError
from laconic.base.files import Spool, forget
from laconic.codec.varint import write_varint

MAGIC = b"\x89lac"
VERSION = 1
SECTIONS = ("tensors", "streams", "graph", "notes")
"""The kind of a section is its place here, counted from 1."""

_CHUNK = 1 << 24


def frame(sections: Mapping[str, bytes]) -> bytes:
    """Preamble and sections, in the order of `SECTIONS`."""
    return b"".join(framed({name: [content] for name, content in sections.items()}))


def framed(sections: Mapping[str, Sequence[bytes | Spool]]) -> Iterator[bytes]:
    """The same bit by bit, of sections that are given in parts."""
    present = [(kind, sections[name]) for kind, name in enumerate(SECTIONS, 1) if name in sections]
    lengths = [(kind, sum(map(len, parts))) for kind, parts in present]
    head = MAGIC + b"".join(map(write_varint, (VERSION, len(present), *itertools.chain(*lengths))))
    for parts in ([head], *(parts for _, parts in present)):
        yield from _sealed(parts)


def _sealed(parts: Sequence[bytes | Spool]) -> Iterator[bytes]:
    """The parts, and the checksum of them all."""
    crc = 0
    for part in parts:
        for chunk in part if isinstance(part, Spool) else [part]:
            crc = zlib.crc32(chunk, crc)
            yield chunk
    yield crc.to_bytes(4, "little")


def unframe(file: bytes | memoryview, limits: Limits) -> dict[str, memoryview]:
    """The sections of a file, after every checksum has been found right.

    Raises:
        ArtifactError: not a `.lac` file, a newer one, or damaged.
        LimitError: longer than the limits allow.
    """
    reader = Reader(file, "preamble")
    reader.bounded(len(file), limits.file_bytes, "bytes in the file")
    _check_version(reader)
    lengths = _read_lengths(reader)
    _check_crc(reader, memoryview(file)[: reader.offset])
    sections = {name: _section(reader, name, length) for name, length in lengths.items()}
    reader.end()
    if not {"tensors", "streams"} <= sections.keys():
        raise reader.fault("the file lacks its table of tensors or their streams")
    return sections


def _check_version(reader: Reader) -> None:
    if bytes(reader.take(min(len(MAGIC), reader.left))) != MAGIC:
        raise ArtifactError("this is not a .lac file", where="section preamble, byte 0", hint="laconic pack makes one from a model")
    version = reader.varint()
    if version != VERSION:
        raise ArtifactError(
            f"the file has version {version} and this laconic reads version {VERSION}",
            where="section preamble, byte 4",
            hint="pip install --upgrade laconic",
        )


def _read_lengths(reader: Reader) -> dict[str, int]:
    """The length of each section; kinds ascend, so that one content has one file."""
    lengths: dict[str, int] = {}
    last = 0
    for _ in range(reader.bounded(reader.varint(), len(SECTIONS), "sections")):
        kind, length = reader.varint(), reader.varint()
        if not last < kind <= len(SECTIONS):
            raise reader.fault(f"section kind {kind} is unknown, stands twice, or stands in the wrong place")
        lengths[SECTIONS[kind - 1]], last = length, kind
    return lengths


def _section(reader: Reader, name: str, length: int) -> memoryview:
    content = reader.take(length)
    reader.section = name
    _check_crc(reader, content)
    return content


def _check_crc(reader: Reader, content: memoryview) -> None:
    stored, crc = int.from_bytes(reader.take(4), "little"), 0
    for start in range(0, len(content), _CHUNK):
        crc = zlib.crc32(content[start : start + _CHUNK], crc)
        forget(content)
    if stored != crc:
        raise reader.fault("the checksum does not match")
