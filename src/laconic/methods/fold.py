"""Fold batch normalisation into the convolutions before it: fewer tensors to store, fewer nodes to run (see graph/fold.py)."""

from collections.abc import Mapping
from dataclasses import dataclass

from laconic.base.edits import Folded
from laconic.graph.fold import fold, foldable
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.methods.plan import Plan
from laconic.methods.step import CUTS, Step


@dataclass(frozen=True)
class Fold(Step):
    """Fold every batch normalisation that alone reads a convolution or linear layer.

    A shared or gridded weight cannot be folded into: each of its channels would get values of its own.

    >>> print(Fold())
    fold: {}
    """

    changes = CUTS

    def takes(self) -> Mapping[str, str]:
        return {"dense": "dense", "masked": "masked"}

    def plan(self, network: Network, context: Context) -> Plan:
        pairs = foldable(network.module, context.data.preprocessing.shape, context.data.preprocessing.dtype)
        return Plan(tuple({"layer": pair.layer, "norm": pair.norm} for pair in pairs))

    def apply(self, network: Network, plan: Plan, context: Context) -> Network:
        return fold(network, [Folded(row["layer"], row["norm"]) for row in plan.rows])
