"""Magnitude pruning (Han, Pool, Tran & Dally 2015, "Learning both Weights and Connections for Efficient Neural Networks").

A weight is removed when |w| falls below a threshold. The threshold is a *quality* times the standard deviation of the
layer (Han 2015, §3.1), or whatever reaches a wanted *sparsity*, in each layer or over all of them. Done at once, in a few
rounds with training between (Han's iterative pruning), or in many small rounds while training goes on (Zhu & Gupta 2017,
"To prune, or not to prune", eq. 1): sparsity after a share t of the rounds is s·(1 − (1 − t)³).

A pruned weight is masked from then on, so it stays zero through every later step. A weight of a codebook is moved to an
entry that is zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from laconic.base.errors import RecipeError
from laconic.forms import Codebook, Form, Masked
from laconic.graph.network import Network
from laconic.methods.step import Context, Plan, Step
from laconic.nn import Held, hold, matching, weights
from laconic.train import Training, from_task, loop
from laconic.train.fit import carry


@dataclass(frozen=True)
class Prune(Step):
    """Set the weights of least magnitude to zero, for good.

    Args:
        sparsity: share of zeros to reach, 0 … 1; one for all layers, or a table of layer patterns. Layers not named stay dense.
        quality: instead of `sparsity`: threshold in standard deviations of the layer; one, or a table.
        scope: whether a single `sparsity` is reached in each "layer" alike, or "global"ly with one threshold.
        rounds: in how many rounds the target is approached; 1 prunes at once.
        curve: how the rounds approach it: "cubic" (fast, then slow) or "linear".
        training: how to train between the rounds and after the last; its epochs are spread over the rounds evenly.

    >>> print(Prune(sparsity=0.9))
    prune: {sparsity: 0.9}
    """

    takes: ClassVar[Mapping[str, str]] = {"dense": "masked", "masked": "masked", "codebook": "codebook"}

    sparsity: float | dict[str, float] | None = None
    quality: float | dict[str, float] | None = None
    scope: Literal["layer", "global"] = "layer"
    rounds: int = 1
    curve: Literal["cubic", "linear"] = "cubic"
    training: Training | None = None

    def __post_init__(self) -> None:
        if (self.sparsity is None) == (self.quality is None):
            raise RecipeError("say either sparsity or quality", where="prune", hint="prune: {sparsity: 0.9}")
        if not all(0 <= s < 1 for s in _each(self.sparsity)):
            raise RecipeError(f"sparsity is a share from 0 to below 1, got {self.sparsity}", where="prune")
        if not all(q >= 0 for q in _each(self.quality)):
            raise RecipeError(f"quality cannot be negative, got {self.quality}", where="prune")
        if self.scope == "global" and not isinstance(self.sparsity, float):
            raise RecipeError(
                "a global scope needs one sparsity for all layers", where="prune", hint="prune: {sparsity: 0.9, scope: global}"
            )
        if self.rounds < 1 or (self.rounds > 1 and self.training is None):
            raise RecipeError("more than one round needs training between them", where="prune", hint="training: {epochs: 10, lr: 0.01}")

    def touches(self, names: list[str]) -> list[str]:
        return list(matching(names, self._wanted, "prune"))

    def everywhere(self) -> bool:
        return not isinstance(self._wanted, Mapping)

    def plan(self, network: Network, context: Context) -> Plan:
        """Threshold and sparsity of each layer as the weights are now; with training they are decided anew each round."""
        arrays = {name: network.array(name) for name in self._targets(network)}
        return Plan(tuple(_row(name, arrays[name], mask) for name, mask in self._masks(arrays, 1.0).items()))

    def apply(self, network: Network, plan: Plan, context: Context) -> Network:
        if self.training is not None and self.training.epochs > 0:
            return self._prune_while_training(network, self.training, context)
        masks = self._masks({name: network.array(name) for name in self._targets(network)}, 1.0)
        return network.reformed({name: _masked(network.form(name), mask) for name, mask in masks.items()})

    def _prune_while_training(self, network: Network, training: Training, context: Context) -> Network:
        """Masks only ever tighten: a weight that is gone has no gradient to come back by."""
        start = {name: self._open_mask(network, name) for name in self._targets(network)}
        held = hold(network.module, {**network.forms, **start})
        self._tighten(held, start, 1 / self.rounds)
        done = 1
        loss, generator = from_task(context.task.loss), context.generator("prune")
        for tick in loop(held.module, context.data.train, context.data.preprocessing, loss, training, generator):
            due = min(int(tick.progress * self.rounds) + 1, self.rounds)
            if due > done:
                self._tighten(held, start, due / self.rounds)
                done = due
            context.progress("prune", tick.progress, f"round {done} of {self.rounds}, loss {tick.loss:.3f}")
        return carry(network, held)

    def _open_mask(self, network: Network, name: str) -> Masked:
        form = network.form(name)
        if isinstance(form, Codebook):
            raise RecipeError(
                "weights in a codebook are pruned at once, not while training", where=f"prune, {name}", hint="leave out training"
            )
        return Masked.of(form.array())

    def _tighten(self, held: Held, start: Mapping[str, Form], t: float) -> None:
        for name, mask in self._masks({name: held.value(name) for name in start}, t).items():
            held.tighten(name, mask)

    @property
    def _wanted(self) -> float | dict[str, float]:
        wanted = self.sparsity if self.sparsity is not None else self.quality
        assert wanted is not None
        return wanted

    def _targets(self, network: Network) -> list[str]:
        return self.touches(list(weights(network.module)))

    def _masks(self, arrays: Mapping[str, np.ndarray], t: float) -> dict[str, np.ndarray]:
        """Mask of kept weights per layer, at a share `t` of the way; zeros never come back."""
        way = 1 - (1 - t) ** 3 if self.curve == "cubic" else t
        if self.quality is not None:
            quality = matching(list(arrays), self.quality, "prune")
            return {name: np.abs(w) > way * quality[name] * w.std() for name, w in arrays.items()}
        if self.scope == "global":
            everything = np.concatenate([np.abs(w).reshape(-1) for w in arrays.values()])
            threshold = _threshold(everything, way * float(self.sparsity))  # type: ignore[arg-type]
            return {name: np.abs(w) > threshold for name, w in arrays.items()}
        sparsity = matching(list(arrays), self.sparsity, "prune")
        return {name: np.abs(w) > _threshold(np.abs(w).reshape(-1), way * float(sparsity[name])) for name, w in arrays.items()}  # type: ignore[arg-type]


def _each(wanted: float | Mapping[str, float] | None) -> list[float]:
    if wanted is None:
        return []
    return list(wanted.values()) if isinstance(wanted, Mapping) else [wanted]


def _threshold(magnitudes: np.ndarray, sparsity: float) -> float:
    """The magnitude that the wanted share of the weights does not exceed; -1 for none (magnitudes may be zero)."""
    doomed = round(sparsity * len(magnitudes))
    return float(np.partition(magnitudes, doomed - 1)[doomed - 1]) if doomed else -1.0


def _row(name: str, weight: np.ndarray, mask: np.ndarray) -> dict[str, Any]:
    kept = int(mask.sum())
    share = kept / mask.size
    entropy = 0.0 if share in (0, 1) else -share * np.log2(share) - (1 - share) * np.log2(1 - share)
    price = mask.size * entropy / 8 + kept * weight.dtype.itemsize
    threshold = float(np.abs(weight[~mask]).max()) if kept < mask.size else 0.0
    return {"layer": name, "threshold": threshold, "kept": kept, "of": mask.size, "sparsity": 1 - share, "estimated bytes": round(price)}


def _masked(form: Form, mask: np.ndarray) -> Form:
    """The weight with this mask on; a codebook stays one, its pruned weights move to an entry that is zero."""
    if not isinstance(form, Codebook):
        return Masked.of(form.array(), mask)
    assert form.integers is not None
    zeros = np.flatnonzero(form.table == 0)
    if len(zeros):
        return Codebook(form.shape, np.where(mask, form.integers, zeros[0]), form.table)
    return Codebook(form.shape, np.where(mask, form.integers + 1, 0), np.concatenate((np.zeros(1, form.dtype), form.table)))
