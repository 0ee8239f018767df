"""The `.lac` file: Forms, a graph and notes in; few bytes out, and back. SPEC.md defines the bytes."""

from laconic.artifact.artifact import Artifact, Notes
from laconic.artifact.files import read, write
from laconic.artifact.layout import Layout, TensorEntry
from laconic.artifact.limits import Limits
from laconic.artifact.pack import pack
from laconic.artifact.unpack import layout, unpack
from laconic.artifact.validate import validate

__all__ = ["Artifact", "Layout", "Limits", "Notes", "TensorEntry", "layout", "pack", "read", "unpack", "validate", "write"]
