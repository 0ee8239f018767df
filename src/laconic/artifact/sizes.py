"""How much memory a graph will hold at once, at batch 1: found node by node, before an engine sees it.

The type and shape of each node's outputs are inferred by onnx from those of its inputs. Where the graph computes a shape itself
(the Shape, Slice and Concat before a Reshape), the few integers on the way are computed as well, by onnx's reference
implementation; nothing else is ever run. A node whose output cannot be bounded in this way is refused.

What depends on the sample is held from its node to its last use. What does not is held for ever: engines compute it when they
load the graph, and keep it.
"""

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from laconic.artifact.crashes import check_crashes
from laconic.base.errors import GraphError, LimitError

# the size of these operators' outputs is in their inputs' values
MAKERS = frozenset(("ConstantOfShape", "EyeLike", "Expand", "OneHot", "Pad", "Range", "Resize", "Tile"))
# these are computed where their outputs have few elements; none of them needs more memory than its inputs and outputs take
SHAPE_ARITHMETIC = frozenset(
    "Add Cast Ceil Concat Constant ConstantOfShape Div Equal Expand Floor Gather Identity Max Min Mod Mul Neg Range Reshape Slice "  # noqa: SIM905
    "Sqrt Squeeze Sub Unsqueeze Where".split()
)
FEW = 64
MOST_AXES = 16  # shapes of inferred tensors are held, too, and a chain of Gathers doubles their axes at every step
LARGEST_SIZE = 1 << 31
UNSAFE = "this graph did not come from laconic export; do not run it"


@dataclass(frozen=True)
class _Known:
    """What is known of the graph's values, by name: the type of each, the elements of a few, and which depend on the sample."""

    types: dict[str, onnx.TypeProto]
    values: dict[str, np.ndarray]
    fed: set[str]

    def declare(self, name: Any, kind: onnx.TypeProto, place: str) -> None:
        """Note the type of a value that is new here."""
        if not isinstance(name, str) or name in self.types:  # protobuf hands out names that are not UTF-8 as bytes
            raise GraphError(f"a second value is called {name!r}, or the name is no text", where=place, hint=UNSAFE)
        if len(kind.tensor_type.shape.dim) > MOST_AXES:
            raise GraphError(f"{name!r} has more than {MOST_AXES} axes", where=place, hint=UNSAFE)
        self.types[name] = kind


def check_sizes(model: onnx.ModelProto, sample: str, most: int) -> None:
    """Refuse a graph that would hold more than `most` bytes at once beside the file's tensors.

    Args:
        model: without functions, control flow, sparse or external constants.
        sample: the input that the caller brings; an unknown batch counts as 1.
        most: bytes.

    Raises:
        GraphError: shapes that contradict each other or cannot be known. LimitError: more than `most` bytes.
    """
    known = _start(model.graph, sample)
    last_use = {name: index for index, node in enumerate(model.graph.node) for name in node.input}
    last_use |= {value.name: len(model.graph.node) for value in model.graph.output}
    live = {sample: _bytes(known.types[sample], "section graph, input")}
    held = live[sample]
    for index, node in enumerate(model.graph.node):
        place = f"section graph, node {index} ({node.op_type})"
        made = _outputs(node, known, model.opset_import[0].version, place)
        live |= {name: _bytes(kind, place) for name, kind in made.items()}
        held += sum(live[name] for name in made)
        if held > most:
            raise LimitError(f"the graph holds {held} bytes at once, at most {most} are allowed", where=place, hint=UNSAFE)
        done = [name for name in {*node.input, *made} if name in known.fed and last_use.get(name, index) == index]
        held -= sum(live.pop(name, 0) for name in done)
    for value in model.graph.output:
        if value.name not in known.types:
            raise GraphError(f"nothing makes the output {value.name!r}", where="section graph", hint=UNSAFE)


def _start(graph: onnx.GraphProto, sample: str) -> _Known:
    """The inputs and constants."""
    known = _Known({}, {}, {sample})
    for value in graph.input:
        kind = onnx.TypeProto()
        kind.CopyFrom(value.type)
        if value.name == sample and not kind.tensor_type.shape.dim[0].dim_value > 0:
            kind.tensor_type.shape.dim[0].dim_value = 1
        known.declare(value.name, kind, "section graph, inputs")
    for constant in graph.initializer:
        known.declare(constant.name, onnx.helper.make_tensor_type_proto(constant.data_type, constant.dims), "section graph, constants")
        if math.prod(constant.dims) <= FEW:
            known.values[constant.name] = _elements(constant)
    return known


def _elements(constant: onnx.TensorProto) -> np.ndarray:
    try:
        return onnx.numpy_helper.to_array(constant)
    except (ValueError, TypeError, KeyError) as cause:
        raise GraphError(f"the constant {constant.name!r} cannot be read", where="section graph", hint=UNSAFE) from cause


def _outputs(node: onnx.NodeProto, known: _Known, opset: int, place: str) -> dict[str, onnx.TypeProto]:
    """The types of the node's outputs, which are noted, as are their elements where they can be known."""
    strange = [name for name in node.input if name and name not in known.types]
    if strange:
        raise GraphError(f"nothing before this node makes its input {strange[0]!r}", where=place, hint=UNSAFE)
    if node.op_type in MAKERS and any(_is_out_of_bounds(known.values[name]) for name in node.input if name in known.values):
        raise GraphError("the size of this node's output is out of all bounds", where=place, hint=UNSAFE)
    made = _infer(node, known, opset, place)
    for name, kind in made.items():
        known.declare(name, kind, place)
    if node.op_type == "Shape":
        known.values[node.output[0]] = _shape(node, known)
    elif node.op_type in SHAPE_ARITHMETIC and all(name in known.values for name in node.input if name):
        known.values.update(_compute(node, made, known, place))
    elif any(name in known.fed for name in node.input):
        known.fed.update(made)
    return made


def _is_out_of_bounds(value: np.ndarray) -> bool:
    return value.dtype.kind in "iuf" and not bool((np.abs(value.astype(np.float64)) < LARGEST_SIZE).all())


def _infer(node: onnx.NodeProto, known: _Known, opset: int, place: str) -> dict[str, onnx.TypeProto]:
    given = {name: known.types[name] for name in node.input if name}
    values = {name: onnx.numpy_helper.from_array(known.values[name]) for name in given if name in known.values}
    versions = [onnx.helper.make_opsetid("", opset)]
    try:
        onnx.checker.check_node(node, _checker(opset))
        check_crashes(node, known.types, known.values, place)
        inferred = onnx.shape_inference.infer_node_outputs(_schema(node.op_type, opset), node, given, values, opset_imports=versions)
    except GraphError:
        raise
    except Exception as cause:  # of half a dozen kinds, from onnx's C++
        raise GraphError(f"the shapes contradict each other: {_first_line(cause)}", where=place, hint=UNSAFE) from cause
    if not all(name in inferred for name in node.output if name):
        raise GraphError("the size of this node's output cannot be known", where=place, hint=UNSAFE)
    return {name: inferred[name] for name in node.output if name}


@functools.cache
def _schema(operator: str, opset: int) -> onnx.defs.OpSchema:
    return onnx.defs.get_schema(operator, opset, "")


@functools.cache
def _checker(opset: int) -> Any:
    context = onnx.checker.C.CheckerContext()
    context.ir_version, context.opset_imports = onnx.IR_VERSION, {"": opset}
    return context


def _first_line(cause: Exception) -> str:
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0]


def _shape(node: onnx.NodeProto, known: _Known) -> np.ndarray:
    bounds = {attribute.name: attribute.i for attribute in node.attribute}
    sides = np.array([side.dim_value for side in known.types[node.input[0]].tensor_type.shape.dim], np.int64)
    return sides[bounds.get("start", 0) : bounds.get("end", len(sides))]


def _compute(node: onnx.NodeProto, made: dict[str, onnx.TypeProto], known: _Known, place: str) -> dict[str, np.ndarray]:
    if any(math.prod(_sides(kind, place)) > FEW for kind in made.values()):
        return {}
    given = {name: known.values[name] for name in node.input if name}
    try:
        with np.errstate(all="ignore"):
            return dict(zip(made, ReferenceEvaluator(node).run(None, given), strict=True))
    except Exception as cause:  # of any kind, from onnx's reference implementation
        raise GraphError(f"a shape cannot be computed: {_first_line(cause)}", where=place, hint=UNSAFE) from cause


def _sides(kind: onnx.TypeProto, place: str) -> list[int]:
    """The lengths of all axes, which must be known."""
    sides = kind.tensor_type.shape.dim
    if not kind.tensor_type.HasField("shape") or not all(side.HasField("dim_value") and side.dim_value >= 0 for side in sides):
        raise GraphError("the size of this node's output cannot be known", where=place, hint=UNSAFE)
    return [side.dim_value for side in sides]


def _bytes(kind: onnx.TypeProto, place: str) -> int:
    try:
        width = onnx.helper.tensor_dtype_to_np_dtype(kind.tensor_type.elem_type).itemsize
    except (KeyError, ValueError) as cause:
        raise GraphError("a value has no type that is known", where=place, hint=UNSAFE) from cause
    return math.prod(_sides(kind, place)) * width
