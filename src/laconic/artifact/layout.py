"""Where the bytes of a file are: sections, table of tensors and directory of streams, read without decoding a single weight."""

from collections.abc import Mapping
from dataclasses import dataclass

from laconic.artifact.directory import Directory, Piece, pieces, read_directory, sizes_allowed, write_directory
from laconic.artifact.entries import TensorEntry, read_entry, write_entry
from laconic.artifact.frame import unframe
from laconic.artifact.limits import Limits
from laconic.artifact.wire import DAMAGED, Reader
from laconic.base.errors import ArtifactError, LimitError
from laconic.codec.limits import LARGEST_GROUP, LEAST_GROUP
from laconic.codec.varint import write_varint

NAMED = 1  # flag in the table of tensors
CRC_BYTES = 4


@dataclass(frozen=True)
class Layout:
    """Where the bytes of a file are.

    Args:
        sections: section → bytes with its checksum.
        entries: the table of tensors.
        directory: the lengths of their streams.
        named: whether tensors have names; else they are called by their places.
    """

    sections: Mapping[str, int]
    entries: tuple[TensorEntry, ...]
    directory: Directory
    named: bool


@dataclass(frozen=True)
class Contents:
    """A file whose checksums are right and whose lengths add up; no weight has been decoded.

    Args:
        sections: section → its bytes.
        entries, directory, named: as in `Layout`.
        pieces: what each group holds.
    """

    sections: Mapping[str, memoryview]
    entries: tuple[TensorEntry, ...]
    directory: Directory
    named: bool
    pieces: list[tuple[Piece, ...]]


def layout(file: bytes | memoryview, limits: Limits = Limits()) -> Layout:  # noqa: B008  frozen
    """Where the file's bytes are; checksums and sizes are verified, no weight is decoded.

    Raises:
        ArtifactError: the file is damaged, of another version, or no `.lac` file.
    """
    found = open_contents(file, limits)
    lengths = {name: len(content) + CRC_BYTES for name, content in found.sections.items()}
    return Layout({"preamble": len(file) - sum(lengths.values()), **lengths}, found.entries, found.directory, found.named)


def open_contents(file: bytes | memoryview, limits: Limits) -> Contents:
    """The sections, the table and the directory of a file.

    Raises:
        ArtifactError: as `layout`.
    """
    sections = unframe(file, limits)
    entries, directory, named = read_table(sections["tensors"], len(sections["streams"]), limits)
    held = pieces(entries, directory.groups)
    if not sizes_allowed(held):
        raise ArtifactError(
            f"a group of more than {LARGEST_GROUP} values, or one before the last of fewer than {LEAST_GROUP}",
            where="section tensors",
            hint=DAMAGED,
        )
    return Contents(sections, entries, directory, named, held)


def write_table(entries: list[TensorEntry], directory: Directory, named: bool) -> bytes:
    """The section `tensors`."""
    head = write_varint(NAMED if named else 0) + write_varint(len(entries))
    return head + b"".join(write_entry(entry, named) for entry in entries) + write_directory(directory)


def read_table(section: memoryview, streams: int, limits: Limits) -> tuple[tuple[TensorEntry, ...], Directory, bool]:
    """The inverse of `write_table`, for a section `streams` of so many bytes."""
    reader = Reader(section, "tensors")
    flags = reader.varint()
    if flags > NAMED:
        raise reader.fault(f"unknown flags {flags}")
    entries: list[TensorEntry] = []
    for index in range(reader.bounded(reader.varint(), limits.tensors, "tensors")):
        entries.append(read_entry(reader, _read_name(reader, limits) if flags & NAMED else str(index), entries, limits))
    _check_entries(entries, limits)
    directory = read_directory(reader, entries, streams)
    reader.end()
    return tuple(entries), directory, bool(flags & NAMED)


def _check_entries(entries: list[TensorEntry], limits: Limits) -> None:
    if len({entry.name for entry in entries}) != len(entries):
        raise ArtifactError("two tensors have the same name", where="section tensors", hint=DAMAGED)
    decoded = sum(entry.decoded_bytes for entry in entries)
    if decoded > limits.decoded_bytes:
        raise LimitError(
            f"the tensors take {decoded} bytes decoded, where at most {limits.decoded_bytes} are allowed",
            where="section tensors",
            hint="raise the limit if you trust the file",
        )


def _read_name(reader: Reader, limits: Limits) -> str:
    length = reader.bounded(reader.varint(), limits.name_bytes, "bytes of a name")
    try:
        return str(reader.take(length), "utf-8")
    except UnicodeDecodeError as cause:
        raise reader.fault("a name is not UTF-8") from cause
