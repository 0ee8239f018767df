"""Pack with loss: the integers of a network chosen from calibration samples, for a size or for an allowed drop. Nothing is trained."""

from dataclasses import dataclass

from torch import nn

from laconic.artifact import Artifact, pack
from laconic.base.errors import DataError, ExportError
from laconic.base.progress import Progress, silent
from laconic.datasets.data import Data
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.methods.fold import Fold
from laconic.methods.quantize import Quantize
from laconic.nn import check_model
from laconic.nn.checks import copied
from laconic.recipe.package import package, repackage
from laconic.recipe.ready import check_fit
from laconic.train import Task, classification


@dataclass(frozen=True, eq=False)
class Lossy:
    """What came out: the artifact, and why it has no graph, if it has none."""

    artifact: Artifact
    obstacle: str


def pack_lossy(model: nn.Module, data: Data, step: Quantize, *, task: Task = classification, progress: Progress = silent) -> Lossy:
    """Fold what can be folded, then quantise; `step.bytes` counts the whole file, graph and notes included. The model is not touched.

    Targets are looked at only where `step.drop` asks for a score.

    Raises:
        ModelError, DataError: the model does not run on the data, or, for a drop, they have no targets for the task.
        BudgetError: the target cannot be met.
    """
    check_model(model)
    network = Network(copied(model).eval())
    if step.drop is not None:
        check_fit(network.module, data, task)
    context = Context(data, network.module, task, progress=progress)
    progress("pack", 0.0, "fold, export")
    network = _folded(network, context)
    artifact, obstacle = package(network, data)
    sized = Context(data, context.original, task, progress=progress, price=lambda found: len(pack(repackage(found, artifact))))
    return Lossy(repackage(step.apply(network, step.plan(network, sized), sized), artifact), obstacle)


def check_labels(data: Data) -> None:
    """Refuse to judge by targets that are a stand-in.

    Raises:
        DataError: they are.
    """
    if not data.labelled:
        raise DataError("a drop is measured on targets, and the data have none", where=data.name, hint="--size BYTES needs none")


def _folded(network: Network, context: Context) -> Network:
    try:
        return Fold().apply(network, Fold().plan(network, context), context)
    except ExportError:
        return network
