"""Take whole residual branches out: small networks wait for their number of nodes more than for their multiplications.

A block y = x + f(x) without its branch is y = x (Veit et al. 2016, "Residual Networks Behave Like Ensembles of Relatively Shallow
Networks", §4: most branches can go one at a time with little harm). Which goes next is measured, not derived: the one without which the
loss on samples of the training split is least; where the target is time, the one whose loss is least for the time that it takes. After
each, all others are judged anew, until the target is met.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from laconic.base.edits import Shortened
from laconic.base.errors import BudgetError
from laconic.datasets.batches import batches
from laconic.graph.branches import Branches
from laconic.graph.network import Network
from laconic.graph.replay import shortened
from laconic.methods.context import Context
from laconic.methods.plan import Plan
from laconic.methods.step import CUTS, Step, check_fields, one_said
from laconic.nn import matching
from laconic.nn.checks import at_home
from laconic.profile import count
from laconic.train import Training

BATCH = 64
LEAST = 1e-3  # share of the time that any branch takes; less is lost in the clock's noise
TARGETS = ("blocks", "macs", "params", "latency")


@dataclass(frozen=True)
class PruneBlocks(Step):
    """Remove residual branches until the target is met. Say one of `blocks`, `macs`, `params`, `latency`.

    Args:
        blocks: how many branches to remove; or a table of patterns of their last layers, with how many of each.
        macs: share of the layers' multiply-adds to keep, 0 … 1.
        params: share of the parameters to keep.
        latency: share of the time of a forward pass to keep, at batch 1 on one thread of this machine.
        samples: of the training split, on which losses are compared.

    >>> print(PruneBlocks(blocks=2))
    prune-blocks: {blocks: 2}
    >>> print(PruneBlocks(blocks={"layer1*": 1, "layer3*": 2}))
    prune-blocks: {blocks: {layer1*: 1, layer3*: 2}}
    """

    blocks: int | dict[str, int] | None = None
    macs: float | None = None
    params: float | None = None
    latency: float | None = None
    samples: int = 512
    changes = CUTS

    def __post_init__(self) -> None:
        said = one_said(self, TARGETS, "prune-blocks: {latency: 0.5}")
        value = getattr(self, said)
        check_fields(
            self,
            (said, self._counts() if said == "blocks" else 0 < value <= 1, "a whole number from 1, or a share between 0 and 1"),
            ("samples", self.samples >= 1, "a whole number from 1"),
        )

    def _counts(self) -> bool:
        wanted = self.blocks.values() if isinstance(self.blocks, Mapping) else [self.blocks]
        return bool(wanted) and all(count is not None and count >= 1 for count in wanted)

    def takes(self) -> Mapping[str, str]:
        return {kind: kind for kind in ("dense", "masked", "grid", "codebook")}

    def draft(self) -> Step:
        return PruneBlocks(blocks=self.blocks, macs=self.macs or self.latency, params=self.params, samples=min(self.samples, BATCH))

    def plan(self, network: Network, context: Context) -> Plan:
        """Which branches go, in their order, and the loss without each.

        Raises:
            BudgetError: without all of them the target is not met, or more are to go than there are. ExportError: the model cannot be
                traced. RecipeError: a pattern names no branch.
        """
        stage = context.data.preprocessing
        branches = Branches(network.module, stage.shape, stage.dtype)
        samples = list(_samples(context, self.samples))
        quotas = self._quotas([branch.name for branch in branches.found])
        time = self._time(branches, network, context)
        gone: list[str] = []
        rows: list[dict[str, Any]] = []
        loss = _loss(branches.without([]), samples, context)
        while not self._met(network, gone, context):
            left = [name for group, most in quotas if len({*group} & {*gone}) < most for name in group if name not in gone]
            if not left:
                raise self._unreachable(len(gone))
            losses = {name: _loss(branches.without([*gone, name]), samples, context) for name in left}
            name = min(left, key=lambda one: (losses[one] - loss) / time[one])
            loss = losses[name]
            gone.append(name)
            rows.append({"branch": name, "loss without": loss, "of": len(branches.found)})
            context.progress("prune-blocks", 0.0, f"{len(gone)} of {len(branches.found)} branches gone, loss {loss:.3f}")
        return Plan(tuple(rows))

    def apply(self, network: Network, plan: Plan, context: Context) -> Network:
        return _without(network, [row["branch"] for row in plan.rows], context)

    def _quotas(self, names: list[str]) -> list[tuple[list[str], int]]:
        """Groups of branches, and how many of each may go."""
        if not isinstance(self.blocks, Mapping):
            return [(names, self._enough("", self.blocks or len(names), len(names)))]
        fits: dict[str, str] = matching(names, dict(zip(self.blocks, self.blocks, strict=True)), self.word())
        groups = {pattern: [name for name in names if fits.get(name) == pattern] for pattern in self.blocks}
        return [(group, self._enough(f" of {pattern}", self.blocks[pattern], len(group))) for pattern, group in groups.items()]

    def _enough(self, which: str, wanted: int, there: int) -> int:
        if wanted > there:
            raise BudgetError(
                f"{wanted} residual branches{which} are to go, and there are {there}", where=str(self), hint=f"at most {there}"
            )
        return wanted

    def _time(self, branches: Branches, network: Network, context: Context) -> dict[str, float]:
        """Branch → its share of the network's time; all the same where the target is something else."""
        names = [branch.name for branch in branches.found]
        if self.latency is None:
            return dict.fromkeys(names, 1.0)
        return {name: max(1 - context.clock(_without(network, [name], context), network, context.sample()), LEAST) for name in names}

    def _met(self, network: Network, gone: list[str], context: Context) -> bool:
        if self.blocks is not None:
            return len(gone) >= (sum(self.blocks.values()) if isinstance(self.blocks, Mapping) else self.blocks)
        if not gone:
            return any(share == 1 for share in (self.macs, self.params, self.latency))
        smaller = _without(network, gone, context)
        if self.latency is not None:
            return context.clock(smaller, network, context.sample()) <= self.latency
        cost, target = (_macs(context), self.macs) if self.macs is not None else (_params, self.params)
        assert target is not None
        return cost(smaller.module) <= target * cost(network.module)

    def _unreachable(self, gone: int) -> BudgetError:
        found = f"without any of its {gone} residual branches the model does not meet the target"
        return BudgetError(found, where=str(self), hint="a larger share, or prune-channels beside it")


def _without(network: Network, gone: list[str], context: Context) -> Network:
    stage = context.data.preprocessing
    return shortened(network, Shortened(stage.shape, stage.dtype, tuple(gone)))


def _samples(context: Context, count: int) -> Any:
    drawn = batches(context.data.train, context.data.preprocessing, min(BATCH, count), seed=context.seed)
    return (batch for _, batch in zip(range(-(-count // BATCH)), drawn, strict=False))


@torch.no_grad()
def _loss(model: nn.Module, samples: list[tuple[Tensor, Tensor]], context: Context) -> float:
    """Mean over the batches."""
    model.eval()
    lesson, losses = context.lesson(Training(), model), []
    for inputs, targets in samples:
        own = at_home(model, inputs)
        losses.append(float(lesson(model, own, targets.to(own.device))))
    return sum(losses) / len(losses)


def _macs(context: Context) -> Callable[[nn.Module], float]:
    stage = context.data.preprocessing
    return lambda model: count(model, stage.shape, dtype=stage.dtype).macs


def _params(model: nn.Module) -> float:
    return sum(value.numel() for value in model.parameters())
