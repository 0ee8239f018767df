"""An ONNX file as an artifact that changes no bit of any weight."""

from pathlib import Path

import numpy as np

from laconic.artifact import Artifact, Notes
from laconic.base.errors import GraphError, LimitError, ModelError
from laconic.base.preprocessing import Preprocessing
from laconic.forms import Dense
from laconic.graph.reading.arrays import stored
from laconic.graph.reading.batch import freed
from laconic.graph.reading.file import open_onnx
from laconic.graph.reading.weightless import Parts, parted
from laconic.runtime import Session


def read_onnx(path: Path, sample_shape: tuple[int, ...] | None = None) -> Parts:
    """The graph and the tensors of an ONNX file.

    Args:
        path: of the file; weights beside it are read from its folder only.
        sample_shape: of one sample, where the graph leaves it open.

    Raises:
        ModelError: no sound ONNX, operators too old to be converted, or control flow. UsageError: it takes samples of another shape.
    """
    return parted(open_onnx(path), sample_shape)


def artifact_of_onnx(
    path: Path, sample_shape: tuple[int, ...] | None, mean: tuple[float, ...] | None, std: tuple[float, ...] | None
) -> Artifact:
    """What a `.lac` file of this model says; its tensors are dense.

    The graph is put in only if a Session has run it; otherwise the notes say why not, and every initializer is a tensor.

    Args:
        path: of the file.
        sample_shape: of one sample, where the graph leaves it open.
        mean: what the network was trained with, for the notes; None if unknown.
        std: likewise.

    Raises:
        ModelError: the file is no sound ONNX. UsageError: it takes samples of another shape.
    """
    file = open_onnx(path)
    try:
        return _with_graph(freed(parted(file, sample_shape)), mean, std)
    except (ModelError, GraphError, LimitError) as cause:
        tensors = {name: Dense.of(stored(array)) for name, array in file.arrays.items()}
        return Artifact(tensors, None, Notes(reason=cause.what))


def _with_graph(parts: Parts, mean: tuple[float, ...] | None, std: tuple[float, ...] | None) -> Artifact:
    tensors = {name: Dense.of(array) for name, array in parts.tensors.items()}
    artifact = Artifact(tensors, parts.model.SerializeToString(deterministic=True))
    session = Session(artifact)
    batch = parts.samples[0].type.tensor_type.shape.dim[0].dim_value or 1
    session(np.zeros((batch, *session.sample_shape), np.float32))
    known = None if mean is None or std is None else Preprocessing(session.sample_shape, mean=mean, std=std)
    return Artifact(tensors, artifact.graph, Notes(known))
