"""Artifact → bytes."""

from laconic.artifact.artifact import Artifact, Notes
from laconic.artifact.frame import frame
from laconic.artifact.layout import DTYPES, TensorEntry, write_table
from laconic.artifact.notes import write_notes
from laconic.artifact.wire import deflate
from laconic.base.errors import UsageError
from laconic.forms import Form


def pack(artifact: Artifact, weights_only: bool = False) -> bytes:
    """The file's bytes. The same artifact always gives the same bytes.

    Args:
        artifact: what to write.
        weights_only: leave out the graph, the names and all notes but the folds; `load_into` then goes by the class's own order.

    Raises:
        UsageError: a tensor has a type that the file has no number for, or a name is no text.
    """
    try:
        return frame(_sections(artifact, weights_only))
    except UnicodeEncodeError as cause:
        raise UsageError(f"the name {cause.object!r} cannot be written as UTF-8", hint="rename the tensor or the class") from cause


def _sections(artifact: Artifact, weights_only: bool) -> dict[str, bytes]:
    entries, streams = _encode_tensors(artifact)
    sections = {"tensors": write_table(entries, named=artifact.named and not weights_only), "streams": b"".join(streams)}
    if artifact.graph is not None and not weights_only:
        sections["graph"] = deflate(artifact.graph)
    notes = write_notes(Notes(folds=artifact.notes.folds) if weights_only else artifact.notes)
    if notes:
        sections["notes"] = notes
    return sections


def _encode_tensors(artifact: Artifact) -> tuple[list[TensorEntry], list[bytes]]:
    entries: list[TensorEntry] = []
    streams: list[bytes] = []
    written: dict[int, int] = {}
    for name, form in artifact.tensors.items():
        if id(form) in written:
            entries.append(TensorEntry(name, "tied", tied_to=written[id(form)]))
            continue
        written[id(form)] = len(entries)
        integers, table = _encode(name, form)
        entries.append(TensorEntry(name, form.kind, form.dtype.name, form.shape, len(form.table), len(integers), len(table)))
        streams += [integers, table]
    return entries, streams


def _encode(name: str, form: Form) -> tuple[bytes, bytes]:
    from laconic.codec import encode, encode_array  # imports numba, which `inspect` can do without

    if form.dtype.name not in DTYPES:
        raise UsageError(f"tensors of type {form.dtype} cannot be packed", where=name, hint=f"types: {', '.join(DTYPES)}")
    return b"" if form.integers is None else encode(form.integers), encode_array(form.table)
