"""Network → Artifact: the Forms of its weights, its graph, and what an input is."""

from laconic.artifact import Artifact, Notes
from laconic.base.errors import ExportError
from laconic.datasets.data import Data
from laconic.graph.export import export
from laconic.graph.network import Network


def package(network: Network, data: Data, like: Artifact | None = None) -> Artifact:
    """What a file of this network says.

    Args:
        network: a plain model and its Forms.
        data: for the preprocessing and the names of the classes.
        like: an artifact of the same structure, whose graph is taken over (tracing takes seconds).

    A model whose graph cannot leave torch is packed without one; the reason stands in the notes.
    """
    graph, reason = (like.graph, like.notes.reason) if like else _graph(network, data)
    folds = tuple((edit.layer, edit.norm) for edit in network.edits)
    return Artifact(network.tensors(), graph, Notes(data.preprocessing, data.classes, folds, reason))


def _graph(network: Network, data: Data) -> tuple[bytes | None, str]:
    try:
        return export(network.module, data.preprocessing.shape), ""
    except ExportError as cause:
        return None, f"weights only: {cause.what} ({cause.where})"
