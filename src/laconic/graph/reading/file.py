"""An ONNX file from disk: parsed, found to be a graph, its values as arrays. Nothing in it is run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnx.inliner
from google.protobuf.message import DecodeError
from onnx import TensorProto

from laconic.base.errors import ModelError
from laconic.graph.reading.arrays import array_of
from laconic.graph.reading.structure import BROKEN, MOST_NODES, all_graphs, check_structure, inlined

LONGEST = (1 << 31) - 1  # protobuf counts in 31 bits; what is larger keeps its weights beside it


@dataclass(frozen=True, eq=False)
class OnnxFile:
    """What an ONNX file holds.

    Args:
        model: without functions; its initializers have neither bytes nor a place outside any more, only names, types and shapes.
        arrays: the value of each initializer by name, those of branches and bodies included.
    """

    model: onnx.ModelProto
    arrays: Mapping[str, np.ndarray]


def open_onnx(path: Path) -> OnnxFile:
    """Read an ONNX file, and the weights beside it.

    Raises:
        ModelError: no such file, no ONNX, no graph (a cycle, a missing value), tensors without their bytes or outside the folder.
    """
    try:
        model = inlined(_parsed(path))
        check_structure(model.graph)
        return _with_arrays(model, path.parent)
    except ModelError as cause:
        where = f"{path}: {cause.where}" if cause.where and cause.where != str(path) else str(path)
        raise ModelError(cause.what, where=where, hint=cause.hint) from cause


def _parsed(path: Path) -> onnx.ModelProto:
    if not path.is_file():
        raise ModelError("a folder stands where the model should be" if path.is_dir() else "there is no such file", where=str(path))
    try:
        if path.stat().st_size > LONGEST:
            raise ModelError("the file is longer than 2 GiB, which is no ONNX file", where=str(path), hint="save its weights beside it")
        model = onnx.load_from_string(path.read_bytes())
    except OSError as cause:
        raise ModelError(f"the file cannot be read: {cause.strerror}", where=str(path)) from cause
    except (DecodeError, UnicodeDecodeError) as cause:
        raise ModelError("this is no ONNX file, or not all of one", where=str(path), hint="fetch or save it again") from cause
    _check_frame(model)
    return model


def _check_frame(model: onnx.ModelProto) -> None:
    if not model.graph.node or not model.opset_import:
        raise ModelError("the file holds no graph", where="graph", hint=BROKEN)
    if len(model.graph.node) > MOST_NODES:
        raise ModelError(f"the graph has {len(model.graph.node)} nodes, at most {MOST_NODES} are read", where="graph")
    if any(graph.sparse_initializer for graph in all_graphs(model.graph)):
        raise ModelError("sparse initializers are not read", where="graph", hint="save them dense; zeros cost little in a .lac file")


def _with_arrays(model: onnx.ModelProto, folder: Path) -> OnnxFile:
    arrays: dict[str, np.ndarray] = {}
    for graph in all_graphs(model.graph):
        _lift_constants(graph)
        for tensor in graph.initializer:
            if tensor.name in arrays:
                raise ModelError("two tensors have one name", where=f"tensor {tensor.name!r}", hint=BROKEN)
            arrays[tensor.name] = array_of(tensor, folder)
            tensor.CopyFrom(TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims))
        named = {tensor.name for tensor in graph.initializer}
        for value in [value for value in graph.input if value.name in named]:  # defaults that a caller could change; nobody does
            graph.input.remove(value)
    return OnnxFile(model, arrays)


def _lift_constants(graph: onnx.GraphProto) -> None:
    """Make initializers of Constant nodes: some exporters write weights so."""
    for node in [node for node in graph.node if node.op_type == "Constant" and len(node.attribute) == 1]:
        (said,) = node.attribute
        if said.name in _CONSTANTS:
            tensor = said.t if said.name == "value" else _tensor(said)
            tensor.name = node.output[0]
            graph.initializer.append(tensor)
            graph.node.remove(node)


def _tensor(said: onnx.AttributeProto) -> TensorProto:
    value, dtype = onnx.helper.get_attribute_value(said), np.int64 if "int" in said.name else np.float32
    return onnx.numpy_helper.from_array(np.array(value, dtype))


_CONSTANTS = ("value", "value_int", "value_ints", "value_float", "value_floats")
