"""The table of tensors, read without decoding a single weight."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from laconic.artifact.frame import unframe
from laconic.artifact.limits import Limits
from laconic.artifact.wire import DAMAGED, Reader, varint
from laconic.base.errors import ArtifactError, LimitError

FORMS = ("tied", "dense", "masked", "grid", "codebook")
DTYPES = ("float32", "float16", "bfloat16", "float64", "int8", "uint8", "int16", "int32", "int64", "bool")
NAMED = 1  # flag in the table of tensors
CRC_BYTES = 4


@dataclass(frozen=True)
class TensorEntry:
    """One line of the table of tensors.

    Args:
        name: in the state dict; its place, "0", "1", …, in a weights-only file.
        form: dense, masked, grid, codebook; or tied, to the tensor whose type and shape the entry then repeats.
        dtype: numpy's name of the type of its values.
        shape: of the weight.
        table_count: number of entries of the Form's table.
        integer_bytes: length of the stream of its integers.
        table_bytes: length of the stream of its table.
        tied_to: place of an earlier tensor, or -1.
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
        return math.prod(self.shape)

    @property
    def stream_bytes(self) -> int:
        """Bytes of this tensor in the file."""
        return self.integer_bytes + self.table_bytes

    @property
    def decoded_bytes(self) -> int:
        """Bytes of the weight as an array, and of its table where that is another array."""
        width = 2 if self.dtype == "bfloat16" else np.dtype(self.dtype).itemsize
        return (self.size + (0 if self.form == "dense" else self.table_count)) * width


@dataclass(frozen=True)
class Layout:
    """Where the bytes of a file are: section → bytes with its checksum, and the table of tensors."""

    sections: Mapping[str, int]
    entries: tuple[TensorEntry, ...]
    named: bool


def layout(file: bytes, limits: Limits = Limits()) -> Layout:  # noqa: B008  frozen
    """Where the file's bytes are; checksums and sizes are verified, no weight is decoded.

    Raises:
        ArtifactError: the file is damaged, of another version, or no `.lac` file.
    """
    sections, entries, named = open_sections(file, limits)
    lengths = {name: len(content) + CRC_BYTES for name, content in sections.items()}
    return Layout({"preamble": len(file) - sum(lengths.values()), **lengths}, entries, named)


def open_sections(file: bytes, limits: Limits) -> tuple[dict[str, memoryview], tuple[TensorEntry, ...], bool]:
    """The sections, the table of tensors, and whether that has names, after all lengths were found to add up."""
    sections = unframe(file, limits)
    entries, named = read_table(sections["tensors"], limits)
    stated, there = sum(entry.stream_bytes for entry in entries), len(sections["streams"])
    if stated != there:
        raise ArtifactError(f"the tensors' streams are {stated} bytes long, the section is {there}", where="section streams", hint=DAMAGED)
    return sections, entries, named


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
    decoded = sum(entry.decoded_bytes for entry in entries)
    if decoded > limits.decoded_bytes:
        raise LimitError(
            f"the tensors take {decoded} bytes decoded, where at most {limits.decoded_bytes} are allowed",
            where="section tensors",
            hint="raise the limit if you trust the file",
        )
    return tuple(entries), bool(flags & NAMED)


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
        return replace(before[target], name=name, form="tied", tied_to=target, table_count=0, integer_bytes=0, table_bytes=0)
    dtype, shape = _one_of(reader, DTYPES, "type"), _read_shape(reader, limits)
    if form == "dense":
        return TensorEntry(name, form, dtype, shape, math.prod(shape), 0, reader.varint())
    count = reader.bounded(reader.varint(), limits.values, "entries of a table")
    return TensorEntry(name, form, dtype, shape, count, reader.varint(), reader.varint())


def _read_shape(reader: Reader, limits: Limits) -> tuple[int, ...]:
    rank = reader.bounded(reader.varint(), limits.rank, "axes of a tensor")
    shape = tuple(reader.varint() for _ in range(rank))
    # an axis of length 0 must not excuse the others: numpy refuses such shapes, too
    reader.bounded(math.prod(max(side, 1) for side in shape), limits.values, "values of a tensor")
    return shape


def _one_of(reader: Reader, names: tuple[str, ...], what: str) -> str:
    number = reader.byte()
    if number >= len(names):
        raise reader.fault(f"{what} number {number} is unknown")
    return names[number]
