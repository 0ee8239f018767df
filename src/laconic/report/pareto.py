"""Who is at least as good in everything, and better in something? Vilfredo Pareto's question, asked of figures that have a spread."""

from collections.abc import Sequence
from math import hypot

Cost = tuple[float, float]
"""A value of which less is better, and its spread."""


def dominates(one: Sequence[Cost], other: Sequence[Cost]) -> bool:
    """Whether `one` is nowhere worse than `other`, and somewhere better by more than their spreads together.

    >>> dominates([(1, 0), (5, 0)], [(2, 0), (5, 0)]), dominates([(1, 0), (5, 0)], [(1, 0), (5.1, 0.2)])
    (True, False)
    """
    pairs = list(zip(one, other, strict=True))
    return all(mine[0] <= theirs[0] for mine, theirs in pairs) and any(better(mine, theirs) for mine, theirs in pairs)


def better(one: Cost, other: Cost) -> bool:
    """Whether the first costs less, by more than both spreads allow for."""
    return other[0] - one[0] > hypot(one[1], other[1])


def front(costs: Sequence[Sequence[Cost]]) -> list[int]:
    """Places of those that no other dominates, in their order.

    >>> front([[(1, 0), (9, 0)], [(2, 0), (8, 0)], [(3, 0), (8.5, 0)]])
    [0, 1]
    """
    return [place for place, own in enumerate(costs) if not any(dominates(other, own) for other in costs)]
