"""Look at a stranger's graph before any engine does.

An engine trusts its graphs: it opens external files, runs custom operators, allocates what a node asks for. So a graph is
only handed on when it has standard operators from operators.txt, no functions, no external data, no control flow, and when
what it holds in memory at once is known and bounded (`sizes`).
"""

import math
from importlib import resources

import onnx
from google.protobuf.message import DecodeError

from laconic.artifact.limits import Limits
from laconic.artifact.sizes import check_sizes
from laconic.base.errors import GraphError, LimitError

OPERATORS = frozenset(resources.files("laconic.artifact").joinpath("operators.txt").read_text("utf-8").split())
SAMPLES = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE, onnx.TensorProto.INT64, onnx.TensorProto.INT32)
OLDEST_OPSET = 13  # older operators take sizes as attributes, which are not looked at
LARGEST_ATTRIBUTE = 1 << 16  # of sides, axes and counts; engines have been seen to crash on larger ones
UNSAFE = "this graph did not come from laconic export; do not run it"
HERE = "section graph"


def validate(graph: bytes, tensors: frozenset[str], limits: Limits = Limits()) -> onnx.ModelProto:  # noqa: B008  frozen
    """The parsed graph, when it may be run.

    Args:
        graph: serialised ONNX.
        tensors: names of the tensors that the file brings; every graph input but one must be among them.
        limits: `graph_bytes`, `graph_nodes` and `activation_bytes` apply.

    Raises:
        GraphError: it may not be run, with the node and the reason. LimitError: it is too large.
    """
    if len(graph) > limits.graph_bytes:
        raise LimitError(f"the graph has {len(graph)} bytes, at most {limits.graph_bytes} are allowed", where=HERE)
    try:
        model = onnx.load_from_string(graph)
        _check_frame(model, limits)
        for index, node in enumerate(model.graph.node):
            _check_node(node, f"{HERE}, node {index} ({node.op_type})")
        for constant in model.graph.initializer:
            _check_tensor(constant, f"{HERE}, constant {constant.name!r}")
        check_sizes(model, _sample_input(model.graph, tensors).name, limits.activation_bytes)
    except (DecodeError, UnicodeDecodeError) as cause:
        raise GraphError("the graph is not ONNX", where=HERE, hint=UNSAFE) from cause
    return model


def _check_frame(model: onnx.ModelProto, limits: Limits) -> None:
    if model.functions or model.training_info:
        raise GraphError("the graph defines functions of its own", where=HERE, hint=UNSAFE)
    if model.graph.sparse_initializer:
        raise GraphError("sparse constants are not allowed", where=HERE, hint=UNSAFE)
    foreign = sorted({entry.domain for entry in model.opset_import} - {"", "ai.onnx"})
    if foreign:
        raise GraphError(f"the graph uses the foreign operator domain {foreign[0]!r}", where=HERE, hint=UNSAFE)
    versions, newest = [entry.version for entry in model.opset_import], onnx.defs.onnx_opset_version()
    if len(versions) != 1 or not OLDEST_OPSET <= versions[0] <= newest:
        raise GraphError(f"the graph has operators of version {versions}, {OLDEST_OPSET} to {newest} can be read", where=HERE)
    if len(model.graph.node) > limits.graph_nodes:
        raise LimitError(f"the graph has {len(model.graph.node)} nodes, at most {limits.graph_nodes} are allowed", where=HERE)


def _check_node(node: onnx.NodeProto, place: str) -> None:
    if node.domain not in ("", "ai.onnx") or node.op_type not in OPERATORS:
        raise GraphError(f"the operator {node.domain}:{node.op_type} is not allowed", where=place, hint=UNSAFE)
    for attribute in node.attribute:
        if attribute.HasField("g") or attribute.graphs:
            raise GraphError("control flow is not allowed", where=place, hint=UNSAFE)
        if attribute.HasField("sparse_tensor") or attribute.sparse_tensors:
            raise GraphError("sparse constants are not allowed", where=place, hint=UNSAFE)
        if not isinstance(attribute.name, str):  # protobuf hands out names that are not UTF-8 as bytes
            raise GraphError("the name of an attribute is no text", where=place, hint=UNSAFE)
        if node.op_type != "Constant" and any(abs(number) > LARGEST_ATTRIBUTE for number in (attribute.i, *attribute.ints)):
            raise GraphError(f"the attribute {attribute.name!r} is out of all bounds", where=place, hint=UNSAFE)
        for tensor in (*([attribute.t] if attribute.HasField("t") else ()), *attribute.tensors):
            _check_tensor(tensor, place)


def _check_tensor(tensor: onnx.TensorProto, place: str) -> None:
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        raise GraphError("the graph points to data outside the file", where=place, hint=UNSAFE)
    if any(side < 0 for side in tensor.dims) or math.prod(tensor.dims) > 2 * tensor.ByteSize():  # two 4-bit values share a byte
        raise GraphError(f"a constant of shape {list(tensor.dims)} has too few bytes for it", where=place, hint=UNSAFE)


def _sample_input(graph: onnx.GraphProto, tensors: frozenset[str]) -> onnx.ValueInfoProto:
    """The one input that the file does not bring: floating-point or token numbers, with sizes that are known but for the batch."""
    samples = [value for value in graph.input if value.name not in tensors]
    if len(samples) != 1:
        named = ", ".join(str(value.name) for value in samples) or "none"
        raise GraphError(f"the graph must have one input beside the file's tensors, it has {len(samples)}: {named}", where=HERE)
    if not graph.output:
        raise GraphError("the graph has no output", where=HERE)
    kind = samples[0].type.tensor_type
    sides = list(kind.shape.dim)
    if kind.elem_type not in SAMPLES or not sides or not all(side.dim_value > 0 for side in sides[1:]):
        raise GraphError("the graph must take floating-point samples or whole numbers whose sizes are known but for the batch", where=HERE)
    return samples[0]
