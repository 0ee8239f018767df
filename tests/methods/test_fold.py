"""The step that folds; what may be folded is tested with graph/fold.py."""

from collections.abc import Callable

import torch
from torch import nn

from laconic.base.edits import Folded
from laconic.datasets.data import Data
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.methods.fold import Fold
from laconic.methods.plan import Plan

Apply = Callable[..., Network]


def test_the_plan_lists_the_pairs_and_is_what_happens(model: nn.Module, data: Data) -> None:
    network, context = Network(model), Context(data, model)
    plan = Fold().plan(network, context)
    assert plan.rows[0] == {"layer": "stem", "norm": "norm"}
    assert len(plan.rows) == 3
    half = Fold().apply(network, Plan(plan.rows[:1]), context)
    assert half.edits == (Folded("stem", "norm"),)
    assert isinstance(half.module.norm, nn.Identity)
    assert isinstance(half.module.block.bn1, nn.BatchNorm2d)


def test_folding_twice_is_folding_once(model: nn.Module, apply: Apply) -> None:
    once = apply(Fold(), Network(model))
    twice = apply(Fold(), once)
    assert len(once.edits) == 3
    assert twice.edits == once.edits
    assert all(torch.equal(a, b) for a, b in zip(once.module.parameters(), twice.module.parameters(), strict=True))
