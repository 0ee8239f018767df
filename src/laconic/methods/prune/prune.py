"""Magnitude pruning (Han, Pool, Tran & Dally 2015, "Learning both Weights and Connections for Efficient Neural Networks").

A weight is removed when |w| falls below a threshold. The threshold is a *quality* times the standard deviation of the
layer (Han 2015, §3.1), or whatever reaches a wanted *sparsity*, in each layer or over all of them. The plan turns either into
the number of weights that each layer keeps. That number is reached at once, in a few rounds with training between (Han's
iterative pruning), or in many small rounds while training goes on (Zhu & Gupta 2017, "To prune, or not to prune", eq. 1):
after a share t of the rounds, (1 − t)³ of the weights that must go are still there.

A pruned weight is masked from then on, so it stays zero through every later step. A weight of a codebook is moved to an
entry that is zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from laconic.base.errors import RecipeError, UsageError
from laconic.forms import Codebook, Form, Masked
from laconic.forms.magnitude import greatest, magnitude, threshold
from laconic.forms.patterns import parsed, patterned
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.methods.plan import Plan
from laconic.methods.prune.compensate import compensated
from laconic.methods.step import Step, check_fields, check_no_patience
from laconic.nn import Held, hold, matching, weights
from laconic.nn.checks import at_home
from laconic.train import Training


@dataclass(frozen=True)
class Prune(Step):
    """Set the weights of least magnitude to zero, for good.

    Args:
        sparsity: share of zeros to reach, 0 … 1; one for all layers, or a table of layer patterns. Layers not named stay dense.
        quality: instead of `sparsity`: threshold in standard deviations of the layer; one, or a table.
        scope: whether a single `sparsity` is reached in each "layer" alike, or "global"ly with one threshold.
        rounds: in how many rounds the target is approached; 1 prunes at once.
        pattern: of the zeros. "2:4": of every four neighbours along the inputs two stay, and no sparsity is said; "4x1": blocks of four
            outputs go as one.
        curve: how the rounds approach it: "cubic" (fast, then slow) or "linear".
        training: how to train between the rounds and after the last; its epochs are spread over the rounds evenly.
        compensate: let the weights that are left make up for those that go (see compensate.py); at once, anywhere.
        samples: calibration samples for that, taken from the training split without their labels; fewer where they are large.

    >>> print(Prune(sparsity=0.9))
    prune: {sparsity: 0.9}
    """

    sparsity: float | dict[str, float] | None = None
    quality: float | dict[str, float] | None = None
    scope: Literal["layer", "global"] = "layer"
    rounds: int = 1
    curve: Literal["cubic", "linear"] = "cubic"
    training: Training | None = None
    pattern: str | None = None
    compensate: bool = False
    samples: int = 256

    def __post_init__(self) -> None:
        self._check_pattern()
        if (self.sparsity is None) == (self.quality is None) and not self._of_every:
            raise RecipeError("say either sparsity or quality", where="prune", hint="prune: {sparsity: 0.9}")
        if not all(0 <= s < 1 for s in _each(self.sparsity)):
            raise RecipeError(
                f"sparsity is a share from 0 to below 1, got {self.sparsity}", where="prune, sparsity", hint="0.9 sets nine in ten to zero"
            )
        if not all(0 <= q < np.inf for q in _each(self.quality)):
            raise RecipeError(
                f"quality is a number from 0, got {self.quality}", where="prune, quality", hint="1.0 is one standard deviation"
            )
        if self.scope not in ("layer", "global") or self.curve not in ("cubic", "linear"):
            raise RecipeError(f"scope is layer or global, curve is cubic or linear; got {self.scope!r} and {self.curve!r}", where="prune")
        if self.scope == "global" and (self.sparsity is None or isinstance(self.sparsity, Mapping)):
            raise RecipeError(
                "a global scope needs one sparsity for all layers", where="prune", hint="prune: {sparsity: 0.9, scope: global}"
            )
        if self.rounds < 1:
            raise RecipeError(f"rounds is a whole number from 1, got {self.rounds}", where="prune, rounds", hint="1 prunes at once")
        if self.compensate and (self.pattern is not None or self._trains):
            raise RecipeError(
                "weights are compensated for at once, without a pattern", where="prune", hint="prune: {sparsity: 0.5, compensate: true}"
            )
        check_fields(self, ("samples", self.samples >= 1, "a whole number from 1"))
        if self.rounds > 1 and not self._trains:
            raise RecipeError("more than one round needs training between them", where="prune", hint="training: {epochs: 10, lr: 0.01}")
        check_no_patience(self)

    def _check_pattern(self) -> None:
        if self.pattern is None:
            return
        try:
            parsed(self.pattern)
        except UsageError as cause:
            raise RecipeError(cause.what, where="prune, pattern", hint=cause.hint) from cause
        if self._of_every and (self.sparsity is not None or self.quality is not None or self.rounds > 1):
            raise RecipeError(
                f"{self.pattern} says itself what stays, at once", where="prune, pattern", hint=f'prune: {{pattern: "{self.pattern}"}}'
            )
        if self.scope == "global" or self.quality is not None:
            raise RecipeError(
                "blocks are counted layer by layer, by their sparsity", where="prune, pattern", hint="leave scope or quality out"
            )

    @property
    def _of_every(self) -> bool:
        return self.pattern is not None and parsed(self.pattern)[0] == ":"

    @property
    def _trains(self) -> bool:
        return self.training is not None and self.training.epochs > 0

    @property
    def _wanted(self) -> float | dict[str, float]:
        wanted = self.sparsity if self.sparsity is not None else self.quality
        return 0.0 if wanted is None else wanted

    def takes(self) -> Mapping[str, str]:
        """A codebook is pruned at once only: while training, or when others make up for them, its values belong to many weights."""
        return {"dense": "masked", "masked": "masked"} | ({} if self._trains or self.compensate else {"codebook": "codebook"})

    def touches(self, names: list[str]) -> list[str]:
        return list(matching(names, self._wanted, "prune"))

    def everywhere(self) -> bool:
        return not isinstance(self._wanted, Mapping)

    def trains(self) -> Training | None:
        return self.training

    def draft(self) -> Step:
        return replace(self, rounds=1, training=None)

    def plan(self, network: Network, context: Context) -> Plan:
        """How many weights each layer keeps, by their magnitudes now; which ones is decided anew in every round."""
        forms = {name: network.form(name) for name in self.touches(list(weights(network.module)))}
        magnitudes = {name: magnitude(form) for name, form in forms.items()}
        wanted = self._wanted_counts(forms, magnitudes)
        return Plan(tuple(_row(name, m, min(wanted[name], _alive(m)), forms[name].dtype.itemsize) for name, m in magnitudes.items()))

    def apply(self, network: Network, plan: Plan, context: Context) -> Network:
        kept = {row["layer"]: row["kept"] for row in plan.rows}
        if self.training is not None and self._trains:
            return self._prune_while_training(network, kept, self.training, context)
        if self.compensate:
            return network.reformed(compensated(network, kept, at_home(network.module, context.calibration(self.samples))))
        return network.reformed({name: self._pruned(network.form(name), count) for name, count in kept.items()})

    def _wanted_counts(self, forms: Mapping[str, Form], magnitudes: Mapping[str, np.ndarray]) -> dict[str, int]:
        if self.pattern is not None and self._of_every:
            return {name: int(np.count_nonzero(patterned(m, self.pattern))) for name, m in magnitudes.items()}
        if self.quality is not None:
            quality = matching(list(forms), self.quality, "prune")
            return {name: int(np.count_nonzero(m > quality[name] * _std(forms[name]))) for name, m in magnitudes.items()}
        assert self.sparsity is not None
        if self.scope == "global" and not isinstance(self.sparsity, Mapping):
            return _shared_out(magnitudes, self.sparsity)
        sparsity = matching(list(forms), self.sparsity, "prune")
        return {name: m.size - round(sparsity[name] * m.size) for name, m in magnitudes.items()}

    def _prune_while_training(self, network: Network, kept: Mapping[str, int], training: Training, context: Context) -> Network:
        """Masks only ever tighten: a weight that is gone has no gradient to come back by."""
        start = {name: _opened(network.form(name)) for name in kept}
        held = hold(network.module, {**network.forms, **start})
        self._tighten(held, start, kept, 1 / self.rounds)
        for tick in context.train(held.module, context.lesson(training, network.module), context.bounded(training), "prune"):
            due, before = self._round(tick.progress), self._round(tick.step / tick.steps)
            if due > before:
                self._tighten(held, start, kept, due / self.rounds)
            context.progress("prune", tick.progress, f"round {due} of {self.rounds}, {tick}")
        return network.released(held)

    def _round(self, progress: float) -> int:
        return min(int(progress * self.rounds) + 1, self.rounds)

    def _tighten(self, held: Held, start: Mapping[str, Masked], kept: Mapping[str, int], t: float) -> None:
        for name, last in kept.items():
            count = last + round(self.ahead(t) * (len(start[name].table) - last))
            held.tighten(name, self._greatest(magnitude(held.form(name)), count))

    def _greatest(self, magnitudes: np.ndarray, count: int) -> np.ndarray:
        """Mask of what stays: the greatest weights, or the greatest in the pattern."""
        return greatest(magnitudes, count) if self.pattern is None else patterned(magnitudes, self.pattern, count)

    def _pruned(self, form: Form, count: int) -> Form:
        """The weight with what stays of it; a codebook stays one, its pruned weights move to an entry that is zero."""
        mask = self._greatest(magnitude(form), count)
        if not isinstance(form, Codebook):
            return Masked.of(form.array(), mask)
        assert form.integers is not None
        zeros = np.flatnonzero(form.table == 0)
        if len(zeros):
            return Codebook.of(np.where(mask, form.integers, zeros[0]), form.table)
        return Codebook.of(np.where(mask, form.integers.astype(np.int32) + 1, 0), np.concatenate((np.zeros(1, form.dtype), form.table)))

    def ahead(self, t: float) -> float:
        """Which share of the weights that must go is still there after a share `t` of the rounds.

        >>> Prune(sparsity=0.9).ahead(0.5)
        0.125
        """
        return (1 - t) ** (3 if self.curve == "cubic" else 1)


def _alive(magnitudes: np.ndarray) -> int:
    return int(np.count_nonzero(magnitudes >= 0))


def _std(form: Form) -> float:
    return float(np.std(form.array(), dtype=np.float64))


def _shared_out(magnitudes: Mapping[str, np.ndarray], sparsity: float) -> dict[str, int]:
    """How many weights of each layer are among the greatest of all layers."""
    everything = np.concatenate([m.reshape(-1) for m in magnitudes.values()])
    stay = greatest(everything, everything.size - round(sparsity * everything.size))
    ends = np.cumsum([m.size for m in magnitudes.values()])[:-1]
    return {name: int(np.count_nonzero(part)) for name, part in zip(magnitudes, np.split(stay, ends), strict=True)}


def _each(wanted: float | Mapping[str, float] | None) -> list[float]:
    if wanted is None:
        return []
    return list(wanted.values()) if isinstance(wanted, Mapping) else [wanted]


def _row(name: str, magnitudes: np.ndarray, kept: int, width: int) -> dict[str, Any]:
    share = kept / magnitudes.size
    entropy = 0.0 if share in (0, 1) else -share * np.log2(share) - (1 - share) * np.log2(1 - share)
    return {
        "layer": name,
        "threshold": threshold(magnitudes, kept),
        "kept": kept,
        "of": magnitudes.size,
        "sparsity": 1 - share,
        "estimated bytes": round(magnitudes.size * entropy / 8 + kept * width),
    }


def _opened(form: Form) -> Masked:
    """The weight with a mask that lets through whatever is not gone already."""
    return form if isinstance(form, Masked) else Masked.of(form.array(), np.ones(form.shape, bool))
