"""Bytes → Artifact, in an order in which nothing is believed before it was checked: frame, checksums, bounds, decode."""

import json
from typing import Any

import numpy as np

from laconic.artifact.artifact import Artifact, Notes
from laconic.artifact.layout import Layout, TensorEntry, read_table, unframe
from laconic.artifact.limits import Limits
from laconic.artifact.wire import Reader, inflate
from laconic.base.errors import ArtifactError, DataError
from laconic.base.preprocessing import Preprocessing
from laconic.codec import decode, decode_array
from laconic.forms import Form, rebuild


def layout(file: bytes, limits: Limits = Limits()) -> Layout:  # noqa: B008  frozen
    """Where the file's bytes are; checksums are verified, no weight is decoded.

    Raises:
        ArtifactError: the file is damaged, of another version, or no `.lac` file.
    """
    sections = unframe(file, limits)
    entries, named = read_table(sections["tensors"], limits)
    lengths = {name: len(content) + 4 for name, content in sections.items()}
    return Layout({"preamble": len(file) - sum(lengths.values()), **lengths}, entries, named)


def unpack(file: bytes, limits: Limits = Limits()) -> Artifact:  # noqa: B008  frozen
    """What the file says.

    Raises:
        ArtifactError: the file is damaged, hostile, of another version, or no `.lac` file; LimitError where it asks for too much.
    """
    sections = unframe(file, limits)
    entries, named = read_table(sections["tensors"], limits)
    graph = inflate(Reader(sections["graph"], "graph"), limits.graph_bytes) if "graph" in sections else None
    notes = _read_notes(Reader(sections["notes"], "notes"), limits) if "notes" in sections else Notes()
    return Artifact(_decode_tensors(entries, Reader(sections["streams"], "streams")), graph, notes, named)


def _decode_tensors(entries: tuple[TensorEntry, ...], streams: Reader) -> dict[str, Form]:
    forms: list[Form] = []
    for entry in entries:
        forms.append(forms[entry.tied_to] if entry.form == "tied" else _decode_tensor(entry, streams))
    streams.end()
    return {entry.name: form for entry, form in zip(entries, forms, strict=True)}


def _decode_tensor(entry: TensorEntry, streams: Reader) -> Form:
    start = streams.offset
    try:
        integers = None if entry.form == "dense" else decode(bytes(streams.take(entry.integer_bytes)), entry.size)
        table = decode_array(bytes(streams.take(entry.table_bytes)), _dtype(entry.dtype), entry.table_count)
        return rebuild(entry.form, entry.shape, integers, table)
    except ArtifactError as cause:
        place = f"section streams, bytes {start}–{start + entry.stream_bytes}, tensor {entry.name!r}"
        raise type(cause)(cause.what, where=place, hint=cause.hint) from cause


def _dtype(name: str) -> np.dtype:
    if name == "bfloat16":
        import ml_dtypes  # comes with onnx

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)


def _read_notes(reader: Reader, limits: Limits) -> Notes:
    content = inflate(reader, limits.notes_bytes)
    try:
        fields: dict[str, Any] = json.loads(content)
        stated = fields.pop("preprocessing", None)
        return Notes(
            preprocessing=None if stated is None else Preprocessing.from_dict(stated),
            classes=tuple(map(_text, fields.pop("classes", ()))),
            folds=tuple((_text(layer), _text(norm)) for layer, norm in fields.pop("folds", ())),
            reason=_text(fields.pop("reason", "")),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, DataError) as cause:
        raise reader.fault(f"the notes cannot be read: {type(cause).__name__}") from cause


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"text expected, got {type(value).__name__}")
    return value
