"""Train on, with every weight held in its Form.

Zeros stay zero and shared weights move together: the gradient of a shared value is the sum over its cluster
(Han, Mao & Dally 2016, "Deep Compression", §3, eq. 3).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.methods.plan import Plan
from laconic.methods.step import KEEPS, Step
from laconic.train import Training


@dataclass(frozen=True)
class Finetune(Training, Step):
    """Train for some epochs. Fields are those of `Training`.

    >>> print(Finetune(epochs=2, lr=0.001))
    finetune: {epochs: 2, lr: 0.001}
    """

    def takes(self) -> Mapping[str, str]:
        return KEEPS

    def plan(self, network: Network, context: Context) -> Plan:
        return Plan(({"epochs": self.epochs, "lr": self.lr, "from": context.source(self)},))

    def apply(self, network: Network, plan: Plan, context: Context) -> Network:
        return context.fit(network, context.lesson(self, network.module), context.bounded(self), "finetune")
