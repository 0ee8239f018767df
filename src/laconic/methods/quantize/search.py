"""A search along one number: where something ends."""

import math
from collections.abc import Callable, Iterator

STRIDE = 1.3  # to the second trial, then its square, and so on until what is searched for lies between two
NEAR = 1.02  # two trials that differ by less in coarseness are as good as the same


def boundary(holds: Callable[[float], bool], start: float, finest: float, coarsest: float) -> tuple[float | None, float | None]:
    """The last coarseness at which something holds, and the first at which it does not, to `NEAR`; None: there is none in the range.

    >>> [round(found, 3) for found in boundary(lambda coarseness: coarseness < 5, 1.0, 0.01, 100.0)]
    [4.988, 5.07]
    """
    start = min(max(start, finest), coarsest)
    first_held = holds(start)
    same, other = start, None
    for at in strides(start, coarsest if first_held else finest):
        if holds(at) != first_held:
            other = at
            break
        same = at
    last, first = (same, other) if first_held else (other, same)
    while last is not None and first is not None and first / last > NEAR:
        at = math.sqrt(last * first)
        last, first = (at, first) if holds(at) else (last, at)
    return last, first


def strides(start: float, end: float) -> Iterator[float]:
    """From `start`, which is not given, ever faster to `end`."""
    stride = STRIDE if end > start else 1 / STRIDE
    while start != end:
        start = min(start * stride, end) if stride > 1 else max(start * stride, end)
        stride **= 2
        yield start
