"""Graphs that were exported for a batch of one, brought to any batch where that is safe.

Old exporters write the batch into the shape of every input and Reshape. It is taken out, and the graph is kept so only if two
batches together give what each gives alone; otherwise it stays as it was.
"""

from collections.abc import Callable

import numpy as np
import onnx

from laconic.artifact import Artifact
from laconic.base.errors import LaconicError
from laconic.forms import Dense
from laconic.graph.reading.weightless import BATCH, Parts
from laconic.runtime import Session

_RELATIVE, _ABSOLUTE = 1e-4, 1e-5  # what a longer batch may change: engines then add in another order

Runner = Callable[[np.ndarray], np.ndarray]


def freed(parts: Parts) -> Parts:
    """The same with a free batch, or `parts` where its batch is free already or the graph depends on it."""
    loose = loosened(parts)
    return loose if loose is not parts and agree(parts, lambda: (_session(parts), _session(loose))) else parts


def loosened(parts: Parts) -> Parts:
    """The same with the batch taken out of its shapes, whether it still computes the same or not; `parts` where there is none."""
    batch = _batch(parts)
    return Parts(_loosened(parts.model, parts.samples[0].name, batch), parts.tensors) if batch else parts


def _batch(parts: Parts) -> int:
    sides = parts.samples[0].type.tensor_type.shape.dim if len(parts.samples) == 1 else []
    return sides[0].dim_value if sides else 0


def _loosened(model: onnx.ModelProto, sample: str, batch: int) -> onnx.ModelProto:
    loose = onnx.ModelProto()
    loose.CopyFrom(model)
    for value in (*loose.graph.output, *(value for value in loose.graph.input if value.name == sample)):
        sides = value.type.tensor_type.shape.dim
        if sides and sides[0].dim_value == batch:
            sides[0].dim_param = BATCH
    shapes = {constant.name: constant for constant in loose.graph.initializer}
    for node in loose.graph.node:
        if node.op_type == "Reshape" and node.input[1] in shapes:
            free = _free(onnx.numpy_helper.to_array(shapes[node.input[1]]), batch)
            node.input[1] = f"{node.input[1]}_{BATCH}"
            if node.input[1] not in shapes:
                shapes[node.input[1]] = onnx.numpy_helper.from_array(free, node.input[1])
                loose.graph.initializer.append(shapes[node.input[1]])
    return loose


def _free(target: np.ndarray, batch: int) -> np.ndarray:
    """A shape whose first side is the rest of the elements (-1), or that of the input (0) where another side is the rest already.

    >>> _free(np.array([1, 12, 64]), 1), _free(np.array([1, -1]), 1)
    (array([-1, 12, 64]), array([ 0, -1]))
    """
    if not target.size or target[0] <= 0 or target[0] % batch:
        return target
    first = -1 if (target >= 0).all() else 0 if target[0] == batch else target[0]
    return np.array([first, *target[1:]], np.int64)


def agree(parts: Parts, runners: Callable[[], tuple[Runner, Runner]]) -> bool:
    """Whether two batches together give what each gives alone.

    Args:
        parts: of the graph whose batch is fixed.
        runners: gives the runners of that graph and of the loosened one.
    """
    batch, *shape = (side.dim_value for side in parts.samples[0].type.tensor_type.shape.dim)
    inputs = np.random.Generator(np.random.PCG64(0)).standard_normal((2 * batch, *shape), np.float32)
    try:
        alone, together = runners()
        expected = np.concatenate([alone(inputs[:batch]), alone(inputs[batch:])])
        found = together(inputs)
    except (LaconicError, ValueError):  # a graph that is not run at all, or outputs without a batch
        return False
    return expected.shape == found.shape and np.allclose(found, expected, _RELATIVE, _ABSOLUTE)


def _session(parts: Parts) -> Session:
    return Session(Artifact({name: Dense.of(array) for name, array in parts.tensors.items()}, parts.model.SerializeToString()))
