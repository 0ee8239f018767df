"""Files on disk: nothing is published before it was read back and found equal, bit for bit."""

import hashlib
from pathlib import Path

import numpy as np

from laconic.artifact.artifact import Artifact
from laconic.artifact.limits import Limits
from laconic.artifact.pack import pack
from laconic.artifact.unpack import unpack
from laconic.base.errors import ArtifactError, UsageError
from laconic.base.files import write_atomically
from laconic.forms.form import bits


def write(path: Path, artifact: Artifact, weights_only: bool = False) -> bytes:
    """Pack, decode, compare, and only then rename into place. Returns the bytes written.

    Raises:
        UsageError, ResourceError: `path` cannot be written; what stood there is untouched.
    """
    content = pack(artifact, weights_only)
    _compare(artifact, unpack(content, Limits(file_bytes=len(content))))
    write_atomically(path, content)
    return content


def _compare(written: Artifact, back: Artifact) -> None:
    for (name, form), other in zip(written.tensors.items(), back.tensors.values(), strict=True):
        if not np.array_equal(bits(form.array()), bits(other.array())):
            raise ArtifactError("a tensor did not survive its own encoding; nothing was written", where=name, hint="please report this")


def read(path: Path, limits: Limits = Limits()) -> bytes:  # noqa: B008  frozen
    """The bytes of a file, if the limits allow its length.

    Raises:
        UsageError: there is no such file. ArtifactError: it is longer than the limits allow.
    """
    if not path.is_file():
        raise UsageError("there is no such file", where=str(path))
    if path.stat().st_size > limits.file_bytes:
        raise ArtifactError(f"the file is longer than {limits.file_bytes} bytes", where=str(path), hint="raise the limit if you trust it")
    return path.read_bytes()


def identity(content: bytes) -> str:
    """The file's id: its SHA-256, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()
