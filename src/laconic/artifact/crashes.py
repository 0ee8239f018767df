"""Nodes that bring the whole process down, where an engine should complain: found by running every operator with random attributes.

Seen with onnx 1.23 and ONNX Runtime 1.31. Other versions may have others; these are refused whatever the version.
"""

from collections.abc import Mapping

import numpy as np
import onnx

from laconic.base.errors import GraphError

FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16, onnx.TensorProto.DOUBLE)


def check_crashes(node: onnx.NodeProto, types: Mapping[str, onnx.TypeProto], values: Mapping[str, np.ndarray], place: str) -> None:
    """Refuse a node that is known to crash onnx or ONNX Runtime.

    Args:
        node: of as many inputs as its operator takes.
        types: the type of each value that was made before.
        values: the elements of the few that are known.
        place: for the error.

    Raises:
        GraphError: it would.
    """
    reason = CRASHES[node.op_type](node, types, values) if node.op_type in CRASHES else ""
    if reason:
        raise GraphError(reason, where=place, hint="engines crash on this")


def _division(node: onnx.NodeProto, types: Mapping[str, onnx.TypeProto], values: Mapping[str, np.ndarray]) -> str:
    """The processor itself stops at a division by zero, and at the lowest integer over -1."""
    divisor = node.input[1]
    if divisor in values and bool((values[divisor] > 0).all()):
        return ""
    floating = divisor in types and types[divisor].tensor_type.elem_type in FLOATS
    return "" if floating else "integers are divided by what may not be positive"


def _split(node: onnx.NodeProto, _types: Mapping[str, onnx.TypeProto], values: Mapping[str, np.ndarray]) -> str:
    """onnx fills as many outputs as are declared, or as there are sizes, whichever the node has."""
    declared = [attribute.i for attribute in node.attribute if attribute.name == "num_outputs"]
    sizes = [len(values[name]) for name in node.input[1:] if name in values and values[name].ndim == 1]
    return "" if set(declared + sizes) == {len(node.output)} else "the number of outputs is not the one declared"


def _layer_normalization(node: onnx.NodeProto, _types: Mapping[str, onnx.TypeProto], _values: Mapping[str, np.ndarray]) -> str:
    """ONNX Runtime reads a bias that is named as missing."""
    return "" if all(node.input) else "an input is named as missing"


CRASHES = {"Div": _division, "Mod": _division, "Split": _split, "LayerNormalization": _layer_normalization}
