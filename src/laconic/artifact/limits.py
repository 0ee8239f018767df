"""What a reader is willing to spend on a stranger's file. Every limit stands here and can be given to `load`."""

from dataclasses import dataclass

MIB, GIB = 1 << 20, 1 << 30


@dataclass(frozen=True)
class Limits:
    """Upper bounds, checked before anything is allocated.

    Args:
        file_bytes: length of the file.
        tensors: number of tensors.
        rank: number of axes of a tensor.
        name_bytes: length of a tensor's name, UTF-8.
        decoded_bytes: all tensors together, decoded.
        graph_bytes: the graph, inflated.
        graph_nodes: nodes of the graph.
        activation_bytes: the largest inferred tensor inside the graph, at batch 1.
        notes_bytes: the notes, inflated.
    """

    file_bytes: int = 4 * GIB
    tensors: int = 1 << 16
    rank: int = 16
    name_bytes: int = 1024
    decoded_bytes: int = 16 * GIB
    graph_bytes: int = 64 * MIB
    graph_nodes: int = 1 << 17
    activation_bytes: int = 1 * GIB
    notes_bytes: int = 1 * MIB
