"""Take whole channels out (structured pruning): fewer filters, fewer MACs, and a network that is dense again and really faster.

Channels that belong together, as those of layers whose outputs are added, go together (`graph.channels`). Which go is said by a criterion
(criteria.py), how many by a target (budget.py): a share of all channels, of the parameters, of the MACs, or of the time that a forward pass
takes on this machine, *measured* on the exported graph of candidates, not derived from their MACs.

At once, they are cut. With `training`, they are first set to zero bit by bit, in rounds, while the network learns to do without (as
`prune` does with weights; after each round the criterion is asked again), and cut at the end: where activations leave zeros alone, that
changes nothing.

With `sparsity`, the whole training draws the scales γ of normalisations to zero, by λ · Σ|γ| (Liu et al. 2017, "Network Slimming", eq. 1).
How many channels go and which is decided after it, on the trained network, and they are cut at once: `finetune` then, as the paper does.
The plan only says which groups that will be about.

Heads of attention are groups as well, and go as one.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from laconic.base.errors import BudgetError, RecipeError
from laconic.forms.magnitude import greatest
from laconic.graph.channels import Group, channel_groups, left_whole
from laconic.graph.channels.cut import cut
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.methods.plan import Plan
from laconic.methods.prune_channels.budget import Budget, alike, globally, least_share
from laconic.methods.prune_channels.criteria import CRITERIA, UNSEEN, Criterion, Norm, filters, scores
from laconic.methods.prune_channels.masks import Masks
from laconic.methods.step import CUTS, Step, check_fields, check_no_patience, one_said
from laconic.profile import count
from laconic.train import Training
from laconic.train.task import BatchLoss

TRIALS = 7  # halvings where each takes a measurement
MULTIPLES = (8, 16, 32)
LATER = "after training"  # is decided
SAME_TIME = 0.97  # coarser widths must be faster by as much to be worth their coarseness
TARGETS = ("ratio", "macs", "params", "latency")


@dataclass(frozen=True)
class PruneChannels(Step):
    """Remove channels until the target is met. Say one of `ratio`, `macs`, `params`, `latency`.

    Args:
        macs: share of the layers' multiply-adds to keep, 0 … 1.
        params: share of the parameters to keep.
        latency: share of the time of a forward pass to keep, at batch 1 on one thread of this machine.
        ratio: share of the channels to remove.
        criterion: what a channel is judged by: l1, l2, fpgm, bn, taylor, activation or random.
        scope: one ranking of all channels ("global"), or the same share of every group ("layer").
        multiple: widths are whole multiples of this, as far as they go; "measured" tries 1 and `MULTIPLES` on this machine and takes the
            fastest, or where the target is time, the one that leaves the most.
        samples: of the training split, that taylor and activation look at.
        rounds: in how many rounds channels are set to zero; needs `training`.
        training: how to train meanwhile.
        sparsity: λ, draws scales of normalisations to zero while training; what goes is decided by the network that comes out.

    >>> print(PruneChannels(macs=0.5))
    prune-channels: {macs: 0.5}
    """

    macs: float | None = None
    params: float | None = None
    latency: float | None = None
    ratio: float | None = None
    criterion: Criterion = "taylor"
    scope: Literal["global", "layer"] = "global"
    multiple: int | Literal["measured"] = 1
    samples: int = 1024
    rounds: int = 1
    training: Training | None = None
    sparsity: float = 0.0
    changes = CUTS

    def __post_init__(self) -> None:
        said = one_said(self, TARGETS, "prune-channels: {macs: 0.5}")
        check_fields(
            self,
            (said, self._is_share(said), "a share between 0 and 1"),
            ("criterion", self.criterion in CRITERIA, f"one of {', '.join(CRITERIA)}"),
            ("scope", self.scope in ("global", "layer"), "global or layer"),
            ("multiple", self._multiple >= 1, "a whole number from 1, or measured"),
            ("samples", self.samples >= 1, "a whole number from 1"),
            ("rounds", self.rounds >= 1, "a whole number from 1"),
            ("sparsity", 0 <= self.sparsity < np.inf, "a number from 0"),
        )
        if (self.rounds > 1 or self.sparsity) and not self._trains:
            raise RecipeError("rounds and sparsity need training", where="prune-channels", hint="training: {epochs: 5, lr: 0.01}")
        if self.rounds > 1 and self.sparsity:
            found = "with sparsity, channels are chosen when training has drawn the scales, and all go at once"
            raise RecipeError(found, where="prune-channels, rounds", hint="leave rounds out, and put a finetune behind")
        check_no_patience(self)

    def _is_share(self, name: str) -> bool:
        share: float = getattr(self, name)
        return 0 <= share < 1 if name == "ratio" else 0 < share <= 1

    @property
    def _multiple(self) -> int:
        """Where it is measured, the finest."""
        return 1 if self.multiple == "measured" else self.multiple

    @property
    def _trains(self) -> bool:
        return self.training is not None and self.training.epochs > 0

    def takes(self) -> Mapping[str, str]:
        return {"dense": "dense", "masked": "masked"}

    def trains(self) -> Training | None:
        return self.training

    def draft(self) -> Step:
        target = {"macs": self.latency} if self.latency is not None else {name: getattr(self, name) for name in TARGETS}
        return PruneChannels(**target, criterion="l2", scope=self.scope, multiple=self._multiple)

    def plan(self, network: Network, context: Context) -> Plan:
        """How many channels each group keeps; with `sparsity`, which groups may lose some.

        Raises:
            BudgetError: nothing that can be removed would meet the target. ExportError: the model cannot be traced.
            RecipeError: the model has nothing that the criterion goes by, or no scales for `sparsity`.
        """
        if self.sparsity and not _scales(network.module):
            found = "sparsity has no scales to draw: the model has no batch or instance normalisation"
            raise RecipeError(found, where="prune-channels, sparsity", hint="leave sparsity out")
        groups = _groups(network, context)
        budget = Budget(groups, _shapes(network.module), _counted(network, context))
        judged = self._scores(network, groups, context)
        keep = self._keep(judged, budget, network, context)
        rows = [self._row(group, keep.get(group.name), budget) for group in groups]
        return Plan((*rows, *_whole(network, context)))

    def apply(self, network: Network, plan: Plan, context: Context) -> Network:
        if self.training is not None and self.sparsity:
            return self._after_training(network, self.training, context)
        keep = {row["group"]: row["kept"] for row in plan.rows if not row["why"]}
        groups = [group for group in _groups(network, context) if group.name in keep]
        if self.training is not None and self._trains:
            return self._while_training(network, groups, keep, self.training, context)
        judged = self._scores(network, groups, context)
        return _without(network, {name: ~greatest(judged[name], count) for name, count in keep.items()}, context)

    def _scores(self, network: Network, groups: list[Group], context: Context) -> dict[str, np.ndarray]:
        return scores(self.criterion, network.module, groups, context, self.samples)

    def _keep(self, judged: Mapping[str, np.ndarray], budget: Budget, network: Network, context: Context) -> dict[str, int]:
        if self.multiple != "measured":
            return self._kept(judged, self.multiple, budget, network, context)
        found = [self._kept(judged, 1, budget, network, context)]
        for multiple in MULTIPLES:
            with suppress(BudgetError):  # so coarse that nothing can go
                found.append(self._kept(judged, multiple, budget, network, context))
        if self.latency is not None:
            return max(found, key=budget.macs)
        best, least = found[0], self._time(network, judged, found[0], context)
        for keep in found[1:]:
            time = self._time(network, judged, keep, context)
            if time < SAME_TIME * least:
                best, least = keep, time
        return best

    def _kept(self, judged: Mapping[str, np.ndarray], multiple: int, budget: Budget, network: Network, context: Context) -> dict[str, int]:
        """Group → channels that stay for the target, in multiples."""
        share_out = globally if self.scope == "global" else alike

        def keep(share: float) -> dict[str, int]:
            return share_out(judged, share, multiple)

        if not judged or self.ratio is not None:
            return keep(self.ratio or 0.0) if judged else {}
        if self.latency is not None:
            return keep(self._quick_enough(lambda share: self._time(network, judged, keep(share), context), self.latency))
        cost, target = (budget.macs, self.macs) if self.macs is not None else (budget.params, self.params)
        assert target is not None
        _check_reachable(cost(keep(1.0)), target, str(self))
        return keep(least_share(lambda share: cost(keep(share)), target))

    def _quick_enough(self, time: Callable[[float], float], target: float) -> float:
        _check_reachable(time(1.0), target, str(self))
        return least_share(time, target, TRIALS)

    def _time(self, network: Network, judged: Mapping[str, np.ndarray], keep: Mapping[str, int], context: Context) -> float:
        """Of the forward pass without these channels, as a share of that with them; both measured in turns."""
        candidate = _without(network, {name: ~greatest(judged[name], count) for name, count in keep.items()}, context)
        ratio = context.clock(candidate, network, context.sample())
        context.progress("measure", 0.0, f"{ratio:.2f} × the time")
        return ratio

    def _row(self, group: Group, kept: int | None, budget: Budget) -> dict[str, Any]:
        tensors = len({member.tensor for member in group.members})
        if kept is None:
            return _staying(group.name, group.size, tensors, UNSEEN[self.criterion])
        row = {"group": group.name, "kept": kept, "of": group.size, "tensors": tensors}
        if self.sparsity:
            return {**row, "kept": LATER, "estimated MACs": LATER, "estimated parameters": LATER, "why": ""}
        without = {group.name: kept}
        return {**row, "estimated MACs": budget.macs(without), "estimated parameters": budget.params(without), "why": ""}

    def _after_training(self, network: Network, training: Training, context: Context) -> Network:
        """What the trained network says can go, by the same step without training."""
        loss = self._drawing(context.lesson(training, network.module))
        drawn = context.fit(network, loss, context.bounded(training), "prune-channels")
        at_once = replace(self, training=None, sparsity=0.0)
        return at_once.apply(drawn, at_once.plan(drawn, context), context)

    def _drawing(self, lesson: BatchLoss) -> BatchLoss:
        """The loss, and λ · Σ|γ|."""

        def loss(model: nn.Module, inputs: Tensor, targets: Any) -> Tensor:
            return lesson(model, inputs, targets) + self.sparsity * sum(scale.abs().sum() for scale in _scales(model))

        return loss

    def _while_training(
        self, network: Network, groups: list[Group], keep: Mapping[str, int], training: Training, context: Context
    ) -> Network:
        """What is zero at the end is cut."""
        masks = Masks(network, groups)
        self._close(masks, groups, keep, context, 1)
        lesson = context.lesson(training, network.module)
        for tick in context.train(masks.held.module, lesson, context.bounded(training), "prune-channels"):
            due, before = self._round(tick.progress), self._round(tick.step / tick.steps)
            if due > before:
                self._close(masks, groups, keep, context, due)
            context.progress("prune-channels", tick.progress, f"round {due} of {self.rounds}, {tick}")
        return _without(masks.now(), masks.gone(), context)

    def _close(self, masks: Masks, groups: list[Group], keep: Mapping[str, int], context: Context, due: int) -> None:
        """Set the least channels to zero, as many as are due by this round."""
        ahead = (1 - due / self.rounds) ** 3
        stay = {group.name: keep[group.name] + round(ahead * (group.size - keep[group.name])) for group in groups}
        masks.close(stay, self._scores(masks.now(), groups, context))

    def _round(self, progress: float) -> int:
        return min(int(progress * self.rounds) + 1, self.rounds)


def _groups(network: Network, context: Context) -> list[Group]:
    """Those that some weight makes."""
    stage = context.data.preprocessing
    found = channel_groups(network.module, stage.shape, stage.dtype)
    return [group for group in found if group.size > 1 and filters(network.module, group)]


def _scales(model: nn.Module) -> list[Tensor]:
    """Of all normalisations that the criterion `bn` would ask."""
    return [layer.weight for layer in model.modules() if isinstance(layer, Norm) and layer.weight is not None]


def _without(network: Network, gone: Mapping[str, np.ndarray], context: Context) -> Network:
    stage = context.data.preprocessing
    return cut(network, stage.shape, {name: np.flatnonzero(mask).tolist() for name, mask in gone.items()}, stage.dtype)


def _shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in model.named_parameters()}


def _counted(network: Network, context: Context) -> Any:
    stage = context.data.preprocessing
    with torch.no_grad():
        return count(network.module, stage.shape, dtype=stage.dtype)


def _check_reachable(least: float, target: float, step: str) -> None:
    if least > target:
        found = f"with a tenth of every group's channels {least:.2f} is left, {target:.2f} is wanted"
        raise BudgetError(found, where=step, hint="a larger share, or prune-blocks beside it")


def _staying(name: str, size: int, tensors: int, why: str) -> dict[str, Any]:
    return {"group": name, "kept": size, "of": size, "tensors": tensors, "estimated MACs": 1.0, "estimated parameters": 1.0, "why": why}


def _whole(network: Network, context: Context) -> list[dict[str, Any]]:
    """A row for every weight whose outputs all stay, with the reason."""
    stage, named = context.data.preprocessing, dict(network.module.named_parameters())
    found = left_whole(network.module, stage.shape, stage.dtype)
    return [_staying(name, int(named[name].shape[0]), 1, found[name]) for name in found if name in named]
