"""An ONNX file as it is, in the engine that also runs ours: what a packed file is compared with."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from laconic.base.errors import DataError, GraphError, ModelError
from laconic.runtime.engine import first_line, start

_TYPES = {f"tensor({word})": dtype for word, dtype in (("float", np.float32), ("float16", np.float16), ("double", np.float64))}


def open_original(path: Path, threads: int = 1) -> Callable[[np.ndarray], np.ndarray]:
    """A function from inputs `(n, …)` to the first output of an ONNX file of one floating-point input.

    The file is trusted: it is the user's own, and ONNX Runtime reads it as it would without us.

    Raises:
        ModelError: no such file, one that ONNX Runtime refuses, or one that takes something else.
    """
    if not path.is_file():
        raise ModelError("there is no such file", where=str(path))
    try:
        engine = start(path, threads)
    except GraphError as cause:
        raise ModelError(cause.what, where=str(path)) from cause
    takes = engine.get_inputs()
    if len(takes) != 1 or takes[0].type not in _TYPES:
        raise ModelError("only a model of one floating-point input can be compared", where=str(path))

    def run(inputs: np.ndarray) -> np.ndarray:
        try:
            outputs: np.ndarray = engine.run(None, {takes[0].name: inputs.astype(_TYPES[takes[0].type], copy=False)})[0]
        except Exception as cause:  # of a dozen kinds, from C++
            raise DataError(f"the model does not take such inputs: {first_line(cause)}", where=str(path)) from cause
        return outputs

    return run
