"""What a reader is willing to spend on a stranger's file. Every limit stands here and can be given to `load`."""

from dataclasses import dataclass

MIB, GIB = 1 << 20, 1 << 30


@dataclass(frozen=True)
class Limits:
    """Upper bounds, checked before anything is allocated.

    Args:
        file_bytes: length of the file.
        tensors: number of tensors.
        rank: number of axes of a tensor; numpy itself has no more than 64.
        name_bytes: length of a tensor's name, UTF-8.
        values: values of one tensor.
        repeated_values: values of all streams that are too short to hold them one by one, which must therefore all be equal. A
            length that costs the file nothing may not cost the reader much.
        decoded_bytes: all tensors and their tables together, decoded; a tied tensor counts every time.
        graph_bytes: the graph, inflated.
        graph_nodes: nodes of the graph.
        activation_bytes: what the graph holds in memory at once, at batch 1, beside the file's tensors.
        notes_bytes: the notes, inflated.
    """

    file_bytes: int = 16 * GIB
    tensors: int = 1 << 16
    rank: int = 16
    name_bytes: int = 1024
    values: int = 1 << 31
    repeated_values: int = 1 << 25
    decoded_bytes: int = 16 * GIB
    graph_bytes: int = 4 * MIB
    graph_nodes: int = 1 << 16
    activation_bytes: int = 1 * GIB
    notes_bytes: int = 1 * MIB
