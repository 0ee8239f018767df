"""Look at a stranger's graph before any engine does.

An engine trusts its graphs: it opens external files, runs custom operators, allocates what a node asks for. So a graph is
only handed on when it has standard operators from operators.txt, no functions, no external data, no control flow, and
no inferred tensor larger than the limit.
"""

import math
from importlib import resources

import onnx
from google.protobuf.message import DecodeError

from laconic.artifact.limits import Limits
from laconic.base.errors import GraphError, LimitError

OPERATORS = frozenset(resources.files("laconic.artifact").joinpath("operators.txt").read_text("utf-8").split())
# the size of these operators' output is in their inputs' values
MAKERS = frozenset(("ConstantOfShape", "EyeLike", "Expand", "OneHot", "Pad", "Range", "Resize", "Tile"))
UNSAFE = "this graph did not come from laconic export; do not run it"


def validate(graph: bytes, tensors: frozenset[str], limits: Limits = Limits()) -> onnx.ModelProto:  # noqa: B008  frozen
    """The parsed graph, when it may be run.

    Args:
        graph: serialised ONNX.
        tensors: names of the tensors that the file brings; every graph input but one must be among them.

    Raises:
        GraphError: it may not be run, with the node and the reason. LimitError: it is too large.
    """
    model = _parse(graph)
    _check_frame(model, limits)
    for index, node in enumerate(model.graph.node):
        _check_node(node, f"node {index} ({node.op_type})")
    for weight in (*model.graph.initializer, *(s.values for s in model.graph.sparse_initializer)):
        _check_tensor(weight, f"constant {weight.name!r}")
    _check_inputs(model.graph, tensors)
    _check_sizes(model, limits)
    return model


def _parse(graph: bytes) -> onnx.ModelProto:
    try:
        return onnx.load_from_string(graph)
    except DecodeError as cause:
        raise GraphError("the graph is not ONNX", where="section graph", hint=UNSAFE) from cause


def _check_frame(model: onnx.ModelProto, limits: Limits) -> None:
    if model.functions:
        raise GraphError("the graph defines functions of its own", where="section graph", hint=UNSAFE)
    foreign = sorted({entry.domain for entry in model.opset_import} - {"", "ai.onnx"})
    if foreign:
        raise GraphError(f"the graph uses the foreign operator domain {foreign[0]!r}", where="section graph", hint=UNSAFE)
    if len(model.graph.node) > limits.graph_nodes:
        raise LimitError(f"the graph has {len(model.graph.node)} nodes, at most {limits.graph_nodes} are allowed", where="section graph")


def _check_node(node: onnx.NodeProto, place: str) -> None:
    if node.domain not in ("", "ai.onnx") or node.op_type not in OPERATORS:
        raise GraphError(f"the operator {node.domain}:{node.op_type} is not allowed", where=f"section graph, {place}", hint=UNSAFE)
    for attribute in node.attribute:
        if attribute.HasField("g") or attribute.graphs:
            raise GraphError("control flow is not allowed", where=f"section graph, {place}", hint=UNSAFE)
        for tensor in (attribute.t, *attribute.tensors):
            _check_tensor(tensor, place)


def _check_tensor(tensor: onnx.TensorProto, place: str) -> None:
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        raise GraphError("the graph points to data outside the file", where=f"section graph, {place}", hint=UNSAFE)


def _check_inputs(graph: onnx.GraphProto, tensors: frozenset[str]) -> None:
    samples = [value.name for value in graph.input if value.name not in tensors]
    if len(samples) != 1:
        named = ", ".join(samples) or "none"
        raise GraphError(f"the graph must have one input beside the file's tensors, it has {len(samples)}: {named}", where="section graph")


def _check_sizes(model: onnx.ModelProto, limits: Limits) -> None:
    """Infer every shape at batch 1; a node that makes its size from values must have a known and bounded one."""
    try:
        inferred = onnx.shape_inference.infer_shapes(at_batch(model, 1), strict_mode=True, data_prop=True).graph
    except (onnx.shape_inference.InferenceError, ValueError) as cause:
        raise GraphError(f"the graph's shapes contradict each other: {str(cause).splitlines()[0]}", where="section graph") from cause
    shapes = {value.name: value.type.tensor_type.shape for value in (*inferred.value_info, *inferred.output)}
    for node in inferred.node:
        for name in node.output:
            sides = [d.dim_value if d.HasField("dim_value") else None for d in shapes[name].dim] if name in shapes else [None]
            if node.op_type in MAKERS and None in sides:
                raise GraphError("the size of this node's output cannot be bounded", where=f"section graph, {node.op_type}", hint=UNSAFE)
            if 8 * math.prod(side or 1 for side in sides) > limits.activation_bytes:
                raise LimitError(f"{node.op_type} would make {sides} values", where=f"section graph, output {name!r}", hint=UNSAFE)


def at_batch(model: onnx.ModelProto, batch: int) -> onnx.ModelProto:
    """A copy whose symbolic input axes all have this length."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for value in copy.graph.input:
        for axis in value.type.tensor_type.shape.dim:
            if not axis.HasField("dim_value"):
                axis.dim_value = batch
    for value in copy.graph.output:
        value.type.tensor_type.ClearField("shape")
    return copy
