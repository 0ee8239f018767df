"""How many channels each group keeps, so that the whole meets its target."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from laconic.graph.channels import Group
from laconic.profile.layers import Profile

HALVINGS = 30  # of the interval in which the threshold is searched, where a trial costs nothing
LEAST = 0.1  # of its channels a group always keeps


@dataclass(frozen=True)
class Budget:
    """What is left of a model whose groups keep so many channels: a layer's cost falls with each axis of its weight.

    Args:
        groups: all of them.
        shapes: of every tensor, by name.
        profile: of the model as it is.
    """

    groups: Sequence[Group]
    shapes: Mapping[str, tuple[int, ...]]
    profile: Profile

    def params(self, keep: Mapping[str, int]) -> float:
        """Share of the parameters."""
        left = self._left(keep)
        return sum(math.prod(shape) * left.get(name, 1.0) for name, shape in self.shapes.items()) / self._numel()

    def macs(self, keep: Mapping[str, int]) -> float:
        """Share of the layers' MACs."""
        left = self._left(keep)
        layers = [(layer.macs, left.get(f"{layer.name}.weight", 1.0)) for layer in self.profile.layers]
        return sum(macs * share for macs, share in layers) / max(sum(macs for macs, _ in layers), 1)

    def _numel(self) -> int:
        return max(sum(math.prod(shape) for shape in self.shapes.values()), 1)

    def _left(self, keep: Mapping[str, int]) -> dict[str, float]:
        """Tensor → share of it that is left."""
        gone: dict[tuple[str, int], float] = {}
        for group in self.groups:
            for member in group.members:
                side = self.shapes.get(member.tensor, ())[member.axis : member.axis + 1]
                lost = sum(len(places) for places in member.places) * (1 - keep.get(group.name, group.size) / group.size)
                if side:
                    gone[member.tensor, member.axis] = gone.get((member.tensor, member.axis), 0.0) + lost / side[0]
        left: dict[str, float] = {}
        for (name, _), share in gone.items():
            left[name] = left.get(name, 1.0) * (1 - share)
        return left


def globally(scores: Mapping[str, np.ndarray], share: float, multiple: int) -> dict[str, int]:
    """Of all channels together, the least `share` goes; each group keeps a tenth of its own, and a whole multiple.

    Of channels that are alike, the next to go is of the group that has lost the smaller share of its own.

    >>> globally({"a": np.array([1.0, 2, 3]), "b": np.array([9.0, 9])}, 0.4, 1)
    {'a': 1, 'b': 2}
    >>> globally({"a": np.zeros(4), "b": np.zeros(8)}, 0.5, 1)
    {'a': 2, 'b': 4}
    """
    everything = np.concatenate(list(scores.values()))
    lost = np.concatenate([_places(own) / len(own) for own in scores.values()])
    owners = np.repeat(np.arange(len(scores)), [len(own) for own in scores.values()])
    going = np.lexsort((lost, everything))[: round(share * len(everything))]
    gone = np.bincount(owners[going], minlength=len(scores))
    return {name: _rounded(len(own) - int(less), len(own), multiple) for (name, own), less in zip(scores.items(), gone, strict=True)}


def alike(scores: Mapping[str, np.ndarray], share: float, multiple: int) -> dict[str, int]:
    """Of every group the same `share` goes.

    >>> alike({"a": np.ones(6), "b": np.ones(16)}, 0.5, 4)
    {'a': 4, 'b': 8}
    """
    return {name: _rounded(len(own) - round(share * len(own)), len(own), multiple) for name, own in scores.items()}


def _places(scores: np.ndarray) -> np.ndarray:
    """How many channels of its own group go before each."""
    return np.argsort(np.argsort(scores, kind="stable"), kind="stable")


def _rounded(keep: int, size: int, multiple: int) -> int:
    """Upwards to a multiple."""
    least = max(math.ceil(LEAST * size), 1)
    return min(math.ceil(max(keep, least) / multiple) * multiple, size)


def least_share(cost: Callable[[float], float], target: float, halvings: int = HALVINGS) -> float:
    """The smallest share of channels at which the cost, which falls with it, is at most `target`; 1 where none is.

    >>> round(least_share(lambda share: 1 - share, 0.25), 3)
    0.75
    """
    low, high = 0.0, 1.0
    if cost(low) <= target:
        return low
    for _ in range(halvings):
        middle = (low + high) / 2
        low, high = (low, middle) if cost(middle) <= target else (middle, high)
    return high
