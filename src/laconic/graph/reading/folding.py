"""Fold the shape arithmetic whose inputs are all known: what onnxscript's optimiser leaves, such as the pads of an old export."""

from typing import Any

import onnx

from laconic.base.errors import ModelError
from laconic.graph.reading.arithmetic import compute
from laconic.graph.reading.slots import FEW
from laconic.graph.reading.structure import BROKEN, first_line

_UNFIT = (ValueError, IndexError, TypeError, OverflowError, ZeroDivisionError, KeyError)


def fold_shapes(graph: onnx.GraphProto) -> None:
    """Replace every node that computes a few numbers from constants by those numbers, in place.

    Raises:
        ModelError: a node whose constants do not fit it.
    """
    known = {c.name: onnx.numpy_helper.to_array(c) for c in graph.initializer if len(c.dims) <= 1 and sum(c.dims) <= FEW}
    outputs = {value.name for value in graph.output}
    for node in list(graph.node):
        if node.domain or outputs & set(node.output) or not all(name in known or not name for name in node.input):
            continue
        try:
            found = compute(node.op_type, [known.get(name) for name in node.input], attributes_of(node))
        except _UNFIT as cause:
            raise ModelError(f"a shape cannot be computed: {first_line(cause)}", where=node.op_type, hint=BROKEN) from cause
        if found is not None:
            results = dict(zip(node.output, found, strict=False))
            known |= results
            graph.initializer.extend(onnx.numpy_helper.from_array(array, name) for name, array in results.items())
            graph.node.remove(node)


def attributes_of(node: onnx.NodeProto) -> dict[str, Any]:
    """The attributes of a node as plain values: numbers, text, lists of them, arrays. A Split says how many parts it has."""
    said = {attribute.name: _plain(onnx.helper.get_attribute_value(attribute)) for attribute in node.attribute}
    return {"num_outputs": len(node.output), **said} if node.op_type == "Split" else said


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, onnx.TensorProto):
        return onnx.numpy_helper.to_array(value)
    return [_plain(item) for item in value] if isinstance(value, list) else value
