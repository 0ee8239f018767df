"""The types and shapes of a graph's values, as far as onnx can tell: one node at a time, so that nothing grows without bounds."""

from collections.abc import Mapping

import numpy as np
import onnx

from laconic.base.errors import ModelError
from laconic.graph.reading.structure import BROKEN, first_line

MOST_AXES = 16


def types_of(model: onnx.ModelProto) -> dict[str, onnx.TypeProto]:
    """Name of a value → its type, for those that can be known.

    Raises:
        ModelError: shapes that contradict each other, with the node.
    """
    opset = next(entry.version for entry in model.opset_import if entry.domain == "")
    constants = {constant.name: constant for constant in model.graph.initializer}
    known = {value.name: value.type for value in model.graph.input}
    known |= {name: onnx.helper.make_tensor_type_proto(constant.data_type, constant.dims) for name, constant in constants.items()}
    for index, node in enumerate(model.graph.node):
        if onnx.defs.has(node.op_type, node.domain) and all(name in known for name in node.input if name):
            known |= _inferred(node, known, constants, opset, f"node {index} ({node.op_type})")
    return known


def _inferred(
    node: onnx.NodeProto, known: Mapping[str, onnx.TypeProto], constants: Mapping[str, onnx.TensorProto], opset: int, place: str
) -> dict[str, onnx.TypeProto]:
    given = {name: known[name] for name in node.input if name}
    values = {name: constants[name] for name in given if name in constants}
    versions = [onnx.helper.make_opsetid("", opset)]
    try:
        schema = onnx.defs.get_schema(node.op_type, opset, node.domain)
        if schema.deprecated:  # onnx then tells nothing of it
            return {}
        found = onnx.shape_inference.infer_node_outputs(schema, node, given, values, opset_imports=versions)
    except Exception as cause:  # of half a dozen kinds, from onnx's C++
        raise ModelError(f"the shapes contradict each other: {first_line(cause)}", where=place, hint=BROKEN) from cause
    return {name: kind for name, kind in found.items() if len(kind.tensor_type.shape.dim) <= MOST_AXES}


def axes_of(kind: onnx.TypeProto | None) -> int | None:
    """How many axes a value has; None if that is not known."""
    return len(kind.tensor_type.shape.dim) if kind is not None and kind.tensor_type.HasField("shape") else None


def is_trainable(array: np.ndarray) -> bool:
    """Whether a tensor can be a parameter: floating-point, not empty, and finite (masks hold infinities)."""
    return array.dtype.kind in "fV" and bool(np.isfinite(array.astype(np.float32)).all())
