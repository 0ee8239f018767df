"""What a training remembers over its own death: a state to go on from, kept now and then by whoever has a disk."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol


class Memory(Protocol):
    """Keeps the last state of one training: plain numbers and tensors under names."""

    def recall(self) -> Mapping[str, Any] | None:
        """The state kept last, or None at a fresh start."""

    def keep(self, state: Callable[[], Mapping[str, Any]]) -> None:
        """Keep this state, which is only made when it is asked for; earlier ones may be forgotten."""


class _Forgetful:
    """The memory of one who need not go on after a kill."""

    def recall(self) -> Mapping[str, Any] | None:
        return None

    def keep(self, state: Callable[[], Mapping[str, Any]]) -> None:
        pass


FORGETFUL: Memory = _Forgetful()


class Parts:
    """Several trainings, one after the other, in the memory of one step; each finished one leaves a result to those behind it.

    >>> parts = Parts(FORGETFUL)
    >>> parts.finish({"weights": 1.0})
    >>> parts.finished
    [{'weights': 1.0}]
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        kept = memory.recall()
        self.finished: list[Any] = [] if kept is None else list(kept["finished"])
        self._state = None if kept is None else kept["state"]

    def recall(self) -> Mapping[str, Any] | None:
        """The state of the training that is on, or None where it is yet to begin."""
        return self._state

    def keep(self, state: Callable[[], Mapping[str, Any]]) -> None:
        """Keep the state of the training that is on, beside the results of those before it."""
        self._memory.keep(lambda: {"finished": self.finished, "state": state()})

    def finish(self, result: Any) -> None:
        """The training that is on is through, and this is what came out."""
        self.finished.append(result)
        self._state = None
