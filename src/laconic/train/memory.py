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
