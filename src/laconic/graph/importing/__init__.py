"""Graphs become torch modules: from ONNX files, and from `.lac` files that hold a graph."""

from laconic.graph.importing.module import Imported
from laconic.graph.importing.sources import SUFFIXES, import_model, sample_shape_of

__all__ = ["SUFFIXES", "Imported", "import_model", "sample_shape_of"]
