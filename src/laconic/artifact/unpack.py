"""Bytes → Artifact, in an order in which nothing is believed before it was checked: frame, checksums, bounds, decode."""

import numpy as np

from laconic.artifact.artifact import Artifact, Notes
from laconic.artifact.layout import TensorEntry, open_sections
from laconic.artifact.limits import Limits
from laconic.artifact.notes import read_notes
from laconic.artifact.wire import Reader, inflate
from laconic.base.errors import ArtifactError, LimitError
from laconic.forms import Form, rebuild

LARGEST_MULTIPLE = 1 << 24  # float32 holds every integer up to here: a grid's values are then the same in any language


def unpack(file: bytes, limits: Limits = Limits()) -> Artifact:  # noqa: B008  frozen
    """What the file says.

    Raises:
        ArtifactError: the file is damaged, hostile, of another version, or no `.lac` file; LimitError where it asks for too much.
    """
    try:
        sections, entries, named = open_sections(file, limits)
        graph = inflate(Reader(sections["graph"], "graph"), limits.graph_bytes) if "graph" in sections else None
        notes = read_notes(Reader(sections["notes"], "notes"), limits) if "notes" in sections else Notes()
        _check_repeated(entries, limits)
        return Artifact(_decode_tensors(entries, Reader(sections["streams"], "streams")), graph, notes, named)
    except MemoryError as cause:
        raise LimitError("the file asks for more memory than there is", hint="give stricter limits to refuse it sooner") from cause


def _check_repeated(entries: tuple[TensorEntry, ...], limits: Limits) -> None:
    from laconic.codec.limits import holds  # the package imports numba, which `inspect` can do without

    own = [entry for entry in entries if entry.form != "tied"]
    streams = [(e.table_bytes, e.table_count) for e in own] + [(e.integer_bytes, e.size) for e in own if e.form != "dense"]
    repeated = sum(count for length, count in streams if not holds(length, count))
    if repeated > limits.repeated_values:
        raise LimitError(
            f"the file is too short for {repeated} of its values, where at most {limits.repeated_values} may be repetitions",
            where="section tensors",
            hint="raise the limit if you trust the file",
        )


def _decode_tensors(entries: tuple[TensorEntry, ...], streams: Reader) -> dict[str, Form]:
    forms: list[Form] = []
    for entry in entries:
        forms.append(forms[entry.tied_to] if entry.form == "tied" else _decode_tensor(entry, streams))
    return {entry.name: form for entry, form in zip(entries, forms, strict=True)}


def _decode_tensor(entry: TensorEntry, streams: Reader) -> Form:
    from laconic.codec import decode, decode_array  # imports numba, which `inspect` can do without

    start = streams.offset
    integer_stream, table_stream = streams.take(entry.integer_bytes), streams.take(entry.table_bytes)
    try:
        table = decode_array(table_stream, _dtype(entry.dtype), entry.table_count)
        integers = None if entry.form == "dense" else decode(integer_stream, entry.size, _integer_type(entry))
        if integers is not None and entry.form == "grid":
            _check_grid(integers, table)
        return rebuild(entry.form, entry.shape, integers, table)
    except ArtifactError as cause:
        place = f"section streams, bytes {start} to {streams.offset}, tensor {entry.name!r}"
        raise type(cause)(cause.what, where=place, hint=cause.hint) from cause


def _integer_type(entry: TensorEntry) -> np.dtype:
    """The narrowest type that holds every integer that this Form may have."""
    if entry.form == "grid":
        return np.dtype(np.int32)
    return np.min_scalar_type(max(entry.table_count - 1, 1)) if entry.form == "codebook" else np.dtype(np.uint8)


def _check_grid(integers: np.ndarray, steps: np.ndarray) -> None:
    """A grid must come out finite, and alike on every machine."""
    if steps.dtype.kind not in "fV":  # V: bfloat16
        raise ArtifactError(f"a grid has steps of type {steps.dtype}", hint="a grid is a floating-point weight")
    longest = max(int(integers.max()), -int(integers.min())) if integers.size else 0
    if longest > LARGEST_MULTIPLE:
        raise ArtifactError(f"a grid has {longest} as a multiple, at most {LARGEST_MULTIPLE} is allowed")
    with np.errstate(over="ignore", invalid="ignore"):
        finite = np.isfinite(np.array(longest).astype(steps.dtype) * steps).all()
    if not finite:
        raise ArtifactError("a grid has a step that is not finite, or values that would not be")


def _dtype(name: str) -> np.dtype:
    if name == "bfloat16":
        import ml_dtypes  # comes with onnx

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)
