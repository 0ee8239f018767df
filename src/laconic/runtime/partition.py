"""A graph in pieces: ONNX Runtime runs what it runs best, and kernels of our own the layers that are sparse enough for them.

Whether a layer is, is measured when the graph is opened: one sample through either kernel, in turns. Dense kernels gain more from a larger
batch, so those that won race again when one first comes. Layers that may be sparse are linear ones and 1 × 1 convolutions; the graph is cut
in front of and behind each that is.
"""

import threading
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from laconic.base.errors import GraphError
from laconic.runtime.sparse_layer import Layer, enough, is_faster, sparse_layers, to_power_of_two
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
        graph = onnx.load_from_string(model)
    except DecodeError as cause:
        raise GraphError("laconic refuses the graph: it is not ONNX", where="section graph") from cause
    whole = Whole(graph, threads)
    layers = sparse_layers(graph, whole)
    faster = {layer.linear.made: layer for layer in layers if is_faster(layer, whole, 1)}
    if not faster:
        found = f"{len(layers)} layers have many zeros, and none is faster for it here" if layers else "no layer has many zeros"
        raise GraphError(found, where="section graph", hint="engine: onnxruntime")
    pieces = _Pieces(whole, faster)
    pieces.of(1)

    def run(inputs: np.ndarray) -> np.ndarray:
        values = {whole.given: inputs}
        for piece in pieces.of(len(inputs)):
            piece(values)
        return values[whole.wanted]

    return run


class _Pieces:
    """A graph's steps, for each batch those that are fastest.

    Batches are told apart by powers of two. Where the same layers win, the steps are the same ones: weights are in memory once for each set
    of winners, not for each batch.

    Args:
        whole: the graph.
        layers: what it makes → a layer by sparse rows that is faster with one sample.
    """

    def __init__(self, whole: Whole, layers: Mapping[str, Layer]) -> None:
        self._whole, self._layers, self._alone = whole, layers, threading.Lock()
        self._won: dict[tuple[str, int], bool] = dict.fromkeys(((name, 1) for name in layers), True)
        self._opened: dict[frozenset[str], list[Piece]] = {}
        self._chosen: dict[int, list[Piece]] = {}

    def of(self, batch: int) -> list[Piece]:
        """The steps for so many samples; at first sight of about that many, layers race."""
        size = to_power_of_two(batch)
        with self._alone:
            if size not in self._chosen:
                winners = {name: layer for name, layer in self._layers.items() if self._wins(layer, size)}
                if frozenset(winners) not in self._opened:
                    self._opened[frozenset(winners)] = list(_pieces(self._whole, winners))
                self._chosen[size] = self._opened[frozenset(winners)]
            return self._chosen[size]

    def _wins(self, layer: Layer, size: int) -> bool:
        linear = layer.linear
        race = linear.made, enough(self._whole.sides(linear.given), linear.axis, size)
        if race not in self._won:
            self._won[race] = is_faster(layer, self._whole, race[1])
        return self._won[race]


def _pieces(whole: Whole, layers: Mapping[str, Layer]) -> Iterator[Piece]:
    """The graph's steps in order, each of which takes values and adds its own.

    Args:
        whole: the graph.
        layers: what it makes → a layer by sparse rows.
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
    return [layers[node.output[0]].linear.given] if node.output[0] in layers else list(node.input)


def _by_rows(layer: Layer) -> Piece:
    def step(values: Values) -> None:
        values[layer.linear.made] = layer(values[layer.linear.given])

    return step


def _by_engine(whole: Whole, nodes: list[onnx.NodeProto], read: list[str], made: list[str]) -> Piece:
    engine = whole.engine(nodes, read, made)

    def step(values: Values) -> None:
        values.update(zip(made, engine([values[name] for name in read]), strict=True))

    return step
