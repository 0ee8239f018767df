"""Bytes → Artifact, in an order in which nothing is believed before it was checked: frame, checksums, bounds, decode."""

from collections.abc import Iterator

from laconic.artifact.artifact import Artifact, Notes
from laconic.artifact.decode import Tensor, decode
from laconic.artifact.layout import Contents, open_contents
from laconic.artifact.limits import Limits
from laconic.artifact.notes import read_notes
from laconic.artifact.wire import Reader, inflate


def unpack(file: bytes | memoryview, limits: Limits = Limits(), threads: int | None = None) -> Artifact:  # noqa: B008  frozen
    """What the file says.

    Args:
        file: its bytes, or a map of them.
        limits: what it may ask for.
        threads: that decode; by default as many as there are processors, at most four.

    Raises:
        ArtifactError: the file is damaged, hostile, of another version, or no `.lac` file; LimitError where it asks for too much.
    """
    found = open_contents(file, limits)
    graph, notes = graph_and_notes(found, limits)
    return Artifact({tensor.entry.name: tensor.form for tensor in decode(found, limits, threads)}, graph, notes, found.named)


def unpack_each(file: bytes | memoryview, limits: Limits = Limits(), threads: int | None = None) -> Iterator[Tensor]:  # noqa: B008  frozen
    """The tensors of the file one by one, in their order; of those that were taken, none is held here unless another is tied to it.

    Raises:
        ArtifactError: as `unpack`; some tensors may have been given out by then.
    """
    return decode(open_contents(file, limits), limits, threads)


def graph_and_notes(found: Contents, limits: Limits) -> tuple[bytes | None, Notes]:
    """What is in the file beside the weights."""
    sections = found.sections
    graph = inflate(Reader(sections["graph"], "graph"), limits.graph_bytes) if "graph" in sections else None
    return graph, read_notes(Reader(sections["notes"], "notes"), limits) if "notes" in sections else Notes()
