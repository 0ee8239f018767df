"""Teacher assistants: where a student is too small for its teacher, networks of sizes in between learn and teach in a chain.

S. I. Mirzadeh et al. 2020, "Improved Knowledge Distillation via Teacher Assistant".
"""

import numpy as np
from torch import nn

from laconic.graph.channels import channel_groups, narrowed

TRIALS = 8


def sizes(teacher: int, student: int, count: int) -> list[int]:
    """Parameters of so many assistants, in equal proportions from the teacher down to the student.

    >>> sizes(1_000_000, 1_000, 2)
    [100000, 10000]
    """
    return [round(teacher * (student / teacher) ** (place / (count + 1))) for place in range(1, count + 1)]


def narrower(model: nn.Module, sample_shape: tuple[int, ...], dtype: str, parameters: int) -> nn.Module:
    """The model with all its groups of channels narrowed alike, until it has no more than about so many parameters.

    The channels that stay are spread evenly over those that were there. The model's own weights are what it learns on from.

    Raises:
        ExportError: the model cannot be traced.
    """
    groups = {group.name: group.size for group in channel_groups(model, sample_shape, dtype)}
    low, high, found = 0.0, 1.0, model
    for _ in range(TRIALS):
        share = (low + high) / 2
        removed = {name: _spread(size, share) for name, size in groups.items()}
        found = narrowed(model, sample_shape, {name: gone for name, gone in removed.items() if gone}, dtype)
        low, high = (low, share) if sum(p.numel() for p in found.parameters()) > parameters else (share, high)
    return found


def _spread(size: int, share: float) -> list[int]:
    kept = max(round(size * share), 1)
    return sorted(set(range(size)) - set(np.linspace(0, size - 1, kept).round().astype(int).tolist()))
