"""ANY as it is typed, from a model to an archive of arrays, as an artifact that changes no bit of any weight."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from laconic.artifact import Artifact, Lazy, Notes, Source
from laconic.artifact.entries import DTYPES
from laconic.base.archives import Stored, open_npz
from laconic.base.errors import DataError, ExportError, UsageError
from laconic.base.preprocessing import Preprocessing
from laconic.base.progress import Progress
from laconic.base.safetensors import open_safetensors
from laconic.base.words import unwrapped
from laconic.cli.options import Sample
from laconic.forms import Dense, Form, recognise

_CHECKPOINTS = (".pt", ".pth", ".th")


def artifact_of(source: str, weights: Path | None, sample: Sample) -> Artifact:
    """What a file of this says: a graph too, where there is one. Archives and `.safetensors` are read when their tensors are asked for.

    Raises:
        UsageError: a word that names nothing to pack. ModelError, DataError: it cannot be read, or holds types that no file does.
    """
    suffix = Path(source).suffix
    if suffix == ".lac":
        raise UsageError("this is a .lac file already", where=source, hint="laconic unpack decodes it")
    if suffix == ".npz":
        return Artifact(_stored(open_npz(Path(source))), notes=Notes(reason="arrays have none"))
    if suffix == ".safetensors":
        return Artifact(_stored(unwrapped(open_safetensors(Path(source)))), notes=Notes(reason="a checkpoint has none"))
    if suffix == ".onnx":
        return _onnx(Path(source), weights, sample)
    if suffix in _CHECKPOINTS:
        return Artifact(recognised(_checkpoint(Path(source))), notes=Notes(reason="a checkpoint has none"))
    return _model(source, weights, sample)


def read_target(size: int | None, drop: float | None, data: str | None) -> tuple[int | None, float | None]:
    """--size and --drop, of which one was said, beside --data.

    Raises:
        UsageError: both, or no data.
    """
    if size is not None and drop is not None:
        raise UsageError("--size and --drop are two targets", hint="say one of them")
    if data is None:
        raise UsageError("weights are rounded by what samples show", hint="--data DATA: npz:FILE, folder:DIR, digits, mnist:DIR …")
    return size, drop


def lossy_artifact_of(
    source: str, weights: Path | None, sample: Sample, data: str | None, target: tuple[int | None, float | None], progress: Progress
) -> Artifact:
    """What a file of this says that meets the target: a size in bytes, or an allowed drop.

    Raises:
        UsageError: weights without a network. ModelError, DataError: as for compress. BudgetError: it cannot be met.
    """
    from laconic.cli.opening import is_checkpoint, open_data, open_model
    from laconic.methods.quantize import Quantize
    from laconic.recipe.lossy import check_labels, pack_lossy

    if Path(source).suffix in (*_CHECKPOINTS, ".npz", ".safetensors"):
        hint = "laconic pack MODEL --weights FILE --data DATA …"
        raise UsageError("weights alone cannot be run, so nobody can tell what rounding does to them", where=source, hint=hint)
    size, drop = target
    samples = open_data(str(data), source, sample, checkpoint=is_checkpoint(source, weights))
    if drop is not None:
        check_labels(samples)
    model = open_model(source, weights, samples.preprocessing.shape, len(samples.classes) or None)
    return pack_lossy(model, samples, Quantize(bytes=size, drop=drop), progress=progress).artifact


def recognised(tensors: Mapping[str, Form]) -> Lazy:
    """Every tensor in the cheapest Form that gives it back bit for bit, found when it is asked for; what was tied stays tied."""

    def cheapest(name: str, form: Form) -> Form:
        return _recognised(name, form.table.reshape(form.shape)) if isinstance(form, Dense) else form

    own = {id(form): Source(form.size, lambda name=name, form=form: cheapest(name, form)) for name, form in tensors.items()}  # type: ignore[misc]
    return Lazy({name: own[id(form)] for name, form in tensors.items()})


def _stored(arrays: Mapping[str, Stored]) -> Lazy:
    return Lazy({name: Source(one.bytes, lambda name=name, one=one: _recognised(name, one.read())) for name, one in arrays.items()})  # type: ignore[misc]


def _recognised(name: str, array: np.ndarray) -> Form:
    if array.dtype.name not in DTYPES:
        raise DataError(f"{name} is of type {array.dtype.name}", hint=f"a .lac file holds {', '.join(DTYPES)}")
    return recognise(array)


def _checkpoint(path: Path) -> dict[str, Form]:
    from laconic.nn.weights import viewed
    from laconic.zoo.checkpoint import read_state

    return {name: Dense.of(viewed(tensor)) for name, tensor in read_state(path).items()}


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
