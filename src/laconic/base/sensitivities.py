"""How much a score minds it when layers are pruned, one at a time: what is measured, shown as a picture, and made a recipe of."""

import glob
import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile

from laconic.base.errors import UsageError
from laconic.base.measures import Measure

_SLACK = 1e-9  # of a score, which is a mean of many numbers


@dataclass(frozen=True)
class Sensitivity:
    """The score of a model as it came, and with each of its layers pruned alone. Prints itself as a table of changes.

    Args:
        metric: name of the score.
        higher_is_better: direction of the score.
        sparsities: shares of zeros that were tried, ascending, each from 0 to below 1.
        before: score of the model as it came.
        scores: layer → its score at each of the sparsities, in their order.

    >>> ninety, eighty, ten = (Measure(value, "%", "by hand") for value in (90.0, 80.0, 10.0))
    >>> print(Sensitivity("accuracy", True, (0.5, 0.9), ninety, {"fc1": (ninety, eighty), "fc2": (ninety, ten)}))
    layer   50 %    90 %
    fc1    +0.00  -10.00
    fc2    +0.00  -80.00
    """

    metric: str
    higher_is_better: bool
    sparsities: tuple[float, ...]
    before: Measure
    scores: Mapping[str, tuple[Measure, ...]]

    def changes(self, layer: str) -> tuple[float, ...]:
        """Score with this layer pruned minus score before, at each sparsity, in the metric's unit."""
        return tuple(score.value - self.before.value for score in self.scores[layer])

    def drops(self, layer: str) -> tuple[float, ...]:
        """By how much the score is worse at each sparsity, in the metric's unit; below 0 where it is better."""
        return tuple(-change if self.higher_is_better else change for change in self.changes(layer))

    def at_most(self, drop: float) -> dict[str, float]:
        """The greatest sparsity of those tried up to which the score gets worse by at most so much, layer by layer.

        It is the table that `prune: {sparsity: {...}}` takes: a layer that stands no sparsity of those tried is left out, and stays
        dense; signs that a pattern would read as wildcards are escaped.

        Args:
            drop: in the metric's unit (points of per cent for accuracy), from 0.

        Raises:
            UsageError: less than 0, or no number.

        >>> ninety, eighty, ten = (Measure(value, "%", "by hand") for value in (90.0, 80.0, 10.0))
        >>> found = Sensitivity("accuracy", True, (0.5, 0.9), ninety, {"fc1": (ninety, eighty), "fc2": (eighty, ten)})
        >>> found.at_most(10.0), found.at_most(1.0)
        ({'fc1': 0.9, 'fc2': 0.5}, {'fc1': 0.5})
        """
        greatest = {layer: max(self.within(layer, drop), default=None) for layer in self.scores}
        return {glob.escape(layer): sparsity for layer, sparsity in greatest.items() if sparsity is not None}

    def within(self, layer: str, drop: float) -> tuple[float, ...]:
        """The sparsities of this layer up to the first that makes the score worse by more than so much; beyond, less would be luck.

        Raises:
            UsageError: as `at_most`.
        """
        if not 0 <= drop < math.inf:
            raise UsageError(
                f"a score cannot be allowed to fall by {drop:g}", where="drop", hint="a number from 0, in the score's unit: 0.5"
            )
        stood = takewhile(lambda pair: pair[1] <= drop + _SLACK, zip(self.sparsities, self.drops(layer), strict=True))
        return tuple(share for share, _ in stood)

    def __str__(self) -> str:
        heading = ["layer", *map(percent, self.sparsities)]
        lines = [heading, *([layer, *(f"{change:+z.2f}" for change in self.changes(layer))] for layer in self.scores)]
        first, *others = (max(map(len, column)) for column in zip(*lines, strict=True))
        return "\n".join("  ".join([name.ljust(first), *map(str.rjust, cells, others)]) for name, *cells in lines)


def percent(sparsity: float) -> str:
    """A share as people say it.

    >>> percent(0.9), percent(0.995)
    ('90 %', '99.5 %')
    """
    return f"{100 * sparsity:.6g} %"
