"""Network → Artifact: the Forms of its weights, its graph, and what an input is."""

from dataclasses import replace

from laconic.artifact import Artifact
from laconic.base.errors import ExportError, GraphError, LimitError
from laconic.datasets.data import Data
from laconic.graph.export import export
from laconic.graph.network import Network
from laconic.graph.replay import noted
from laconic.runtime import Session


def package(network: Network, data: Data) -> tuple[Artifact, str]:
    """What a file of this network says, and, where it has no graph, why.

    Args:
        network: a plain model and its Forms.
        data: for the preprocessing and the names of the classes.

    A graph is put in only if a Session has run it. The file says in general terms why it has none: the particulars may name
    the user's own files.
    """
    notes = replace(noted(network.edits), preprocessing=data.preprocessing, classes=data.classes)
    artifact = Artifact(network.tensors(), None, notes)
    try:
        artifact = replace(artifact, graph=export(network.module, data.preprocessing.shape, data.preprocessing.dtype))
        Session(artifact)(data.preprocessing.apply(data.train.inputs[:1]))
    except (ExportError, GraphError, LimitError) as cause:
        return replace(artifact, graph=None, notes=replace(notes, reason=cause.what)), f"weights only: {cause.what} ({cause.where})"
    return artifact, ""


def repackage(network: Network, like: Artifact) -> Artifact:
    """What a file of this network says, its structure being that of `like`: tracing takes seconds."""
    return replace(like, tensors=network.tensors())
