"""A graph in pieces: ONNX Runtime runs what it runs best, and kernels of our own the layers that are sparse enough for them.

Whether a layer is, is measured when the graph is opened: one sample through either kernel, in turns. Layers that may be sparse are linear
ones and 1 × 1 convolutions; the graph is cut in front of and behind each that is.
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from laconic.base.errors import GraphError
from laconic.runtime.sparse_layer import Layer, is_faster, sparse_layer
from laconic.runtime.whole import Whole

Values = dict[str, np.ndarray]
Run = Callable[[np.ndarray], np.ndarray]
Piece = Callable[[Values], None]


def open_partitioned(model: bytes, threads: int) -> Run:
    """A function that runs the graph, with sparse layers by our own kernels where that is faster here.

    Raises:
        GraphError: none is, or ONNX Runtime refuses the graph.
    """
    try:
        whole = Whole(onnx.load_from_string(model), threads)
    except DecodeError as cause:
        raise GraphError("laconic refuses the graph: it is not ONNX", where="section graph") from cause
    layers = [layer for node in whole.nodes if (layer := sparse_layer(node, whole)) is not None]
    faster = {layer.node.output[0]: layer for layer in layers if is_faster(layer, whole)}
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


def _pieces(whole: Whole, layers: Mapping[str, Layer]) -> Iterator[Piece]:
    """The graph's steps in order, each of which takes values and adds its own.

    Args:
        whole: the graph.
        layers: first output → the layer by sparse rows that makes it.
    """
    runs: list[list[onnx.NodeProto]] = [[]]
    for node in _needed(whole, layers):
        if whole.fixed.issuperset(node.output) and whole.wanted not in node.output:
            continue
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
        known = {"", *made, *whole.constants, *whole.fixed}
        read = dict.fromkeys(name for node in run for name in node.input if name not in known)
        later = {name for other in runs[number + 1 :] for node in other for name in _read(node, layers)} | {whole.wanted}
        yield _by_engine(whole, run, list(read), [name for name in made if name in later])


def _needed(whole: Whole, layers: Mapping[str, Layer]) -> list[onnx.NodeProto]:
    """The nodes whose values are read by the time that layers bring their own weights."""
    read, kept = {whole.wanted}, []
    for node in reversed(whole.nodes):
        if read.intersection(node.output):
            kept.append(node)
            read.update(_read(node, layers))
    return kept[::-1]


def _read(node: onnx.NodeProto, layers: Mapping[str, Layer]) -> list[str]:
    return list(node.input[:1] if node.output[0] in layers else node.input)


def _by_rows(layer: Layer) -> Piece:
    def step(values: Values) -> None:
        values[layer.node.output[0]] = layer(values[layer.node.input[0]])

    return step


def _by_engine(whole: Whole, nodes: list[onnx.NodeProto], read: list[str], made: list[str]) -> Piece:
    engine = whole.engine(nodes, read, made)

    def step(values: Values) -> None:
        values.update(zip(made, engine([values[name] for name in read]), strict=True))

    return step
