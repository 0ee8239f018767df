"""Which inputs of an operator are sizes: small integers that shapes depend on, and so part of the graph and not of the weights."""

from collections.abc import Mapping

import numpy as np
import onnx

FEW = 64
"""Elements: a shape has no more."""

_AXES = ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare")

SIZES: Mapping[str, tuple[int, ...]] = {
    "ConstantOfShape": (0,),
    "CumSum": (1,),
    "Expand": (1,),
    "OneHot": (1,),
    "Pad": (1, 2, 3),
    "Range": (0, 1, 2),
    "Reshape": (1,),
    "Resize": (1, 2, 3),
    "Slice": (1, 2, 3, 4),
    "Split": (1,),
    "Squeeze": (1,),
    "Tile": (1,),
    "TopK": (1,),
    "Trilu": (1,),
    "Unsqueeze": (1,),
    **{f"Reduce{word}": (1,) for word in _AXES},
}
"""Operator → the places of its inputs that are sizes."""

_DIVISIONS = ("Div", "Mod")


def constants(graph: onnx.GraphProto, arrays: Mapping[str, np.ndarray]) -> set[str]:
    """Names of the initializers that stay in the graph: single numbers without axes, and the few that shapes depend on.

    Integers that something is divided by stay as well: a reader must see that they are not zero.

    Args:
        graph: whose values are made before they are read.
        arrays: the values of its initializers.
    """
    makers = {name: node for node in graph.node for name in node.output}
    wanted = [node.input[place] for node in graph.node for place in SIZES.get(node.op_type, ()) if place < len(node.input)]
    reached = {name for node in graph.node if node.op_type in _DIVISIONS for name in node.input[1:] if _is_integer(arrays.get(name))}
    while wanted:
        name = wanted.pop()
        if name in reached:
            continue
        reached.add(name)
        if name in makers and makers[name].op_type not in ("Shape", "Size"):
            wanted += makers[name].input
    return {name for name, array in arrays.items() if array.ndim == 0 or (name in reached and array.size <= FEW)}


def _is_integer(array: np.ndarray | None) -> bool:
    return array is not None and array.dtype.kind in "iu"
