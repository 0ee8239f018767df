"""A whole graph, of which parts can be run by ONNX Runtime."""

from collections.abc import Callable, Sequence

import numpy as np
import onnx

from laconic.base.errors import GraphError
from laconic.runtime.engine import start
from laconic.runtime.nodes import attributes

Engine = Callable[[list[np.ndarray]], list[np.ndarray]]


class Whole:
    """A whole graph.

    Args:
        model: a whole model with all its weights.
        threads: of every part.
    """

    def __init__(self, model: onnx.ModelProto, threads: int) -> None:
        self._model, self._threads = model, threads
        self.nodes: list[onnx.NodeProto] = list(model.graph.node)
        self.made_by = {name: node for node in self.nodes for name in node.output}
        self._readers: dict[str, list[onnx.NodeProto]] = {}
        for node in self.nodes:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)
        self.constants = {constant.name: constant for constant in model.graph.initializer}
        self.fixed: set[str] = set()
        """What nodes make of constants alone: every part that reads it makes it anew, once, when it is opened."""
        for node in self.nodes:
            if self.fixed.issuperset(name for name in node.input if name and name not in self.constants):
                self.fixed.update(node.output)
        known = onnx.shape_inference.infer_shapes(model).graph
        self.values = {value.name: value for value in (*known.input, *known.value_info, *known.output)}

    @property
    def given(self) -> str:
        """Name of the input."""
        return str(self._model.graph.input[0].name)

    @property
    def wanted(self) -> str:
        """Name of the first output."""
        return str(self._model.graph.output[0].name)

    def sides(self, name: str) -> tuple[int, ...]:
        """Of one sample of a value; none where one of them is not known."""
        value = self.values.get(name)
        found = [side.dim_value for side in value.type.tensor_type.shape.dim[1:]] if value is not None else []
        return tuple(found) if all(found) else ()

    def constant(self, name: str) -> np.ndarray | None:
        """A constant's value; None where there is none of that name."""
        return onnx.numpy_helper.to_array(self.constants[name]) if name in self.constants else None

    def integers(self, name: str, axis: int = 0) -> tuple[np.ndarray, np.ndarray] | None:
        """Of a value that a DequantizeLinear makes of constants: int32 around zero, and a step for each place of an axis; else None."""
        node = self.made_by.get(name)
        if node is None or node.op_type != "DequantizeLinear" or len(node.input) < 3:
            return None
        integers, steps, zeros = (self.constant(part) for part in node.input)
        if integers is None or steps is None or zeros is None or not integers.size or integers.dtype.kind not in "iu":
            return None
        said = attributes(node)
        sides = integers.shape[axis : axis + 1]
        along = steps.shape == sides and (said["axis"].i if "axis" in said else 1) == axis
        if steps.dtype != np.float32 or not (steps.ndim == 0 or along) or (zeros != zeros.flat[0]).any():
            return None
        return integers.astype(np.int32) - zeros.flat[0].astype(np.int32), np.broadcast_to(steps, sides)

    def rounding(self, name: str) -> list[onnx.NodeProto]:
        """The QuantizeLinear and the DequantizeLinear that a value comes through, if it does."""
        back = self.made_by.get(name)
        there = self.made_by.get(back.input[0]) if back is not None and back.op_type == "DequantizeLinear" else None
        return [there, back] if back is not None and there is not None and there.op_type == "QuantizeLinear" else []

    def rounding_behind(self, name: str) -> list[onnx.NodeProto]:
        """The activation, QuantizeLinear and DequantizeLinear that a value goes through next, if it does and nothing else reads it."""
        found: list[onnx.NodeProto] = []
        allowed: tuple[str, ...] = ("Relu", "Clip", "QuantizeLinear")
        while len(readers := self._readers.get(name, [])) == 1 and readers[0].op_type in allowed and name != self.wanted:
            found.append(readers[0])
            name = readers[0].output[0]
            if readers[0].op_type == "DequantizeLinear":
                return found
            allowed = ("DequantizeLinear",) if readers[0].op_type == "QuantizeLinear" else ("QuantizeLinear",)
        return []

    def engine(self, nodes: Sequence[onnx.NodeProto], read: Sequence[str], made: Sequence[str]) -> Engine:
        """ONNX Runtime on some of the nodes, and on those that make what is fixed: from the values that they read to those that they make.

        Raises:
            GraphError: the type of one of them cannot be inferred.
        """
        unknown = [name for name in (*read, *made) if name not in self.values]
        if unknown:
            raise GraphError(f"the type of {unknown[0]!r} is not known", where="section graph", hint="engine: onnxruntime")
        nodes = [*self._fixed_for(nodes), *nodes]
        used = dict.fromkeys(name for node in nodes for name in node.input if name in self.constants)
        ends = ([self.values[name] for name in names] for names in (read, made))
        graph = onnx.helper.make_graph(nodes, "g", *ends, [self.constants[name] for name in used])
        part = onnx.helper.make_model(graph, opset_imports=self._model.opset_import, ir_version=self._model.ir_version)
        session = start(part.SerializeToString(), self._threads)
        return lambda inputs: session.run(list(made), dict(zip(read, inputs, strict=True)))

    def _fixed_for(self, nodes: Sequence[onnx.NodeProto]) -> list[onnx.NodeProto]:
        """The nodes that make what is fixed and these read."""
        own = {name for node in nodes for name in node.output}
        read, found = {name for node in nodes for name in node.input}, []
        for node in reversed(self.nodes):
            if self.fixed.issuperset(node.output) and read.intersection(node.output) and not own.intersection(node.output):
                found.append(node)
                read.update(node.input)
        return found[::-1]
