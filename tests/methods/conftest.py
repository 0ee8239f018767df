"""What steps are given."""

from collections.abc import Callable

import pytest
from torch import nn

from laconic.datasets.data import Data
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.methods.step import Step


@pytest.fixture
def apply(data: Data) -> Callable[..., Network]:
    """Plan and apply, as a recipe does: `apply(step, network)`."""

    def run(step: Step, network: Network, original: nn.Module | None = None, seed: int = 0) -> Network:
        context = Context(data, original or network.module, seed=seed)
        return step.apply(network, step.plan(network, context), context)

    return run
