"""The frame of the file and its table of tensors, read without decoding a single weight."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from laconic.artifact.limits import Limits
from laconic.artifact.wire import DAMAGED, Reader, varint
from laconic.base.errors import ArtifactError, LimitError

MAGIC = b"\x89lac"
VERSION = 0
SECTIONS = {1: "tensors", 2: "streams", 3: "graph", 4: "notes"}
FORMS = ("tied", "dense", "masked", "grid", "codebook")
DTYPES = ("float32", "float16", "bfloat16", "float64", "int8", "uint8", "int16", "int32", "int64", "bool")
NAMED = 1  # flag in the table of tensors


def frame(sections: Mapping[str, bytes]) -> bytes:
    """Preamble and sections, each with its CRC-32."""
    number = {name: kind for kind, name in SECTIONS.items()}
    head = MAGIC + varint(VERSION) + varint(len(sections))
    head += b"".join(varint(number[name]) + varint(len(content)) for name, content in sections.items())
    return _sealed(head) + b"".join(_sealed(content) for content in sections.values())


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
    if bytes(file[:4]) != MAGIC:
        raise ArtifactError("this is not a .lac file", where="section preamble, byte 0", hint="laconic pack makes one from a model")
    reader.take(4)
    version = reader.varint()
    if version != VERSION:
        raise ArtifactError(
            f"the file has version {version} and this laconic reads version {VERSION}", hint="pip install --upgrade laconic"
        )
    count = reader.bounded(reader.varint(), len(SECTIONS), "sections")
    lengths: dict[str, int] = {}
    for _ in range(count):
        kind, length = reader.varint(), reader.varint()
        if kind not in SECTIONS or SECTIONS[kind] in lengths:
            raise reader.fault(f"section kind {kind} is unknown or stands twice")
        lengths[SECTIONS[kind]] = length
    _check_crc(reader, memoryview(file)[: reader.offset])
    sections = {name: _section(reader, name, length) for name, length in lengths.items()}
    reader.end()
    if not {"tensors", "streams"} <= sections.keys():
        raise reader.fault("the file lacks its table of tensors or their streams")
    return sections


def _section(reader: Reader, name: str, length: int) -> memoryview:
    content = reader.take(length)
    reader.section = name
    _check_crc(reader, content)
    return content


def _check_crc(reader: Reader, content: memoryview) -> None:
    stored = int.from_bytes(reader.take(4), "little")
    if stored != zlib.crc32(content):
        raise reader.fault("the checksum does not match")


@dataclass(frozen=True)
class TensorEntry:
    """One line of the table of tensors.

    `tied_to` is the index of an earlier tensor, or -1; `integer_bytes` and `table_bytes` are the lengths of its streams.
    """

    name: str
    form: str
    dtype: str = ""
    shape: tuple[int, ...] = ()
    table_count: int = 0
    integer_bytes: int = 0
    table_bytes: int = 0
    tied_to: int = -1

    @property
    def size(self) -> int:
        """Number of weights."""
        return int(np.prod(self.shape, dtype=object)) if self.shape else 1

    @property
    def stream_bytes(self) -> int:
        """Bytes of this tensor in the file."""
        return self.integer_bytes + self.table_bytes


@dataclass(frozen=True)
class Layout:
    """Where the bytes of a file are: section → bytes with its checksum, and the table of tensors."""

    sections: Mapping[str, int]
    entries: tuple[TensorEntry, ...]
    named: bool


def write_table(entries: list[TensorEntry], named: bool) -> bytes:
    """The section `tensors`."""
    lines = [varint(NAMED if named else 0), varint(len(entries))]
    for entry in entries:
        name = entry.name.encode()
        lines += [varint(len(name)), name] if named else []
        lines.append(bytes([FORMS.index(entry.form)]))
        if entry.form == "tied":
            lines.append(varint(entry.tied_to))
            continue
        lines += [bytes([DTYPES.index(entry.dtype)]), varint(len(entry.shape)), *map(varint, entry.shape)]
        lines += [varint(entry.table_count), varint(entry.integer_bytes)] if entry.form != "dense" else []
        lines.append(varint(entry.table_bytes))
    return b"".join(lines)


def read_table(section: memoryview, limits: Limits) -> tuple[tuple[TensorEntry, ...], bool]:
    """The entries of the section `tensors`, and whether they carry names."""
    reader = Reader(section, "tensors")
    flags = reader.varint()
    if flags > NAMED:
        raise reader.fault(f"unknown flags {flags}")
    count = reader.bounded(reader.varint(), limits.tensors, "tensors")
    entries: list[TensorEntry] = []
    for index in range(count):
        entries.append(_read_entry(reader, _read_name(reader, limits) if flags & NAMED else str(index), entries, limits))
    reader.end()
    if len({entry.name for entry in entries}) != len(entries):
        raise ArtifactError("two tensors have the same name", where="section tensors", hint=DAMAGED)
    decoded = sum(e.size * _width(e.dtype) for e in entries if e.form != "tied")
    if decoded > limits.decoded_bytes:
        raise LimitError(
            f"the tensors take {decoded} bytes decoded, where at most {limits.decoded_bytes} are allowed",
            where="section tensors",
            hint="raise the limit if you trust the file",
        )
    return tuple(entries), bool(flags & NAMED)


def _width(dtype: str) -> int:
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize


def _read_name(reader: Reader, limits: Limits) -> str:
    length = reader.bounded(reader.varint(), limits.name_bytes, "bytes of a name")
    try:
        return str(reader.take(length), "utf-8")
    except UnicodeDecodeError as cause:
        raise reader.fault("a name is not UTF-8") from cause


def _read_entry(reader: Reader, name: str, before: list[TensorEntry], limits: Limits) -> TensorEntry:
    form = _one_of(reader, FORMS, "Form")
    if form == "tied":
        target = reader.varint()
        if target >= len(before) or before[target].form == "tied":
            raise reader.fault(f"tensor {name!r} is tied to {target}, which is no tensor of its own before it")
        return replace(before[target], name=name, form="tied", tied_to=target, integer_bytes=0, table_bytes=0)
    dtype = _one_of(reader, DTYPES, "type")
    rank = reader.bounded(reader.varint(), limits.rank, "axes of a tensor")
    entry = TensorEntry(name, form, dtype, tuple(reader.varint() for _ in range(rank)))
    reader.bounded(entry.size, limits.decoded_bytes, "values of a tensor")
    if form == "dense":
        return replace(entry, table_count=entry.size, table_bytes=reader.varint())
    entries = reader.bounded(reader.varint(), max(entry.size, 1), "entries of a table")
    return replace(entry, table_count=entries, integer_bytes=reader.varint(), table_bytes=reader.varint())


def _one_of(reader: Reader, names: tuple[str, ...], what: str) -> str:
    number = reader.take(1)[0]
    if number >= len(names):
        raise reader.fault(f"{what} number {number} is unknown")
    return names[number]
