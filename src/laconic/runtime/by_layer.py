"""Where a file's time goes, layer by layer: ONNX Runtime clocks the kernels that it has made of the graph, and each belongs to a layer.

What the engine fuses belongs to the layer whose products it is: a normalisation, an activation, a rounding behind it. What stands between
layers, such as additions and changes of layout, is told as such.

The engine names a kernel after the node that it is made of ("fused node 7", "node 7_token_3"), or after the value that it gives
("12_nchwc"). What it has put in under names of its own is of the kernel that ran before, unless it only moves numbers.
"""

import json
import re
import statistics
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

import numpy as np
import onnx

from laconic.artifact import Artifact
from laconic.base.edits import ROUNDED
from laconic.base.errors import GraphError, ResourceError
from laconic.base.latency import WARM_UP
from laconic.runtime.assemble import assemble
from laconic.runtime.engine import first_line, start

BETWEEN = "between layers"
ACTIVATIONS = ("Relu", "LeakyRelu", "PRelu", "Clip", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Elu", "Gelu")
FOLLOWS = ("BatchNormalization", *ACTIVATIONS, "QuantizeLinear", "DequantizeLinear")  # what the engine fuses into what is before
KERNEL = "_kernel_time"
NODE, BLOCKED = re.compile(r"node \d+"), "_nchwc"
MOVES = ("ReorderInput", "ReorderOutput", "Transpose", "Squeeze", "Unsqueeze", "Reshape", "Cast", "Split", "Concat")


def by_layer(artifacts: Mapping[str, Artifact], inputs: np.ndarray, passes: int) -> dict[str, dict[str, float]]:
    """Name → layer → median ms of its kernels in a forward pass on one thread, the files in turns; `BETWEEN` is a layer too.

    Args:
        artifacts: with graphs, by any names.
        inputs: `(n, *sample_shape)`, as the network takes them.
        passes: that are clocked.

    Raises:
        UsageError, GraphError, LimitError: as a session does. ResourceError: there is no room for what the engine writes down.
    """
    try:
        with TemporaryDirectory(prefix="laconic-") as folder:
            watched = {name: _Watched(artifact, Path(folder) / str(at)) for at, (name, artifact) in enumerate(artifacts.items())}
            for _ in range(WARM_UP + passes):
                for one in watched.values():
                    one.run(inputs)
            return {name: one.spent(WARM_UP + passes) for name, one in watched.items()}
    except (OSError, ValueError) as cause:  # a file that is not there, or not whole
        where = gettempdir()
        raise ResourceError(
            "the engine cannot write down what its kernels take", where=where, hint="make room there, or set TMPDIR"
        ) from cause


class _Watched:
    """A session that writes down when each kernel ran."""

    def __init__(self, artifact: Artifact, notes: Path) -> None:
        model = assemble(artifact, engine="onnxruntime")
        self._owner = owners(model, frozenset(artifact.tensors))
        self._engine = start(model.SerializeToString(), 1, notes)
        sample = model.graph.input[0]
        self._input, self._dtype = sample.name, onnx.helper.tensor_dtype_to_np_dtype(sample.type.tensor_type.elem_type)

    def run(self, inputs: np.ndarray) -> None:
        try:
            self._engine.run(None, {self._input: inputs.astype(self._dtype, copy=False)})
        except Exception as cause:  # of a dozen kinds, from C++
            raise GraphError(f"ONNX Runtime fails in the graph: {first_line(cause)}", where="section graph") from cause

    def spent(self, passes: int) -> dict[str, float]:
        """Median ms a pass of each layer, the first passes left out."""
        events = json.loads(Path(self._engine.end_profiling()).read_text(encoding="utf-8"))
        kernels = sorted((one for one in events if one.get("name", "").endswith(KERNEL)), key=lambda one: one["ts"])
        size = len(kernels) // passes  # of a pass: each runs the same kernels
        turns = [self._sums(kernels[at * size : (at + 1) * size]) for at in range(WARM_UP, passes)]
        return {name: statistics.median(turn[name] for turn in turns) / 1000 for name in turns[0]}

    def _sums(self, kernels: list[dict[str, Any]]) -> Counter[str]:
        """Microseconds of each layer in one pass."""
        sums: Counter[str] = Counter()
        layer = BETWEEN
        for kernel in kernels:
            layer = self._of(kernel, layer)
            sums[layer] += kernel["dur"]
        return sums

    def _of(self, kernel: dict[str, Any], before: str) -> str:
        """The layer of a kernel, where the one before it was of that layer."""
        name = kernel["name"].removesuffix(KERNEL)
        node = NODE.search(name)
        known = node[0] if node else name.partition(BLOCKED)[0]
        if known in self._owner:
            return self._owner[known]
        return BETWEEN if kernel["args"]["op_name"] in MOVES else before


def owners(model: onnx.ModelProto, tensors: frozenset[str]) -> dict[str, str]:
    """Node and value → the layer that they are of, by its path. Nodes get names of their own, in place, so that kernels can be told apart.

    Args:
        model: with the weights as initializers.
        tensors: names of the weights.
    """
    held = {weight.name: _layer(weight.name, tensors) for weight in model.graph.initializer}  # and what is made of nothing else
    owner: dict[str, str] = {}
    for at, node in enumerate(model.graph.node):
        node.name = f"node {at}"
        own = next(filter(None, map(held.get, node.input)), None)
        if all(value in held for value in node.input if value):
            held |= dict.fromkeys(node.output, own)
        before = owner.get(node.input[0], BETWEEN) if node.input else BETWEEN
        follows = node.op_type in FOLLOWS and before != BETWEEN
        owner |= dict.fromkeys((node.name, *node.output), before if follows else own or BETWEEN)
    return owner


def _layer(weight: str, tensors: frozenset[str]) -> str | None:
    """The path of the layer that holds it, its own name where it has no path; none for what is no tensor of the file, or rounds a value."""
    name = weight
    while name and name not in tensors:
        name = name.rpartition(".")[0]
    if not name or name.startswith(f"{ROUNDED}."):
        return None
    return name.rpartition(".")[0] or name
