"""What trainings are tested with."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from torch import nn

from laconic.datasets.data import Data
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.methods.step import Step


class Diary:
    """Keeps every state of a training, as a kill after any of them would find it."""

    def __init__(self, *states: Mapping[str, Any]) -> None:
        self.states = list(states)

    def recall(self) -> Mapping[str, Any] | None:
        return self.states[-1] if self.states else None

    def keep(self, state: Callable[[], Mapping[str, Any]]) -> None:
        self.states.append(state())


@pytest.fixture
def diary() -> type[Diary]:
    """The memory that keeps every state."""
    return Diary


@pytest.fixture
def apply(data: Data) -> Callable[..., Network]:
    """Plan and apply, as a recipe does."""

    def run(step: Step, network: Network, original: nn.Module | None = None) -> Network:
        context = Context(data, original or network.module)
        return step.apply(network, step.plan(network, context), context)

    return run
