"""A file that runs: arrays in, arrays out, in the engine of choice."""

from pathlib import Path

import numpy as np
import onnx

from laconic.artifact import Artifact, Limits, Notes, read, unpack
from laconic.artifact.files import identity
from laconic.base.errors import DataError, GraphError, UsageError
from laconic.runtime.assemble import assemble
from laconic.runtime.engines import Choice, open_graph
from laconic.runtime.remembered import recall


class Session:
    """A network ready to run.

    Args:
        artifact: with a graph.
        threads: that one call may use.
        limits: what the graph may ask for.
        choice: the engine and its precision.

    Raises:
        UsageError: the file holds weights only, or `threads` is not positive. GraphError, LimitError: the graph may not be run.
    """

    def __init__(
        self,
        artifact: Artifact,
        threads: int = 1,
        limits: Limits = Limits(),  # noqa: B008  frozen
        choice: Choice = Choice(),  # noqa: B008  frozen
    ) -> None:
        if threads < 1:
            raise UsageError(f"a session needs one thread at least, got {threads}")
        self.notes: Notes = artifact.notes
        model = assemble(artifact, limits, choice.engine)
        sample = model.graph.input[0]
        self.input_name: str = sample.name
        self.sample_shape: tuple[int, ...] = tuple(side.dim_value for side in sample.type.tensor_type.shape.dim[1:])
        self._dtype = onnx.helper.tensor_dtype_to_np_dtype(sample.type.tensor_type.elem_type)
        self.choice = choice
        self._run = open_graph(model.SerializeToString(), threads, choice)

    @property
    def takes_tokens(self) -> bool:
        """Whether inputs are whole numbers that the network looks up."""
        return bool(self._dtype.kind == "i")

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """Outputs `(n, …)` of the network for `inputs` `(n, *sample_shape)`, already preprocessed: of any floating-point type, or of any
        integer type where the network looks tokens up.

        Raises:
            DataError: the shape or type is not what the network takes. GraphError: the engine failed in the middle.
        """
        inputs = np.asarray(inputs)
        if inputs.dtype.kind not in ("iu" if self.takes_tokens else "f"):
            raise DataError(
                f"the network takes {'whole numbers' if self.takes_tokens else 'floating-point inputs'}, got {inputs.dtype}",
                hint="raw samples first go through session.notes.preprocessing.apply(samples)",
            )
        if inputs.ndim == 0 or inputs.shape[1:] != self.sample_shape:
            wanted = ", ".join(map(str, ("n", *self.sample_shape)))
            raise DataError(f"the network takes inputs of shape ({wanted}), got {inputs.shape}", hint="the first axis is the batch")
        return self._run(inputs.astype(self._dtype, copy=False))


def load(
    path: str | Path,
    threads: int = 1,
    limits: Limits = Limits(),  # noqa: B008  frozen
    engine: str = "auto",
    precision: str = "fp32",
) -> Session:
    """The session of a `.lac` file.

    Args:
        path: the file.
        threads: that one call may use.
        limits: what the file and its graph may ask for.
        engine: "onnxruntime", "openvino", "laconic" (ONNX Runtime, with our kernels for sparse layers), or "auto": what won `laconic bench
            FILE --tournament` on this machine, in calls with one sample; else, or where it refuses the graph now, ONNX Runtime.
        precision: that the engine computes in; "auto" brings its own.

    Raises:
        UsageError: no such file, or one without a graph. ArtifactError: the file is damaged, hostile, or of another version.
        GraphError: the engine that was asked for refuses the graph.
    """
    content = read(Path(path), limits)
    artifact = unpack(content, limits)
    if engine != "auto":
        return Session(artifact, threads, limits, Choice(engine, precision))
    remembered = recall(lambda: identity(content), threads)
    try:
        return Session(artifact, threads, limits, remembered)
    except GraphError:
        if remembered == Choice():
            raise
        return Session(artifact, threads, limits)
