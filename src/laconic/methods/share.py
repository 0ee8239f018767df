"""Weight sharing by k-means (Han, Mao & Dally 2016, "Deep Compression", §3).

The weights of each layer are clustered; each then stores the index of its cluster, and the cluster its mean. With 2^b
entries an index takes b bits before entropy coding. Pruned weights form a cluster of their own, whose entry is zero
and stays zero. The shared values train like any other weight (`finetune` after this step), their gradient being the sum
over the cluster.

Where ours differs: the entry of the zeros is one of the 2^b; clusters are found by exact interval arithmetic on the sorted
weights (forms/kmeans.py), so a layer of 60 million takes seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from laconic.base.errors import RecipeError
from laconic.base.seeds import derive
from laconic.codec import entropy
from laconic.forms import Codebook, Form, Masked
from laconic.forms.kmeans import MOST_EXACT, STARTS, cluster
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.methods.plan import Plan
from laconic.methods.step import Step
from laconic.nn import matching, weights


@dataclass(frozen=True)
class Share(Step):
    """Let the weights of each layer share 2^bits values.

    Args:
        bits: 1 … 12; one for all layers, or a table of layer patterns. Layers not named stay as they are.
        start: of k-means: "linear" (equal steps from least to greatest, best for large weights: Han 2016 §3.2), "density"
            (equal counts), "random", or "exact" (the global optimum, for layers of up to 2^(27 − bits) weights).

    >>> print(Share(bits={"conv*": 8, "fc*": 5}))
    share: {bits: {conv*: 8, fc*: 5}}
    """

    bits: int | dict[str, int] = 5
    start: Literal["linear", "density", "random", "exact"] = "linear"

    def __post_init__(self) -> None:
        wanted = list(self.bits.values()) if isinstance(self.bits, Mapping) else [self.bits]
        if not all(1 <= b <= 12 for b in wanted):
            raise RecipeError(
                f"bits must lie between 1 and 12, got {self.bits}", where="share, bits", hint="5 bits let a layer hold 32 different values"
            )
        if self.start not in (*STARTS, "exact"):
            raise RecipeError(f"start cannot be {self.start!r}", where="share", hint=f"one of {', '.join(STARTS)}, exact")

    def takes(self) -> Mapping[str, str]:
        return {"dense": "codebook", "masked": "codebook"}

    def touches(self, names: list[str]) -> list[str]:
        return list(matching(names, self.bits, "share"))

    def everywhere(self) -> bool:
        return not isinstance(self.bits, Mapping)

    def plan(self, network: Network, context: Context) -> Plan:
        """Entries and an estimate of the indices' bytes, from a histogram of as many equal bins."""
        bits = matching(list(weights(network.module)), self.bits, "share")
        return Plan(tuple(_row(name, network.array(name), b) for name, b in bits.items()))

    def apply(self, network: Network, plan: Plan, context: Context) -> Network:
        shared: dict[str, Form] = {}
        for done, row in enumerate(plan.rows):
            name = row["layer"]
            context.progress("share", done / len(plan.rows), name)
            rng = np.random.Generator(np.random.PCG64(derive(context.seed, "share", name)))
            shared[name] = self._share(name, network.form(name), row["entries"], rng)
        return network.reformed(shared)

    def _share(self, name: str, form: Form, entries: int, rng: np.random.Generator) -> Codebook:
        weight = form.array()
        kept = weight != 0 if isinstance(form, Masked) else np.ones(weight.shape, bool)
        if self.start == "exact" and np.count_nonzero(kept) * entries > MOST_EXACT:
            raise RecipeError(
                f"exact k-means is for layers of up to {MOST_EXACT // entries} weights at {entries} entries",
                where=f"share, {name}",
                hint="start: density",
            )
        return share(weight, kept, entries, self.start, rng)


def share(weight: np.ndarray, kept: np.ndarray, entries: int, start: str, rng: np.random.Generator) -> Codebook:
    """A codebook of at most `entries` values; where some weights are not `kept`, one of them is their zero.

    Args:
        weight: any shape, finite.
        kept: mask of the same shape.
        entries: of the table, the zero included; at least 2.
    """
    values, zero = weight[kept], np.zeros(0 if kept.all() else 1, weight.dtype)
    integers = np.zeros(weight.shape, np.uint16)
    if not len(values):
        return Codebook.of(integers, zero)
    clusters = cluster(values, entries - len(zero), start, rng)
    integers[kept] = clusters.assign(values).astype(np.uint16) + len(zero)
    return Codebook.of(integers, np.concatenate((zero, clusters.centroids.astype(weight.dtype))))


def _row(name: str, weight: np.ndarray, bits: int) -> dict[str, Any]:
    entries = 2**bits
    wide = weight.astype(np.promote_types(weight.dtype, np.float32), copy=False)
    low, high = wide.min(), wide.max()
    bins = np.rint((wide - low) * ((entries - 1) / max(float(high) - float(low), 1e-30))).astype(np.int16)
    bins[wide == 0] = -1
    price = weight.size * entropy(bins) / 8 + entries * weight.dtype.itemsize
    return {"layer": name, "bits": bits, "entries": entries, "of": weight.size, "estimated bytes": round(price)}
