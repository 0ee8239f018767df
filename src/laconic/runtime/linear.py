"""Linear layers in a graph: a Gemm; or, on sequences, a MatMul by a weight that is turned first, and the Add of its bias behind it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import onnx

from laconic.runtime.nodes import attributes, turns, unscaled


@dataclass(frozen=True, eq=False)
class Linear:
    """W x + b, of all vectors along an axis of x.

    Args:
        nodes: that do it, in order; nothing else reads what they hand on.
        weight: name of W.
        bias: name of b; "" where there is none.
        turned: whether what has the name is Wᵀ.
        axis: of x, the vectors': 1 or the last.
    """

    nodes: tuple[onnx.NodeProto, ...]
    weight: str
    bias: str = ""
    turned: bool = False
    axis: int = -1

    @property
    def given(self) -> str:
        """Name of x."""
        return str(self.nodes[0].input[0])

    @property
    def made(self) -> str:
        """Name of the outputs."""
        return str(self.nodes[-1].output[0])


def linear_layers(graph: onnx.GraphProto) -> Iterator[Linear]:
    """Those of a graph, in order; whether their weights are constant is not said."""
    made_by = {name: node for node in graph.node for name in node.output}
    adds = {name: node for node in graph.node if node.op_type == "Add" for name in node.input}
    read = Counter(name for node in graph.node for name in node.input) + Counter(value.name for value in graph.output)
    vectors = {constant.name for constant in graph.initializer if len(constant.dims) == 1}
    for node in graph.node:
        if _is_gemm(node):
            yield Linear((node,), node.input[1], next(iter(node.input[2:]), ""))
        elif node.op_type == "MatMul":
            before, product = made_by.get(node.input[1]), node.output[0]
            plain = before is not None and before.op_type == "Transpose" and turns(before)
            weight = before.input[0] if before is not None and plain else node.input[1]
            added = adds.get(product) if read[product] == 1 else None
            bias = next((name for name in added.input if name in vectors), "") if added is not None else ""
            yield Linear((node, added) if added is not None and bias else (node,), weight, bias, turned=not plain)


def _is_gemm(node: onnx.NodeProto) -> bool:
    """Whether a node is x Wᵀ + b, and nothing else."""
    said = attributes(node)
    turned = {name: name in said and bool(said[name].i) for name in ("transA", "transB")}
    return node.op_type == "Gemm" and unscaled(node) and turned == {"transA": False, "transB": True}
