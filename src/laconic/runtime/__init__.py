"""Run a `.lac` file, and clock it. No torch on this floor or below it."""

from laconic.base.latency import interleave
from laconic.runtime.assemble import to_onnx
from laconic.runtime.session import Session, load

__all__ = ["Session", "interleave", "load", "to_onnx"]
