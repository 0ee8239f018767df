"""ONNX files from elsewhere: read without trust, parted into a graph and tensors, and packed as they are. No torch is needed."""

from laconic.graph.reading.file import OnnxFile, open_onnx
from laconic.graph.reading.package import artifact_of_onnx, read_onnx
from laconic.graph.reading.weightless import Parts

__all__ = ["OnnxFile", "Parts", "artifact_of_onnx", "open_onnx", "read_onnx"]
