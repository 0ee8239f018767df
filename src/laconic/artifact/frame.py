"""The frame of the file: a preamble and four sections, each with its CRC-32."""

import zlib
from collections.abc import Mapping

from laconic.artifact.limits import Limits
from laconic.artifact.wire import Reader, varint
from laconic.base.errors import ArtifactError

MAGIC = b"\x89lac"
VERSION = 0
SECTIONS = ("tensors", "streams", "graph", "notes")
"""The kind of a section is its place here, counted from 1."""


def frame(sections: Mapping[str, bytes]) -> bytes:
    """Preamble and sections, in the order of `SECTIONS`."""
    present = [(kind, sections[name]) for kind, name in enumerate(SECTIONS, 1) if name in sections]
    head = MAGIC + varint(VERSION) + varint(len(present))
    head += b"".join(varint(kind) + varint(len(content)) for kind, content in present)
    return _sealed(head) + b"".join(_sealed(content) for _, content in present)


def _sealed(content: bytes) -> bytes:
    return content + zlib.crc32(content).to_bytes(4, "little")


def unframe(file: bytes, limits: Limits) -> dict[str, memoryview]:
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
    stored = int.from_bytes(reader.take(4), "little")
    if stored != zlib.crc32(content):
        raise reader.fault("the checksum does not match")
