"""ANY as it is typed, from a model to an archive of arrays, as an artifact that changes no bit of any weight."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from laconic.artifact import Artifact, Notes
from laconic.artifact.layout import DTYPES
from laconic.base.archives import read_npz
from laconic.base.errors import DataError, ExportError, UsageError
from laconic.base.preprocessing import Preprocessing
from laconic.cli.options import Sample
from laconic.forms import Dense, Form, recognise

_CHECKPOINTS = (".safetensors", ".pt", ".pth", ".th")


def artifact_of(source: str, weights: Path | None, sample: Sample) -> Artifact:
    """What a file of this says: a graph too, where there is one.

    Raises:
        UsageError: a word that names nothing to pack. ModelError, DataError: it cannot be read, or holds types that no file does.
    """
    suffix = Path(source).suffix
    if suffix == ".lac":
        raise UsageError("this is a .lac file already", where=source, hint="laconic unpack decodes it")
    if suffix == ".npz":
        arrays = {name: Dense.of(array) for name, array in read_npz(Path(source)).items()}
        return Artifact(recognised(arrays), notes=Notes(reason="arrays have none"))
    if suffix == ".onnx":
        return _onnx(Path(source), weights, sample)
    if suffix in _CHECKPOINTS:
        return Artifact(recognised(_checkpoint(Path(source))), notes=Notes(reason="a checkpoint has none"))
    return _model(source, weights, sample)


def recognised(tensors: Mapping[str, Form]) -> dict[str, Form]:
    """Every tensor in the cheapest Form that gives it back bit for bit; what was tied stays tied.

    Raises:
        DataError: a tensor of a type that a .lac file does not hold.
    """
    for name, form in tensors.items():
        if form.dtype.name not in DTYPES:
            raise DataError(f"{name} is of type {form.dtype.name}", hint=f"a .lac file holds {', '.join(DTYPES)}")
    found = {id(form): recognise(form.array()) for form in tensors.values()}
    return {name: found[id(form)] for name, form in tensors.items()}


def _checkpoint(path: Path) -> dict[str, Form]:
    from laconic.nn.weights import to_numpy
    from laconic.zoo.checkpoint import read_state

    return {name: Dense.of(to_numpy(tensor)) for name, tensor in read_state(path).items()}


def _onnx(path: Path, weights: Path | None, sample: Sample) -> Artifact:
    from laconic.graph.reading import artifact_of_onnx

    if weights is not None:
        raise UsageError("an ONNX file has its own weights", where="--weights", hint="leave it out")
    artifact = artifact_of_onnx(path, sample.shape, sample.mean, sample.std)
    return replace(artifact, tensors=recognised(artifact.tensors))


def _model(source: str, weights: Path | None, sample: Sample) -> Artifact:
    from laconic.cli.opening import needed_shape, open_model
    from laconic.graph.export import export
    from laconic.graph.network import Network

    model = open_model(source, weights, sample.shape)
    shape = needed_shape(source, sample.shape)
    known = None if sample.mean is None or sample.std is None else Preprocessing(shape, mean=sample.mean, std=sample.std)
    tensors = recognised(Network(model).tensors())
    try:
        return Artifact(tensors, export(model, shape), Notes(known))
    except ExportError as cause:
        return Artifact(tensors, None, Notes(known, reason=cause.what))
