"""Fusion: batch normalisation goes into the layer before it, and layers of the same input become one where the clock agrees.

What is vertical is in graph/fold.py, what is horizontal in graph/merge.py; activations are fused by the engine.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from laconic.base.edits import Merged
from laconic.graph.fold import fold_free
from laconic.graph.merge import mergeable, merged
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.methods.plan import Plan
from laconic.methods.step import MERGES, Step


@dataclass(frozen=True)
class Fuse(Step):
    """Fold normalisations, then merge convolutions and linear layers that read the same value.

    Args:
        measured: merge only where a forward pass, at batch 1 on one thread of this machine, is measured to be faster for it; otherwise
            wherever it is possible.
        padded: also convolutions whose kernels differ but share their middle, as a Fire module's 1 × 1 and 3 × 3: the smaller kernel has
            zeros around it, which are kept, multiplied, and stored in a few bits. bench/fusion.py finds them slower than two layers.

    >>> print(Fuse())
    fuse: {measured: true}
    """

    measured: bool = True
    padded: bool = False
    changes = MERGES

    def takes(self) -> Mapping[str, str]:
        return {"dense": "masked" if self.padded else "dense", "masked": "masked"}

    def draft(self) -> Step:
        return replace(self, measured=False)

    def plan(self, network: Network, context: Context) -> Plan:
        """Which layers could be one, and the time of a forward pass with each group merged, as a share of that without.

        Raises:
            ExportError: the model cannot be traced.
        """
        stage, network = context.data.preprocessing, self._folded(network, context)
        rows = []
        for group in mergeable(network.module, stage.shape, stage.dtype, padded=self.padded):
            if self.measured:
                share = context.clock(merged(network, Merged(stage.shape, stage.dtype, (group,))), network, context.sample())
                rows.append({"layers": ", ".join(group), "time": share, "merged": share < 1})
            else:
                rows.append({"layers": ", ".join(group), "time": "not measured", "merged": True})
        return Plan(tuple(rows))

    def apply(self, network: Network, plan: Plan, context: Context) -> Network:
        stage, network = context.data.preprocessing, self._folded(network, context)
        groups = tuple(tuple(row["layers"].split(", ")) for row in plan.rows if row["merged"])
        return merged(network, Merged(stage.shape, stage.dtype, groups)) if groups else network

    def _folded(self, network: Network, context: Context) -> Network:
        return fold_free(network, context.data.preprocessing.shape, context.data.preprocessing.dtype)
