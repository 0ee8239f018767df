"""A file that runs: arrays in, arrays out, in ONNX Runtime."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from laconic.artifact import Artifact, Limits, Notes, read, unpack, validate
from laconic.base.errors import DataError, GraphError, UsageError

ERRORS_ONLY = 3


class Session:
    """A network ready to run.

    Args:
        artifact: with a graph.
        threads: that one call may use.
        limits: what the graph may ask for.

    Raises:
        UsageError: the file holds weights only. GraphError: the graph may not be run.
    """

    def __init__(self, artifact: Artifact, threads: int = 1, limits: Limits = Limits()) -> None:  # noqa: B008  frozen
        if artifact.graph is None:
            why = artifact.notes.reason or "it was packed with --weights-only"
            raise UsageError(
                f"the file holds no graph: {why}", hint="laconic.load_into(YourModel(), file) puts its weights into your class"
            )
        model = assemble(artifact, limits)
        self.notes: Notes = artifact.notes
        self._engine = _start(model.SerializeToString(), threads)
        entry = self._engine.get_inputs()[0]
        self.input_name, self.sample_shape = entry.name, tuple(entry.shape[1:])

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """Outputs `(n, …)` of the network for `inputs` `(n, *sample_shape)`, float32, already preprocessed.

        Raises:
            DataError: the shape or type is not what the network takes.
        """
        if inputs.dtype.kind != "f":
            raise DataError(
                f"the network takes floating-point inputs, got {inputs.dtype}",
                hint="raw pixels first go through session.notes.preprocessing.apply(pixels)",
            )
        if inputs.ndim != len(self.sample_shape) + 1 or not _fits(inputs.shape[1:], self.sample_shape):
            raise DataError(f"the network takes inputs of shape (n, {', '.join(map(str, self.sample_shape))}), got {inputs.shape}")
        outputs: np.ndarray = self._engine.run(None, {self.input_name: inputs.astype(np.float32, copy=False)})[0]
        return outputs


def load(path: str | Path, threads: int = 1, limits: Limits = Limits()) -> Session:  # noqa: B008  frozen
    """The session of a `.lac` file.

    Raises:
        UsageError: no such file, or one without a graph. ArtifactError: the file is damaged, hostile, or of another version.
    """
    return Session(unpack(read(Path(path), limits), limits), threads, limits)


def _fits(shape: tuple[int, ...], wanted: tuple[int | str, ...]) -> bool:
    return all(isinstance(side, str) or have == side for have, side in zip(shape, wanted, strict=True))


def assemble(artifact: Artifact, limits: Limits = Limits()) -> onnx.ModelProto:  # noqa: B008  frozen
    """A standard ONNX model: the file's graph with its decoded weights as initializers."""
    assert artifact.graph is not None
    model = validate(artifact.graph, frozenset(artifact.tensors), limits)
    graph = model.graph
    weights = {value.name: value for value in graph.input if value.name in artifact.tensors}
    for name, value in weights.items():
        graph.initializer.append(_initializer(name, artifact.tensors[name].array(), value))
        graph.input.remove(value)
    return model


def _initializer(name: str, array: np.ndarray, declared: onnx.ValueInfoProto) -> onnx.TensorProto:
    wanted = tuple(axis.dim_value for axis in declared.type.tensor_type.shape.dim)
    if wanted != array.shape:
        raise GraphError(f"the graph takes {name!r} of shape {wanted}, the file holds {array.shape}", where="section graph")
    return onnx.numpy_helper.from_array(array, name)


def _start(model: bytes, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = ERRORS_ONLY
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as cause:
        raise GraphError(f"ONNX Runtime refuses the graph: {str(cause).splitlines()[0]}", where="section graph") from cause
