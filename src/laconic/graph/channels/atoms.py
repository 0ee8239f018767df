"""Channels as sets: what must be kept or removed together is one *atom*.

Every tensor of a graph carries *labels*: an array of atoms of as many axes as the tensor, each of them of full length or 1 (which stands
for any length, as in broadcasting). An element goes when its atom is removed. Two numbers are special: FREE says that an element has no
channel at all (numbers, masks), FIXED that it must stay.
"""

from collections.abc import Sequence

import numpy as np

FREE, FIXED = -1, 0

Labels = np.ndarray
"""Atoms, int64."""


class Atoms:
    """Disjoint sets of channels (union-find), and why some of them must stay.

    >>> atoms = Atoms()
    >>> first, second = atoms.fresh((2,)), atoms.fresh((2,))
    >>> atoms.join(first, second).tolist() == atoms.find(second).tolist()
    True
    >>> atoms.fix(first[:1], "the output")
    >>> atoms.find(second).tolist() == [FIXED, atoms.find(first)[1]]
    True
    """

    def __init__(self) -> None:
        self._parent = np.zeros(1, np.int64)
        self.reasons: dict[int, str] = {}  # of atoms that were fixed, as their set was called before

    def fresh(self, shape: Sequence[int]) -> Labels:
        """Atoms that nothing else is tied to."""
        start, size = len(self._parent), int(np.prod(shape))
        self._parent = np.concatenate([self._parent, np.arange(start, start + size)])
        return np.arange(start, start + size).reshape(shape)

    def find(self, labels: Labels) -> Labels:
        """What stands for each atom's set; FREE for FREE."""
        roots = np.where(labels < 0, FIXED, labels)
        while True:
            above = self._parent[roots]
            if np.array_equal(above, roots):
                return np.where(labels < 0, FREE, roots)
            roots = above

    def join(self, *all_labels: Labels) -> Labels:
        """Tie element by element, as they broadcast; what is FREE ties nothing."""
        joined = all_labels[0]
        for labels in all_labels[1:]:
            joined = self._join(joined, labels)
        return joined

    def _join(self, left: Labels, right: Labels) -> Labels:
        left, right = np.broadcast_arrays(left, right)
        both = (left >= 0) & (right >= 0)
        pairs = np.unique(np.stack([left[both], right[both]]), axis=1)
        for one, other in pairs.T:
            self._tie(int(one), int(other))
        return np.where(left >= 0, left, right)

    def _tie(self, one: int, other: int) -> None:
        low, high = sorted((self._root(one), self._root(other)))
        if low == high:
            return
        if low == FIXED:
            self.reasons[high] = "" if FIXED in (one, other) else self.reason(one if self._root(one) == FIXED else other)
        self._parent[high] = low

    def _root(self, atom: int) -> int:
        while self._parent[atom] != atom:
            atom = int(self._parent[atom])
        return atom

    def fix(self, labels: Labels, reason: str) -> None:
        """These must stay, and why."""
        for atom in np.unique(self.find(labels)):
            if atom > FIXED:
                self.reasons[int(atom)] = reason
                self._parent[atom] = FIXED

    def merge(self, labels: Labels, axes: Sequence[int]) -> Labels:
        """One atom along these axes, which become 1 long."""
        for axis in axes:
            if labels.shape[axis] > 1:
                whole = labels.max(axis, keepdims=True)
                self.join(whole, labels)
                labels = whole
        return labels

    def varies(self, labels: Labels, axis: int) -> bool:
        """Whether there is more than one atom along the axis."""
        if labels.shape[axis] == 1:
            return False
        found = self.find(labels)
        return bool((found != np.take(found, [0], axis)).any())

    def reason(self, atom: int) -> str:
        """Why an atom must stay."""
        while self._parent[atom] != FIXED:
            atom = int(self._parent[atom])
        return self.reasons.get(atom, "")
