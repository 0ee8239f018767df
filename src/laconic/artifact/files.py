"""Files on disk: nothing is published before it was read back and found equal, bit for bit."""

import hashlib
from pathlib import Path

import numpy as np

from laconic.artifact.artifact import Artifact, Notes
from laconic.artifact.limits import Limits
from laconic.artifact.pack import pack
from laconic.artifact.unpack import unpack
from laconic.base.errors import ArtifactError, LimitError, ResourceError, UsageError
from laconic.base.files import write_atomically
from laconic.forms import Form
from laconic.forms.dtypes import bits

REPORT = "nothing was written; please report this"


def write(path: Path, artifact: Artifact, weights_only: bool = False) -> bytes:
    """Pack, decode, compare, and only then rename into place. Returns the bytes written.

    Raises:
        UsageError, ResourceError: `path` cannot be written, or the artifact cannot be packed; what stood there is untouched.
        ArtifactError: the artifact did not survive its own encoding, or asks for more than readers allow; likewise.
    """
    content = pack(artifact, weights_only)
    _verify(content, artifact, weights_only)
    write_atomically(path, content)
    return content


def _verify(content: bytes, artifact: Artifact, weights_only: bool) -> None:
    try:
        back = unpack(content)
    except LimitError:
        raise
    except ArtifactError as cause:
        raise ArtifactError(f"the file cannot be read back: {cause.what}", where=cause.where, hint=REPORT) from cause
    named = artifact.named and not weights_only
    if back.named != named or (named and list(back.tensors) != list(artifact.tensors)) or len(back.tensors) != len(artifact.tensors):
        raise ArtifactError("the names of the tensors did not survive their own encoding", hint=REPORT)
    for (name, form), other in zip(artifact.tensors.items(), back.tensors.values(), strict=True):
        if not _equal(form, other):
            raise ArtifactError("a tensor did not survive its own encoding", where=name, hint=REPORT)
    graph, notes = (None, Notes(folds=artifact.notes.folds)) if weights_only else (artifact.graph, artifact.notes)
    if (back.graph, back.notes) != (graph, notes):
        raise ArtifactError("the graph or the notes did not survive their own encoding", hint=REPORT)


def _equal(form: Form, other: Form) -> bool:
    alike = (form.kind, form.dtype, form.shape) == (other.kind, other.dtype, other.shape)
    return alike and np.array_equal(bits(form.array()), bits(other.array()))


def read(path: Path, limits: Limits = Limits()) -> bytes:  # noqa: B008  frozen
    """The bytes of a file, if the limits allow its length.

    Raises:
        UsageError: there is no such file. LimitError: it is longer than the limits allow. ResourceError: it cannot be read.
    """
    if not path.is_file():
        raise UsageError("this is a folder, not a file" if path.is_dir() else "there is no such file", where=str(path))
    try:
        with path.open("rb") as file:
            content = file.read(limits.file_bytes + 1)
    except OSError as cause:
        raise ResourceError(f"the file cannot be read: {cause.strerror}", where=str(path)) from cause
    if len(content) > limits.file_bytes:
        raise LimitError(f"the file is longer than {limits.file_bytes} bytes", where=str(path), hint="raise the limit if you trust it")
    return content


def identity(content: bytes) -> str:
    """The file's id: its SHA-256, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()
