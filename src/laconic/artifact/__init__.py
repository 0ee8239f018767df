"""The `.lac` file: Forms, a graph and notes in; few bytes out, and back. SPEC.md defines the bytes.

Whoever only looks (`layout`, `read`, `validate`) does not pay for importing numba: that comes with the first weight.
"""

from laconic.artifact.artifact import Artifact, Notes
from laconic.artifact.files import read, write
from laconic.artifact.layout import Layout, TensorEntry, layout
from laconic.artifact.limits import Limits
from laconic.artifact.pack import pack
from laconic.artifact.unpack import unpack
from laconic.artifact.validate import validate

__all__ = ["Artifact", "Layout", "Limits", "Notes", "TensorEntry", "layout", "pack", "read", "unpack", "validate", "write"]
