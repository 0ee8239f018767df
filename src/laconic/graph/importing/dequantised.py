"""Weights that other tools hold as integers with a scale become the floating-point weights that they stand for.

DequantizeLinear computes (integer − zero) × scale in float32, and so does this, bit for bit. The graph loses the node, and the
importer finds an ordinary weight, whose values lie on a grid.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx

from laconic.graph.reading.arrays import STORED_AS
from laconic.graph.reading.folding import attributes_of

Arrays = Mapping[str, np.ndarray]


def dequantised(
    nodes: list[onnx.NodeProto], tensors: Arrays, numbers: Arrays, outputs: Sequence[str]
) -> tuple[list[onnx.NodeProto], Arrays]:
    """The nodes without those that only dequantise tensors, and all tensors, those that were dequantised by the name of their integers.

    Args:
        nodes: of the graph, in order; they are changed.
        tensors: the weights.
        numbers: the graph's own constants, among which scales and zeros may be.
        outputs: names of the graph's outputs.
    """
    known = {**numbers, **tensors}
    read = {name for node in nodes for name in node.input}
    stored = {node.output[0]: node.input[0] for node in nodes if _is_narrowing(node) and node.input[0] in tensors}
    found, left, renamed = dict(tensors), [], {}
    for node in nodes:
        sources = [stored.get(name, name) for name in node.input if name]
        if node.op_type == "DequantizeLinear" and sources[0] in tensors and all(name in known for name in sources):
            weight = _dequantise(*[known[name] for name in sources], **attributes_of(node))
            renamed[node.output[0]] = _put(found, sources[0], weight, tensors)
        else:
            left.append(node)
    for node in left:
        node.input[:] = [renamed.get(name, name) for name in node.input]
    left = alive(left, [renamed.get(name, name) for name in outputs])
    needed = {name for node in left for name in node.input} | set(outputs)
    return left, {name: array for name, array in found.items() if name in needed or name not in read}


def _is_narrowing(node: onnx.NodeProto) -> bool:
    """Whether it gives a tensor back the type that the file could not hold."""
    return node.op_type == "Cast" and attributes_of(node)["to"] in STORED_AS


def alive(nodes: list[onnx.NodeProto], outputs: Sequence[str]) -> list[onnx.NodeProto]:
    """The nodes that some output depends on, in their order."""
    wanted, kept = set(outputs), []
    for node in reversed(nodes):
        if wanted & set(node.output):
            wanted |= set(node.input)
            kept.append(node)
    return kept[::-1]


def _put(found: dict[str, np.ndarray], name: str, weight: np.ndarray, tensors: Arrays) -> str:
    """Under the name of the integers, or beside them where two scales share them."""
    while name in found and found[name] is not tensors.get(name):
        name = f"{name}_"
    found[name] = weight
    return name


def _dequantise(
    integers: np.ndarray, scale: np.ndarray, zero: np.ndarray | None = None, *, axis: int = 1, block_size: int = 0, output_dtype: int = 0
) -> np.ndarray:
    def along(values: np.ndarray) -> np.ndarray:
        values = values.astype(np.float32)
        if block_size:
            return np.repeat(values, block_size, axis).take(range(integers.shape[axis]), axis)
        return (
            values.reshape([-1 if place == axis % integers.ndim else 1 for place in range(integers.ndim)])
            if values.size > 1
            else values.reshape(())
        )

    kind = onnx.helper.tensor_dtype_to_np_dtype(output_dtype) if output_dtype else scale.dtype
    levels = integers.astype(np.float32) - (0 if zero is None else along(zero))
    return (levels * along(scale)).astype(kind)
