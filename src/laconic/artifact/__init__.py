"""The `.lac` file: Forms, a graph and notes in; few bytes out, and back. SPEC.md defines the bytes."""

from laconic.artifact.artifact import Artifact, Lazy, Notes, Source
from laconic.artifact.decode import Tensor
from laconic.artifact.entries import TensorEntry
from laconic.artifact.files import read, write
from laconic.artifact.layout import Layout, layout
from laconic.artifact.limits import Limits
from laconic.artifact.pack import pack
from laconic.artifact.unpack import unpack, unpack_each
from laconic.artifact.validate import validate

__all__ = [
    "Artifact",
    "Layout",
    "Lazy",
    "Limits",
    "Notes",
    "Source",
    "Tensor",
    "TensorEntry",
    "layout",
    "pack",
    "read",
    "unpack",
    "unpack_each",
    "validate",
    "write",
]
