"""Artifact → bytes."""

import json

from laconic.artifact.artifact import Artifact, Notes
from laconic.artifact.layout import TensorEntry, frame, write_table
from laconic.artifact.wire import deflate
from laconic.codec import encode, encode_array
from laconic.forms import Form


def pack(artifact: Artifact, weights_only: bool = False) -> bytes:
    """The file's bytes. The same artifact always gives the same bytes.

    Args:
        artifact: what to write.
        weights_only: leave out the graph, the names and all notes but the folds; `load_into` then goes by the class's own order.
    """
    entries, streams = _encode_tensors(artifact)
    sections = {"tensors": write_table(entries, named=artifact.named and not weights_only), "streams": b"".join(streams)}
    if artifact.graph is not None and not weights_only:
        sections["graph"] = deflate(artifact.graph)
    notes = _write_notes(Notes(folds=artifact.notes.folds) if weights_only else artifact.notes)
    if notes:
        sections["notes"] = notes
    return frame(sections)


def _encode_tensors(artifact: Artifact) -> tuple[list[TensorEntry], list[bytes]]:
    entries: list[TensorEntry] = []
    streams: list[bytes] = []
    written: dict[int, int] = {}
    for name, form in artifact.tensors.items():
        if id(form) in written:
            entries.append(TensorEntry(name, "tied", tied_to=written[id(form)]))
            continue
        written[id(form)] = len(entries)
        integers = b"" if form.integers is None else encode(form.integers)
        table = encode_array(form.table)
        entries.append(_entry(name, form, len(integers), len(table)))
        streams += [integers, table]
    return entries, streams


def _entry(name: str, form: Form, integer_bytes: int, table_bytes: int) -> TensorEntry:
    return TensorEntry(name, form.kind, form.dtype.name, form.shape, len(form.table), integer_bytes, table_bytes)


def _write_notes(notes: Notes) -> bytes:
    fields = {
        "preprocessing": notes.preprocessing and notes.preprocessing.to_dict(),
        "classes": notes.classes,
        "folds": notes.folds,
        "reason": notes.reason,
    }
    said = {key: value for key, value in fields.items() if value}
    return deflate(json.dumps(said, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()) if said else b""
