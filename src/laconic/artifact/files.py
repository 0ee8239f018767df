"""Files on disk: nothing is published before it was read back and found equal, bit for bit."""

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from laconic.artifact.artifact import Artifact, Lazy, Source, sources
from laconic.artifact.decode import Tensor, decode
from laconic.artifact.encode import AUTO
from laconic.artifact.layout import Contents, open_contents
from laconic.artifact.limits import Limits
from laconic.artifact.pack import packed
from laconic.artifact.unpack import graph_and_notes
from laconic.base.dtypes import bits
from laconic.base.errors import ArtifactError, LimitError, ResourceError, UsageError
from laconic.base.files import forget, mapped, writing
from laconic.base.progress import Progress, silent
from laconic.forms import Form
from laconic.forms.form import narrow

REPORT = "nothing was written; please report this"
MAPPED_FROM = 1 << 26  # bytes; smaller files are read
_CHUNK = 1 << 24


class Written(NamedTuple):
    """What was written: how many bytes, and their SHA-256 in hexadecimal, which is the file's id."""

    bytes: int
    sha256: str


def write(
    path: Path,
    artifact: Artifact,
    weights_only: bool = False,
    *,
    profile: str = AUTO,
    threads: int | None = None,
    progress: Progress = silent,
) -> Written:
    """Pack, decode, compare, and only then rename into place. No more than a few tensors are held at a time.

    Args:
        path: of the file.
        artifact, weights_only, profile, threads: as for `pack`.
        progress: is told the share of the weights that has been packed, and then verified.

    Raises:
        UsageError, ResourceError: `path` cannot be written, or the artifact cannot be packed; what stood there is untouched.
        ArtifactError: the artifact did not survive its own encoding, or asks for more than readers allow; likewise.
    """
    digests: dict[str, bytes] = {}
    watched = Artifact(_watched(artifact, digests), artifact.graph, artifact.notes, artifact.named)
    found, length = hashlib.sha256(), 0
    with writing(path) as file:
        for chunk in packed(watched, weights_only, profile, threads, progress, path.parent):
            file.write(chunk)
            found.update(chunk)
            length += len(chunk)
        file.flush()
        _verify(mapped(file), artifact, weights_only, digests, threads, progress)
    return Written(length, found.hexdigest())


def _watched(artifact: Artifact, digests: dict[str, bytes]) -> Lazy:
    """The same tensors; of each that is made, the digest is noted under its name."""

    def noting(name: str, source: Source) -> Source:
        def make() -> Form:
            form = source.make()
            digests[name] = _digest(form)
            return form

        return Source(source.size, make)

    given = sources(artifact.tensors)
    first = {id(source): name for name, source in reversed(given.items())}
    noted = {name: noting(name, given[name]) for name in first.values()}
    return Lazy({name: noted[first[id(source)]] for name, source in given.items()})


def _digest(form: Form) -> bytes:
    """All that a Form says, whatever types its integers are held in."""
    found = hashlib.sha256(f"{form.kind} {form.dtype.name} {form.shape}".encode())
    if form.integers is not None:
        integers = np.ascontiguousarray(narrow(form.integers))
        found.update(integers.dtype.name.encode())
        found.update(integers.reshape(-1).data)
    found.update(bits(form.table.astype(form.dtype.newbyteorder("="), copy=False)).data)
    return found.digest()


def _verify(
    content: memoryview, artifact: Artifact, weights_only: bool, digests: Mapping[str, bytes], threads: int | None, progress: Progress
) -> None:
    with _reading_back():
        found = open_contents(content, Limits())
        rest = graph_and_notes(found, Limits())
    named = artifact.named and not weights_only
    names = [entry.name for entry in found.entries]
    if found.named != named or (named and names != list(artifact.tensors)) or len(names) != len(artifact.tensors):
        raise ArtifactError("the names of the tensors did not survive their own encoding", hint=REPORT)
    _compare(found, list(artifact.tensors), digests, threads, progress)
    if rest != ((None, artifact.notes.structure()) if weights_only else (artifact.graph, artifact.notes)):
        raise ArtifactError("the graph or the notes did not survive their own encoding", hint=REPORT)


def _compare(found: Contents, names: list[str], digests: Mapping[str, bytes], threads: int | None, progress: Progress) -> None:
    done, total, waiting = 0, sum(entry.size for entry in found.entries), iter(names)
    for tensor in _read_back(found, threads):
        name, tied_to = next(waiting), tensor.entry.tied_to
        if digests[name if tied_to < 0 else names[tied_to]] != _digest(tensor.form):
            raise ArtifactError("a tensor did not survive its own encoding", where=name, hint=REPORT)
        done += tensor.entry.size
        progress("verify", done / max(total, 1), name)
        del tensor  # before the next is made


def _read_back(found: Contents, threads: int | None) -> Iterator[Tensor]:
    with _reading_back():
        yield from decode(found, Limits(), threads)


@contextlib.contextmanager
def _reading_back() -> Iterator[None]:
    try:
        yield
    except LimitError:
        raise
    except ArtifactError as cause:
        raise ArtifactError(f"the file cannot be read back: {cause.what}", where=cause.where, hint=REPORT) from cause


def read(path: Path, limits: Limits = Limits()) -> bytes | memoryview:  # noqa: B008  frozen
    """The bytes of a file, if the limits allow its length; of a large one a map, which takes no memory before it is looked at.

    Raises:
        UsageError: there is no such file. LimitError: it is longer than the limits allow. ResourceError: it cannot be read.
    """
    if not path.is_file():
        raise UsageError("this is a folder, not a file" if path.is_dir() else "there is no such file", where=str(path))
    try:
        with path.open("rb") as file:
            length = os.fstat(file.fileno()).st_size
            if length > limits.file_bytes:
                hint = "raise the limit if you trust it"
                raise LimitError(f"the file is longer than {limits.file_bytes} bytes", where=str(path), hint=hint)
            return mapped(file) if length >= MAPPED_FROM else file.read()
    except OSError as cause:
        raise ResourceError(f"the file cannot be read: {cause.strerror}", where=str(path)) from cause


def identity(content: bytes | memoryview) -> str:
    """The file's id: its SHA-256, in hexadecimal."""
    found, whole = hashlib.sha256(), memoryview(content)
    for start in range(0, len(whole), _CHUNK):
        found.update(whole[start : start + _CHUNK])
        forget(whole)
    return found.hexdigest()
