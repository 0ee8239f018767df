"""A graph in pieces: ONNX Runtime runs what it runs best, and kernels of our own the layers that are sparse enough for them.

Whether a layer is, is measured when the graph is opened: one sample through either kernel, in turns. Layers that may be sparse are linear
ones and 1 × 1 convolutions; the graph is cut in front of and behind each that is.
"""

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from laconic.base.errors import GraphError
from laconic.runtime.engine import start
from laconic.runtime.sparse import Rows

LEAST, ZEROS = 1 << 14, 0.6  # weights of a layer, and their share of zeros, from which it is worth a try
TURNS = 7

Values = dict[str, np.ndarray]
Run = Callable[[np.ndarray], np.ndarray]


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
        whole = onnx.load_from_string(model)
    except DecodeError as cause:
        raise GraphError("laconic refuses the graph: it is not ONNX", where="section graph") from cause
    shapes = _known(whole)
    constants = {constant.name: constant for constant in whole.graph.initializer}
    layers = {id(node): layer for node in whole.graph.node if (layer := _layer(node, constants)) is not None}
    faster = {key: layer for key, layer in layers.items() if _is_faster(layer, shapes, constants, threads)}
    if not faster:
        found = f"{len(layers)} layers have many zeros, and none is faster for it here" if layers else "no layer has many zeros"
        raise GraphError(found, where="section graph", hint="engine: onnxruntime")
    pieces = list(_pieces(whole, faster, constants, shapes, threads))
    given, wanted = whole.graph.input[0].name, whole.graph.output[0].name

    def run(inputs: np.ndarray) -> np.ndarray:
        values = {given: inputs}
        for piece in pieces:
            piece(values)
        return values[wanted]

    return run


def _layer(node: onnx.NodeProto, constants: dict[str, onnx.TensorProto]) -> Layer | None:
    """The sparse layer that a node may be."""
    weight = constants.get(node.input[1]) if len(node.input) > 1 else None
    if weight is None or weight.data_type != onnx.TensorProto.FLOAT or not (_is_linear(node) or _is_pointwise(node, weight)):
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


def _is_linear(node: onnx.NodeProto) -> bool:
    said = {attribute.name: attribute for attribute in node.attribute}
    plain = all(said[name].f == 1 for name in ("alpha", "beta") if name in said)
    return node.op_type == "Gemm" and plain and "transB" in said and said["transB"].i == 1 and not ("transA" in said and said["transA"].i)


def _is_pointwise(node: onnx.NodeProto, weight: onnx.TensorProto) -> bool:
    said = {attribute.name: attribute for attribute in node.attribute}
    alone = all(set(said[name].ints) <= {one} for name, one in (("strides", 1), ("pads", 0)) if name in said)
    group = said["group"].i if "group" in said else 1
    auto = said["auto_pad"].s if "auto_pad" in said else b"NOTSET"
    return node.op_type == "Conv" and alone and group == 1 and auto == b"NOTSET" and set(weight.dims[2:]) == {1}


def _is_faster(layer: Layer, shapes: dict[str, onnx.ValueInfoProto], constants: dict[str, onnx.TensorProto], threads: int) -> bool:
    """Whether one sample goes through faster than in ONNX Runtime, in turns."""
    value = shapes.get(layer.node.input[0])
    sides = [side.dim_value for side in value.type.tensor_type.shape.dim[1:]] if value is not None else []
    if not sides or not all(sides):
        return False
    sample = np.random.default_rng(0).standard_normal((1, *sides)).astype(np.float32)
    dense = _engine([layer.node], shapes, constants, [layer.node.input[0]], [layer.node.output[0]], threads)
    runs: tuple[Callable[[], object], ...] = (lambda: layer(sample), lambda: dense([sample]))
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(TURNS + 1):
        for spent, run in zip(times, runs, strict=True):
            begin = time.perf_counter()
            run()
            if turn:  # the first warms up
                spent.append(time.perf_counter() - begin)
    return statistics.median(times[0]) < statistics.median(times[1])


def _pieces(
    whole: onnx.ModelProto,
    layers: dict[int, Layer],
    constants: dict[str, onnx.TensorProto],
    shapes: dict[str, onnx.ValueInfoProto],
    threads: int,
) -> Iterable[Callable[[Values], None]]:
    """The graph's steps in order, each of which takes values and adds its own."""
    runs: list[list[onnx.NodeProto]] = [[]]
    for node in whole.graph.node:
        runs += [[node], []] if id(node) in layers else []
        if id(node) not in layers:
            runs[-1].append(node)
    runs = [run for run in runs if run]
    results = [value.name for value in whole.graph.output]
    for number, run in enumerate(runs):
        if len(run) == 1 and id(run[0]) in layers:
            yield _by_rows(layers[id(run[0])])
            continue
        made = {name for node in run for name in node.output}
        read = [name for node in run for name in node.input if name and name not in made and name not in constants]
        later = {name for other in runs[number + 1 :] for node in other for name in node.input} | set(results)
        yield _by_engine(run, list(dict.fromkeys(read)), [name for name in made if name in later], shapes, constants, threads)


def _by_rows(layer: Layer) -> Callable[[Values], None]:
    def step(values: Values) -> None:
        values[layer.node.output[0]] = layer(values[layer.node.input[0]])

    return step


def _by_engine(
    nodes: list[onnx.NodeProto],
    read: list[str],
    made: list[str],
    shapes: dict[str, onnx.ValueInfoProto],
    constants: dict[str, onnx.TensorProto],
    threads: int,
) -> Callable[[Values], None]:
    engine = _engine(nodes, shapes, constants, read, made, threads)

    def step(values: Values) -> None:
        values.update(zip(made, engine([values[name] for name in read]), strict=True))

    return step


def _engine(
    nodes: list[onnx.NodeProto],
    shapes: dict[str, onnx.ValueInfoProto],
    constants: dict[str, onnx.TensorProto],
    read: list[str],
    made: list[str],
    threads: int,
) -> Callable[[list[np.ndarray]], list[np.ndarray]]:
    unknown = [name for name in (*read, *made) if name not in shapes]
    if unknown:
        raise GraphError(f"the type of {unknown[0]!r} is not known", where="section graph", hint="engine: onnxruntime")
    used = dict.fromkeys(name for node in nodes for name in node.input if name in constants)
    graph = onnx.helper.make_graph(nodes, "g", [shapes[n] for n in read], [shapes[n] for n in made], [constants[n] for n in used])
    domains = [onnx.helper.make_opsetid("", 20), onnx.helper.make_opsetid("com.microsoft", 1)]
    session = start(onnx.helper.make_model(graph, opset_imports=domains, ir_version=10).SerializeToString(), threads)
    return lambda inputs: session.run(made, dict(zip(read, inputs, strict=True)))


def _known(model: onnx.ModelProto) -> dict[str, onnx.ValueInfoProto]:
    """Types and shapes of all values, as far as ONNX infers them."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    return {value.name: value for value in (*graph.input, *graph.value_info, *graph.output)}
