"""A graph in pieces: ONNX Runtime runs what it runs best, and kernels of our own the layers that are sparse enough for them.

Whether a layer is, is measured when the graph is opened: one sample through either kernel, in turns. Layers that may be sparse are linear
ones and 1 × 1 convolutions; the graph is cut in front of and behind each that is.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from laconic.base.errors import GraphError
from laconic.runtime.engine import start
from laconic.runtime.nodes import attributes, is_linear
from laconic.runtime.sparse import Rows

LEAST, ZEROS = 1 << 14, 0.6  # weights of a layer, and their share of zeros, from which it is worth a try
TURNS = 7

Values = dict[str, np.ndarray]
Run = Callable[[np.ndarray], np.ndarray]
Piece = Callable[[Values], None]
Engine = Callable[[list[np.ndarray]], list[np.ndarray]]


@dataclass(frozen=True, eq=False)
class Layer:
    """A linear layer or 1 × 1 convolution by sparse rows.

    Args:
        node: that it stands for.
        rows: its weight.
        bias: float32 `(rows,)`.
    """

    node: onnx.NodeProto
    rows: Rows
    bias: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Outputs for inputs `(n, columns)` or `(n, columns, …)`."""
        if x.ndim == 2:
            return self.rows.times_vectors(x) + self.bias
        flat = np.ascontiguousarray(x).reshape(len(x), x.shape[1], -1)
        out = np.stack([self.rows.times_matrix(sample) for sample in flat]) + self.bias[:, None]
        return out.reshape(len(x), -1, *x.shape[2:])


def open_partitioned(model: bytes, threads: int) -> Run:
    """A function that runs the graph, with sparse layers by our own kernels where that is faster here.

    Raises:
        GraphError: none is, or ONNX Runtime refuses the graph.
    """
    try:
        whole = Whole(onnx.load_from_string(model), threads)
    except DecodeError as cause:
        raise GraphError("laconic refuses the graph: it is not ONNX", where="section graph") from cause
    layers = [layer for node in whole.nodes if (layer := _layer(node, whole.constants)) is not None]
    faster = {layer.node.output[0]: layer for layer in layers if _is_faster(layer, whole)}
    if not faster:
        found = f"{len(layers)} layers have many zeros, and none is faster for it here" if layers else "no layer has many zeros"
        raise GraphError(found, where="section graph", hint="engine: onnxruntime")
    pieces = list(_pieces(whole, faster))

    def run(inputs: np.ndarray) -> np.ndarray:
        values = {whole.given: inputs}
        for piece in pieces:
            piece(values)
        return values[whole.wanted]

    return run


class Whole:
    """A whole graph, of which parts can be run."""

    def __init__(self, model: onnx.ModelProto, threads: int) -> None:
        self._model, self._threads = model, threads
        self.nodes: list[onnx.NodeProto] = list(model.graph.node)
        self.constants = {constant.name: constant for constant in model.graph.initializer}
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

    def engine(self, nodes: Sequence[onnx.NodeProto], read: Sequence[str], made: Sequence[str]) -> Engine:
        """ONNX Runtime on some of the nodes: from the values that they read to those that they make.

        Raises:
            GraphError: the type of one of them cannot be inferred.
        """
        unknown = [name for name in (*read, *made) if name not in self.values]
        if unknown:
            raise GraphError(f"the type of {unknown[0]!r} is not known", where="section graph", hint="engine: onnxruntime")
        used = dict.fromkeys(name for node in nodes for name in node.input if name in self.constants)
        ends = ([self.values[name] for name in names] for names in (read, made))
        graph = onnx.helper.make_graph(nodes, "g", *ends, [self.constants[name] for name in used])
        part = onnx.helper.make_model(graph, opset_imports=self._model.opset_import, ir_version=self._model.ir_version)
        session = start(part.SerializeToString(), self._threads)
        return lambda inputs: session.run(list(made), dict(zip(read, inputs, strict=True)))


def _layer(node: onnx.NodeProto, constants: Mapping[str, onnx.TensorProto]) -> Layer | None:
    """The sparse layer that a node may be."""
    weight = constants.get(node.input[1]) if len(node.input) > 1 else None
    if weight is None or weight.data_type != onnx.TensorProto.FLOAT or not (is_linear(node) or _is_pointwise(node, weight)):
        return None
    bias = constants.get(node.input[2]) if len(node.input) > 2 and node.input[2] else None
    if len(node.input) > 2 and node.input[2] and bias is None:
        return None
    array = onnx.numpy_helper.to_array(weight)
    matrix = array.reshape(len(array), -1)
    if matrix.size < LEAST or np.count_nonzero(matrix) > (1 - ZEROS) * matrix.size:
        return None
    added = np.zeros(len(matrix), np.float32) if bias is None else np.broadcast_to(onnx.numpy_helper.to_array(bias), len(matrix)).copy()
    return Layer(node, Rows.of(matrix), added)


def _is_pointwise(node: onnx.NodeProto, weight: onnx.TensorProto) -> bool:
    said = attributes(node)
    alone = all(set(said[name].ints) <= {one} for name, one in (("strides", 1), ("pads", 0)) if name in said)
    group = said["group"].i if "group" in said else 1
    auto = said["auto_pad"].s if "auto_pad" in said else b"NOTSET"
    return node.op_type == "Conv" and alone and group == 1 and auto == b"NOTSET" and set(weight.dims[2:]) == {1}


def _is_faster(layer: Layer, whole: Whole) -> bool:
    """Whether one sample goes through faster than in ONNX Runtime, in turns."""
    value = whole.values.get(layer.node.input[0])
    sides = [side.dim_value for side in value.type.tensor_type.shape.dim[1:]] if value is not None else []
    if not sides or not all(sides):
        return False
    sample = np.random.default_rng(0).standard_normal((1, *sides)).astype(np.float32)
    dense = whole.engine([layer.node], [layer.node.input[0]], [layer.node.output[0]])
    runs: tuple[Callable[[], object], ...] = (lambda: layer(sample), lambda: dense([sample]))
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(TURNS + 1):
        for spent, run in zip(times, runs, strict=True):
            begin = time.perf_counter()
            run()
            if turn:  # the first warms up
                spent.append(time.perf_counter() - begin)
    return statistics.median(times[0]) < statistics.median(times[1])


def _pieces(whole: Whole, layers: Mapping[str, Layer]) -> Iterator[Piece]:
    """The graph's steps in order, each of which takes values and adds its own.

    Args:
        whole: the graph.
        layers: first output → the layer by sparse rows that makes it.
    """
    runs: list[list[onnx.NodeProto]] = [[]]
    for node in whole.nodes:
        if node.output[0] in layers:
            runs += [[node], []]
        else:
            runs[-1].append(node)
    runs = [run for run in runs if run]
    for number, run in enumerate(runs):
        if run[0].output[0] in layers:
            yield _by_rows(layers[run[0].output[0]])
            continue
        made = dict.fromkeys(name for node in run for name in node.output)
        read = dict.fromkeys(name for node in run for name in node.input if name and name not in made and name not in whole.constants)
        later = {name for other in runs[number + 1 :] for node in other for name in node.input} | {whole.wanted}
        yield _by_engine(whole, run, list(read), [name for name in made if name in later])


def _by_rows(layer: Layer) -> Piece:
    def step(values: Values) -> None:
        values[layer.node.output[0]] = layer(values[layer.node.input[0]])

    return step


def _by_engine(whole: Whole, nodes: Sequence[onnx.NodeProto], read: list[str], made: list[str]) -> Piece:
    engine = whole.engine(nodes, read, made)

    def step(values: Values) -> None:
        values.update(zip(made, engine([values[name] for name in read]), strict=True))

    return step
