"""Where a training stands: all that a kill may not lose, and all that a wrong turn must be taken back to."""

import copy
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from laconic.base.errors import DataError
from laconic.train.memory import Memory

KEEP_EVERY = 20.0  # seconds; the end of an epoch is always kept
MOST_SETBACKS = 3


class Course:
    """A model, what is trained beside it, their optimiser, and how far they have come."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, companions: Sequence[nn.Module] = ()) -> None:
        self.model, self.optimizer, self.companions = model, optimizer, companions
        self.step = 0
        self._setbacks = 0
        self._kept = time.monotonic()

    def set_rate(self, rate: float) -> None:
        """Set the learning rate, halved once for every setback."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate / 2**self._setbacks

    def descend(self, error: torch.Tensor) -> None:
        """One step of the optimiser along the gradient of `error`."""
        self.optimizer.zero_grad(set_to_none=True)
        error.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.step += 1

    def state(self) -> dict[str, Any]:
        """A copy of everything that the next step depends on."""
        parts = {
            "model": self.model.state_dict(),
            "companions": [companion.state_dict() for companion in self.companions],
            "optimizer": self.optimizer.state_dict(),
        }
        return {"step": self.step, "setbacks": self._setbacks} | copy.deepcopy(parts)

    def keep(self, memory: Memory, last: bool) -> None:
        """Give the state to `memory` if this was the last step of an epoch, or the last time is long ago."""
        if last or time.monotonic() - self._kept > KEEP_EVERY:
            memory.keep(self.state)
            self._kept = time.monotonic()

    def recall(self, memory: Memory) -> None:
        """Go on from the state that `memory` kept, if it kept one."""
        state = memory.recall()
        if state is not None:
            self._setbacks = state["setbacks"]
            self._restore(state)

    def go_back(self, state: Mapping[str, Any], loss: float) -> None:
        """Return to `state` with half the learning rate.

        Raises:
            DataError: that was tried three times already.
        """
        failed = self.step
        self._restore(state)
        if self._setbacks == MOST_SETBACKS:
            where = f"training step {failed}, after halving the learning rate {MOST_SETBACKS} times"
            raise DataError(f"the loss became {loss}", where=where, hint="lower lr, or look for NaN in the data")
        self._setbacks += 1

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.step = state["step"]
        self.model.load_state_dict(state["model"])
        for companion, kept in zip(self.companions, state["companions"], strict=True):
            companion.load_state_dict(kept)
        self.optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))
