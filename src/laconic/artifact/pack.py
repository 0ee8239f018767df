"""Artifact → bytes."""

from collections.abc import Iterator
from pathlib import Path

from laconic.artifact.artifact import Artifact, sources
from laconic.artifact.encode import AUTO, Encoder
from laconic.artifact.frame import framed
from laconic.artifact.layout import write_table
from laconic.artifact.notes import write_notes
from laconic.artifact.wire import deflate
from laconic.base.errors import UsageError
from laconic.base.files import Spool
from laconic.base.progress import Progress, silent


def pack(
    artifact: Artifact, weights_only: bool = False, *, profile: str = AUTO, threads: int | None = None, progress: Progress = silent
) -> bytes:
    """The file's bytes. The same artifact always gives the same bytes.

    Args:
        artifact: what to write.
        weights_only: leave out the graph, the names and all notes but those of structure; `load_into` then goes by the class's own order.
        profile: of coding by context: "smallest", "fast", or "auto": smallest for files of up to 2²⁴ values in blocks.
        threads: that code; by default as many as there are processors, at most four. The bytes do not depend on it.
        progress: is told the share of the weights that has been coded.

    Raises:
        UsageError: a tensor has a type or a Form that the file does not hold, or a name is no text; no such profile.
    """
    return b"".join(packed(artifact, weights_only, profile, threads, progress, None))


def packed(
    artifact: Artifact, weights_only: bool, profile: str, threads: int | None, progress: Progress, folder: Path | None
) -> Iterator[bytes]:
    """The same bit by bit, after all of it has been coded.

    Args:
        folder: where coded streams wait on disk when they are many; None keeps them in memory.
    """
    with Spool(folder) as tails, Spool(folder) as groups:
        try:
            encoder = Encoder(profile, tails, groups, progress)
            directory, pools = encoder.encode(sources(artifact.tensors), threads)
            table = write_table(encoder.entries, directory, named=artifact.named and not weights_only)
            rest = _graph_and_notes(artifact, weights_only)
        except UnicodeEncodeError as cause:
            raise UsageError(f"the name {cause.object!r} cannot be written as UTF-8", hint="rename the tensor or the class") from cause
        yield from framed({"tensors": [table], "streams": [pools, tails, groups], **rest})


def _graph_and_notes(artifact: Artifact, weights_only: bool) -> dict[str, list[bytes | Spool]]:
    graph = None if weights_only else artifact.graph
    notes = write_notes(artifact.notes.structure() if weights_only else artifact.notes)
    found: dict[str, list[bytes | Spool]] = {"graph": [deflate(graph)]} if graph is not None else {}
    return found | ({"notes": [notes]} if notes else {})
