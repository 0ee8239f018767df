"""The files that hold a graph, as modules."""

from pathlib import Path

import numpy as np
import onnx
import torch

from laconic.artifact import Limits, read, unpack, validate
from laconic.base.errors import LaconicError, ModelError
from laconic.forms import Form
from laconic.graph.importing.build import build
from laconic.graph.importing.module import Imported
from laconic.graph.reading import Parts, read_onnx
from laconic.graph.reading.batch import Runner, agree, loosened
from laconic.nn import home

SUFFIXES = (".onnx", ".lac")


def import_model(path: Path, sample_shape: tuple[int, ...] | None = None) -> Imported:
    """The network in an ONNX file or in a `.lac` file with a graph, with its weights, in evaluation mode.

    A batch that an ONNX file was written for is free where two batches together give what each gives alone.

    Args:
        path: of the file.
        sample_shape: of one sample, where an ONNX graph leaves it open.

    Raises:
        ModelError: no such file, a damaged one, one without a graph, or an operator that is not known here.
        UsageError: an ONNX graph takes samples of another shape.
    """
    parts = _parts(path, sample_shape)
    try:
        return _freed(parts)
    except ModelError as cause:
        raise ModelError(cause.what, where=f"{path}: {cause.where}" if cause.where else str(path), hint=cause.hint) from cause


def _freed(parts: Parts) -> Imported:
    """The module of the graph without the batch that it was written for, if it computes the same."""
    loose, module = loosened(parts), build(parts.model, parts.tensors)
    if loose is parts:
        return module
    free = build(loose.model, loose.tensors)
    return free if agree(parts, lambda: (_runner(module), _runner(free))) else module


def _runner(module: Imported) -> Runner:
    """Arrays in, the first output out."""
    _, dtype = home(module)

    def run(inputs: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            outputs = module(torch.from_numpy(inputs).to(dtype))
        return (outputs if isinstance(outputs, torch.Tensor) else outputs[0]).float().numpy()

    return run


def sample_shape_of(path: Path) -> tuple[int, ...] | None:
    """The shape of one sample of the network in a file, without the batch; None where the graph leaves it open or takes several inputs.

    Raises:
        ModelError: as `import_model`.
    """
    samples = _parts(path, None).samples
    sides = [side.dim_value for side in samples[0].type.tensor_type.shape.dim] if len(samples) == 1 else []
    return tuple(sides[1:]) if sides[1:] and all(sides[1:]) else None


def _parts(path: Path, sample_shape: tuple[int, ...] | None) -> Parts:
    return _from_lac(path) if path.suffix == ".lac" else read_onnx(path, sample_shape)


def _from_lac(path: Path) -> Parts:
    try:
        artifact = unpack(read(path))
        if artifact.graph is None:
            why = artifact.notes.reason or "it was packed weights-only"
            raise ModelError(
                f"the file holds weights and no graph: {why}", where=str(path), hint="name the class, and give this file as --weights"
            )
        model: onnx.ModelProto = validate(artifact.graph, frozenset(artifact.tensors), Limits())
    except ModelError:
        raise
    except LaconicError as cause:
        raise ModelError(cause.what, where=f"{path}: {cause.where}" if cause.where else str(path), hint=cause.hint) from cause
    arrays: dict[int, np.ndarray] = {}
    return Parts(model, {name: _once(form, arrays) for name, form in artifact.tensors.items()})


def _once(form: Form, arrays: dict[int, np.ndarray]) -> np.ndarray:
    """One array for a Form, however many names it has."""
    return arrays.setdefault(id(form), form.array())
