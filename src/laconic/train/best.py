"""Early stopping: the best weights so far, and for how many epochs there have been none better."""

import copy
import math
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

Score = Callable[[nn.Module], float]
"""A model in evaluation mode → how good it is; the higher, the better."""


class Best:
    """The best weights by a score.

    Args:
        score: is asked after each epoch.
        patience: epochs without a better score after which the training is over.
    """

    def __init__(self, score: Score, patience: int) -> None:
        self._score, self._patience = score, patience
        self.value = -math.inf
        self._weights: Mapping[str, Any] | None = None
        self._since = 0

    @property
    def over(self) -> bool:
        """Whether patience is at its end."""
        return self._since >= self._patience

    def judge(self, model: nn.Module) -> None:
        """Score the model, and keep its weights if none were better."""
        value = self._score(model)
        self._since += 1
        if value > self.value:
            self.value, self._since = value, 0
            self._weights = copy.deepcopy(model.state_dict())

    def give(self, model: nn.Module) -> None:
        """Put the best weights into the model."""
        if self._weights is not None:
            model.load_state_dict(self._weights)

    def state(self) -> dict[str, Any]:
        """All that the next epoch depends on."""
        return {"value": self.value, "weights": self._weights, "since": self._since}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from such a state."""
        self.value, self._weights, self._since = state["value"], state["weights"], state["since"]
