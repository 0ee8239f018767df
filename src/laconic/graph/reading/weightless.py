"""A graph and its tensors, apart: what a `.lac` file holds, from an ONNX file."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper

from laconic.base.errors import ModelError, UsageError
from laconic.graph.reading.arrays import stored, type_of
from laconic.graph.reading.file import OnnxFile
from laconic.graph.reading.folding import fold_shapes
from laconic.graph.reading.modern import modernised
from laconic.graph.reading.slots import constants
from laconic.graph.reading.structure import first_line, subgraphs
from laconic.graph.skeleton import simplified

BATCH = "batch"


@dataclass(frozen=True, eq=False)
class Parts:
    """A graph without weights, and the weights.

    Args:
        model: simplified and cleaned; its inputs are the samples and the tensors that it reads, by name.
        tensors: all of them, in types that a file holds.
    """

    model: onnx.ModelProto
    tensors: Mapping[str, np.ndarray]

    @property
    def samples(self) -> list[onnx.ValueInfoProto]:
        """The inputs that are no tensors."""
        return [value for value in self.model.graph.input if value.name not in self.tensors]


def parted(file: OnnxFile, sample_shape: tuple[int, ...] | None = None) -> Parts:
    """Part a file into graph and tensors, and simplify the graph.

    Args:
        file: from `open_onnx`; it stays as it is.
        sample_shape: of one sample, where the graph leaves it open.

    Raises:
        ModelError: a graph too old to be converted; one with control flow. UsageError: it takes samples of another shape.
    """
    model = copy.deepcopy(file.model)
    _refuse_control_flow(model.graph)
    stays = constants(model.graph, file.arrays)
    tensors = {name: stored(array) for name, array in file.arrays.items() if name not in stays}
    _bring_in(model.graph, tensors, file.arrays, stays)
    model = modernised(model)
    _fix_sample(model.graph, tensors, sample_shape)
    fold_shapes(model.graph)
    del model.graph.quantization_annotation[:], model.training_info[:]
    try:
        model = simplified(model)
    except Exception as cause:  # broad on purpose: the optimiser meets graphs of any origin
        raise ModelError(f"the graph cannot be simplified: {first_line(cause)}", where="graph") from cause
    return _used(model, tensors)


def _refuse_control_flow(graph: onnx.GraphProto) -> None:
    for index, node in enumerate(graph.node):
        if subgraphs(node):
            hint = "export it without control flow: trace the model in evaluation mode"
            raise ModelError(f"the graph has control flow ({node.op_type})", where=f"node {index}", hint=hint)


def _bring_in(graph: onnx.GraphProto, tensors: Mapping[str, np.ndarray], arrays: Mapping[str, np.ndarray], stays: set[str]) -> None:
    """Constants with their values, tensors as inputs; those that the file holds in a wider type are cast back to their own."""
    del graph.initializer[:]
    graph.initializer.extend(onnx.numpy_helper.from_array(arrays[name], name) for name in arrays if name in stays)
    graph.input.extend(helper.make_tensor_value_info(name, type_of(array), array.shape) for name, array in tensors.items())
    wider = {name: type_of(arrays[name]) for name, array in tensors.items() if array.dtype != arrays[name].dtype}
    taken = {value.name for value in graph.input} | {name for node in graph.node for name in node.output}
    narrow = {name: _free(f"{name}_narrow", taken) for name in wider}
    for node in graph.node:
        node.input[:] = [narrow.get(name, name) for name in node.input]
    nodes = [helper.make_node("Cast", [name], [narrow[name]], to=kind) for name, kind in wider.items()] + list(graph.node)
    del graph.node[:]
    graph.node.extend(nodes)


def _free(name: str, taken: set[str]) -> str:
    return name if name not in taken else _free(f"{name}_", taken)


def _fix_sample(graph: onnx.GraphProto, tensors: Mapping[str, np.ndarray], shape: tuple[int, ...] | None) -> None:
    """Write a sample's shape into the one input, with a free batch before it."""
    samples = [value for value in graph.input if value.name not in tensors]
    if shape is None or len(samples) != 1:
        return
    sides = samples[0].type.tensor_type.shape.dim
    declared = [side.dim_value for side in sides]
    if declared and (len(declared) != len(shape) + 1 or any(ours and ours != said for ours, said in zip(declared[1:], shape, strict=True))):
        told = "x".join(str(side or "?") for side in declared[1:])
        hint = f"--input {told}, or nothing"
        raise UsageError(f"the graph takes samples of shape {told}, not {'x'.join(map(str, shape))}", where=samples[0].name, hint=hint)
    batch = helper.make_tensor_value_info("", TensorProto.FLOAT, [(declared or [0])[0] or BATCH, *shape])
    samples[0].type.tensor_type.shape.CopyFrom(batch.type.tensor_type.shape)


def _used(model: onnx.ModelProto, tensors: Mapping[str, np.ndarray]) -> Parts:
    """The graph takes only the tensors that it reads."""
    read = {name for node in model.graph.node for name in node.input} | {value.name for value in model.graph.output}
    for value in [value for value in model.graph.input if value.name in tensors and value.name not in read]:
        model.graph.input.remove(value)
    return Parts(model, tensors)
