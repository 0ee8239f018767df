"""A graph and its tensors become an `Imported` module."""

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn

from laconic.base.errors import ModelError
from laconic.base.words import did_you_mean
from laconic.graph.importing.dequantised import dequantised
from laconic.graph.importing.layers import Layer, Surroundings, layer_of
from laconic.graph.importing.module import Call, Imported, Plan, Samples
from laconic.graph.importing.naming import Rooms
from laconic.graph.importing.operators import OPERATORS
from laconic.graph.importing.operators.elementwise import type_of
from laconic.graph.importing.types import is_trainable, types_of
from laconic.graph.reading.arrays import stored
from laconic.graph.reading.folding import attributes_of
from laconic.graph.reading.slots import SIZES
from laconic.graph.reading.structure import subgraphs
from laconic.nn.weights import to_torch

Arrays = Mapping[str, np.ndarray]

_INTERPRETED = ("Shape", "Size")
_COUNTER = ".num_batches_tracked"
_NAMED = ("bias", "weight", "running_mean")  # what a layer is named by; weights are tied more often than biases, and renamed when quantised


def build(model: onnx.ModelProto, tensors: Arrays) -> Imported:
    """The module that computes what the graph computes.

    A layer whose bias is called `x.bias`, or its weight `x.weight`, stands at `x`, any other at the name of its weight; tensors that are in
    no layer have their own names. Floating-point tensors are parameters, except single values that no layer takes; all else is a buffer.

    Args:
        model: whose inputs are samples and tensors, as `reading` parts it or a `.lac` file has it.
        tensors: by name; two names of one array are tied.

    Raises:
        ModelError: an operator or an attribute that is not known here, with its node; shapes that contradict each other.
    """
    check_operators(model.graph)
    numbers = {constant.name: onnx.numpy_helper.to_array(constant) for constant in model.graph.initializer}
    outputs = [value.name for value in model.graph.output]
    nodes, weights = dequantised(copy.deepcopy(list(model.graph.node)), tensors, numbers, outputs)
    builder = _Builder(Surroundings(weights, numbers, types_of(model), _makers(nodes), _readers(nodes, outputs)))
    inputs = {value.name: _samples(value.type.tensor_type) for value in model.graph.input if value.name not in tensors}
    return builder.finish(nodes, inputs, outputs)


def _samples(kind: onnx.TypeProto.Tensor) -> Samples:
    return Samples(type_of(kind.elem_type).is_floating_point, kind.shape.dim[0].dim_value if kind.shape.dim else 0)


def check_operators(graph: onnx.GraphProto) -> None:
    """Refuse what no function here does.

    Raises:
        ModelError: a foreign domain, control flow, an unknown operator, or an attribute that cannot be honoured.
    """
    for index, node in enumerate(graph.node):
        place = _place(index, node)
        if node.domain or subgraphs(node) or node.op_type not in (*OPERATORS, *_INTERPRETED):
            name = f"{node.domain}:{node.op_type}" if node.domain else node.op_type
            hint = "laconic pack keeps it as it is" if node.domain or subgraphs(node) else did_you_mean(node.op_type, list(OPERATORS))
            raise ModelError(f"the operator {name} is not known to the importer", where=place, hint=hint)
        strange = set(attributes_of(node)) - (_attributes(OPERATORS[node.op_type]) if node.op_type in OPERATORS else {"start", "end"})
        if strange:
            raise ModelError(f"{node.op_type} has an attribute that is not known here: {', '.join(sorted(strange))}", where=place)


def _attributes(function: Callable[..., Any]) -> set[str]:
    """The attributes that a function names; torch's own functions have none."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # it is compiled
        return set()
    named = {parameter.name for parameter in parameters if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)}
    anything = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    return named | (_attributes(OPERATORS["Conv"]) if anything else set())  # those who pass all on pass it to a convolution


def _place(index: int, node: onnx.NodeProto) -> str:
    return f"node {index} ({node.op_type})"


def _makers(nodes: Sequence[onnx.NodeProto]) -> dict[str, onnx.NodeProto]:
    return {name: node for node in nodes for name in node.output}


def _readers(nodes: Sequence[onnx.NodeProto], outputs: Sequence[str]) -> dict[str, list[onnx.NodeProto]]:
    """Name of a value → its readers; an output of the graph counts as read by a node of no kind."""
    found: dict[str, list[onnx.NodeProto]] = {name: [onnx.NodeProto()] for name in outputs}
    for node in nodes:
        for name in node.input:
            found.setdefault(name, []).append(node)
    return found


class _Builder:
    """The module while it is built."""

    def __init__(self, around: Surroundings) -> None:
        self.around = around
        self.module = Imported()
        self.rooms = Rooms(self.module)
        self.calls: list[Call] = []
        self.held: dict[str, tuple[str, str]] = {}
        self._parameters: dict[tuple[int, bool], nn.Parameter] = {}
        self._paths: dict[str, str] = {}
        self._made: set[str] = set()

    def finish(self, nodes: Sequence[onnx.NodeProto], inputs: Mapping[str, Samples], outputs: Sequence[str]) -> Imported:
        """Every node as a call, every tensor in its place."""
        for index, node in enumerate(nodes):
            if not self._made.issuperset(node.output):
                self._add(node, _place(index, node))
        calls = _with_ends(self.calls, outputs)
        self._put_tensors({name for call in calls for name in call.inputs})
        self._put_numbers(calls, outputs)
        return self.module.follow(Plan(inputs, tuple(outputs), calls, self.held, self.around.numbers)).eval()

    def _add(self, node: onnx.NodeProto, place: str) -> None:
        layer = layer_of(node, self.around)
        if layer is not None:
            self._add_layer(node, layer, place)
        elif (pair := self._fake_quantised(node)) is not None:
            self.calls.append(replace(pair, place=place))
        else:
            self.calls.append(Call(node.op_type, tuple(node.input), tuple(node.output), attributes_of(node), place=place))

    def _fake_quantised(self, node: onnx.NodeProto) -> Call | None:
        """Rounding and back in one call, so that a gradient passes."""
        first = self.around.makers.get(node.input[0]) if node.op_type == "DequantizeLinear" else None
        if first is None or first.op_type != "QuantizeLinear" or list(first.input[1:]) != list(node.input[1:]):
            return None
        return Call("fake quantize", tuple(first.input), tuple(node.output), attributes_of(first) | attributes_of(node))

    def _add_layer(self, node: onnx.NodeProto, layer: Layer, place: str) -> None:
        path, source, output = self._install(layer), node.input[0], layer.output or node.output[0]
        if layer.before:
            word, attributes = layer.before
            self.calls.append(Call(word, (source,), (f"{output} padded",), attributes, place=place))
            source = f"{output} padded"
        self.calls.append(Call(node.op_type, (source,), (output,), layer=path, place=place))
        self._made.add(output)

    def _install(self, layer: Layer) -> str:
        """Put the layer in with its tensors; one that is called twice is put in once."""
        key = repr((layer.module, layer.tensors, layer.turned))
        if key in self._paths:
            return self._paths[key]
        for attribute, name in layer.tensors.items():
            setattr(layer.module, attribute, self._parameter(name, layer.module, attribute, layer.turned and attribute == "weight"))
        path = self.rooms.put_layer(self._path(layer), layer.module)
        self._count(layer.module, path)
        for attribute, name in layer.tensors.items():
            if not (layer.turned and attribute == "weight"):
                self.held.setdefault(name, (path, attribute))
        self._paths[key] = path
        return path

    def _path(self, layer: Layer) -> str:
        """`x` for a layer whose bias is `x.bias` or whose weight is `x.weight`; else the name of its weight."""
        names = {word: name for word, name in layer.tensors.items() if not (layer.turned and word == "weight")}
        prefixes = [names[word].removesuffix(f".{word}") for word in _NAMED if names.get(word, "").endswith(f".{word}")]
        first = next(iter(layer.tensors.values()))
        return next((path for path in (*prefixes, first) if self.rooms.is_free(path)), first)

    def _parameter(self, name: str, module: nn.Module, attribute: str, turned: bool) -> torch.Tensor:
        array = self.around.tensors[name]
        tensor = to_torch(np.ascontiguousarray(array.T) if turned else array)
        if attribute not in dict(module.named_parameters(recurse=False)):
            return tensor
        return self._parameters.setdefault((id(array), turned), nn.Parameter(tensor))

    def _count(self, module: nn.Module, path: str) -> None:
        """A normalisation counts its batches in a buffer, which has no memory yet."""
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            counted = self.around.tensors.get(f"{path}{_COUNTER}", np.array(0, np.int64))
            module.num_batches_tracked = to_torch(counted)

    def _put_tensors(self, read: set[str]) -> None:
        """All tensors that no layer has: those that functions read, and those that nobody does."""
        for name, array in self.around.tensors.items():
            idle = name not in read
            if name in self.held or (idle and self._stands(name, array)):
                continue
            if (id(array), False) in self._parameters or (array.size > 1 and is_trainable(array)):
                tensor: torch.Tensor = self._parameters.setdefault((id(array), False), nn.Parameter(to_torch(array)))
            else:
                tensor = to_torch(array)
            self.held[name] = self.rooms.put_tensor(name, tensor)

    def _stands(self, name: str, array: np.ndarray) -> bool:
        """Whether the module has this very tensor under this name already, or holds its transpose."""
        state = self.module.state_dict(keep_vars=True)
        tied = name in state and state[name] is self._parameters.get((id(array), False))
        return tied or (name.endswith(_COUNTER) and name in state) or (id(array), True) in self._parameters

    def _put_numbers(self, calls: Sequence[Call], outputs: Sequence[str]) -> None:
        """Buffers for the constants that are computed with, outside of the state dict: they are no weights."""
        sizes = {(call.operator, place) for call in calls for place in SIZES.get(call.operator, ())}
        used = {name for call in calls for place, name in enumerate(call.inputs) if (call.operator, place) not in sizes} | set(outputs)
        for number, (name, array) in enumerate(self.around.numbers.items()):
            if name in used:
                self.held[name] = self.rooms.put_tensor(f"constant_{number}", torch.from_numpy(stored(array).copy()), persistent=False)


def _with_ends(calls: Sequence[Call], outputs: Sequence[str]) -> tuple[Call, ...]:
    """The calls that an output depends on, each with the values that nobody reads after it."""
    kept: list[Call] = []
    seen = set(outputs)
    for call in reversed(calls):
        if seen & set(call.outputs):
            last = max(place for place, name in enumerate(call.outputs) if name in seen)
            own = {name for name in (*call.inputs, *call.outputs) if name}
            kept.append(replace(call, outputs=call.outputs[: last + 1], done=tuple(sorted(own - seen))))
            seen |= own
    return tuple(reversed(kept))
