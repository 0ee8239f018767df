"""The branch that is missed least goes first."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from laconic import compress, load, load_into
from laconic.base.errors import BudgetError, ModelError, RecipeError
from laconic.datasets.data import Data
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.methods.finetune import Finetune
from laconic.methods.prune_blocks import PruneBlocks
from laconic.profile import count
from laconic.recipe import parse

Apply = Callable[..., Network]


class Deep(nn.Module):
    """Three residual branches on 8 × 8 images; the second adds nothing at all, and learns nothing."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.branches = nn.ModuleList(nn.Conv2d(4, 4, 3, padding=1) for _ in range(3))
        self.fc = nn.Linear(4 * 64, 4)
        with torch.no_grad():
            self.branches[1].weight.zero_()
            self.branches[1].bias.zero_()
        self.branches[1].requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for branch in self.branches:
            x = x + branch(x.relu())
        return self.fc(x.flatten(1))


@pytest.fixture(scope="module")
def deep(data: Data) -> nn.Module:
    """Trained, so that the others are missed."""
    return Finetune(epochs=4, lr=0.02, batch=32)(Deep(), data).module


def test_what_adds_nothing_goes_first_and_changes_nothing(apply: Apply, data: Data, deep: nn.Module) -> None:
    model = deep
    short = apply(PruneBlocks(blocks=1), Network(model)).module
    assert "branches.1.weight" not in short.state_dict()
    inputs = torch.from_numpy(data.preprocessing.apply(data.test.inputs[:4]))
    with torch.no_grad():
        assert torch.equal(short(inputs), model(inputs))


def test_a_table_says_how_many_go_where(apply: Apply, deep: nn.Module) -> None:
    """The branch that adds nothing stays, for it was not named."""
    short = apply(PruneBlocks(blocks={"branches.0": 1, "branches.2": 1}), Network(deep)).module
    assert [name for name in short.state_dict() if "branches" in name] == ["branches.1.weight", "branches.1.bias"]


def test_where_enough_have_gone_the_others_stay(apply: Apply, data: Data, deep: nn.Module) -> None:
    """However little one of them is missed."""
    _, second, last = (row["branch"] for row in PruneBlocks(blocks=3).plan(Network(deep), Context(data, deep)).rows)
    short = apply(PruneBlocks(blocks={last: 1, "branches.*": 1}), Network(deep)).module
    assert {name.rpartition(".")[0] for name in short.state_dict() if "branches" in name} == {second}


@pytest.mark.parametrize(("blocks", "error", "said"), [
    ({"branches.0": 2}, BudgetError, r"2 residual branches of branches\.0 are to go, and there are 1"),
    (4, BudgetError, "4 residual branches are to go, and there are 3"),
    ({"layers*": 1}, RecipeError, "layers"),
])  # fmt: skip
def test_more_than_there_are_is_refused(apply: Apply, deep: nn.Module, blocks: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        apply(PruneBlocks(blocks=blocks), Network(deep))


def test_a_share_of_macs_is_met(apply: Apply) -> None:
    model = Deep()
    short = apply(PruneBlocks(macs=0.7), Network(model)).module
    assert count(short, (1, 8, 8)).macs <= 0.7 * count(model, (1, 8, 8)).macs
    assert len([name for name in short.state_dict() if "branches" in name]) == 2


def test_a_share_of_the_time_is_measured(data: Data, deep: nn.Module) -> None:
    """With a clock that counts layers."""
    model = deep

    def clock(candidate: Network, before: Network, _: np.ndarray) -> float:
        return len(list(candidate.module.parameters())) / len(list(before.module.parameters()))

    step, network, context = PruneBlocks(latency=0.6), Network(model), Context(data, model, clock=clock)
    plan = step.plan(network, context)
    assert plan.rows[0]["branch"] == "branches.1"
    assert len(plan.rows) == 2


def test_where_time_is_the_target_a_slow_branch_may_be_missed_more(data: Data, deep: nn.Module) -> None:
    """The branch that is missed most takes nearly all the time."""
    losses = {row["branch"]: row["loss without"] for row in PruneBlocks(blocks=3).plan(Network(deep), Context(data, deep)).rows}
    slow = list(losses)[-1]

    def clock(candidate: Network, before: Network, _: np.ndarray) -> float:
        return 1.0 if f"{slow}.weight" in candidate.module.state_dict() else 0.001

    context = Context(data, deep, clock=clock)
    assert [row["branch"] for row in PruneBlocks(latency=0.5).plan(Network(deep), context).rows][-1] == slow
    assert len(PruneBlocks(latency=0.5).plan(Network(deep), context).rows) <= 2


def test_a_target_below_what_all_branches_take_is_refused(apply: Apply) -> None:
    with pytest.raises(BudgetError, match="without any of its 3 residual branches"):
        apply(PruneBlocks(macs=0.1), Network(Deep()))


def test_a_shorter_network_goes_on_through_a_recipe_and_into_a_file(data: Data, tmp_path: Path) -> None:
    recipe = parse("steps:\n- prune-blocks: {blocks: 1}\n- prune-channels: {macs: 0.8, criterion: l2}\n- share: {bits: 6}")
    result = compress(Deep(), data, recipe)
    result.save(tmp_path / "f.lac")
    inputs = data.preprocessing.apply(data.test.inputs[:8])
    with torch.no_grad():
        there = result.model(torch.from_numpy(inputs)).numpy()
    np.testing.assert_allclose(load(tmp_path / "f.lac")(inputs), there, rtol=1e-3, atol=1e-4)


class Gated(nn.Module):
    """A branch that is a half where it has no weights."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.branch = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.fc = nn.Linear(4 * 64, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.fc((x + self.branch(x.relu()).sigmoid()).flatten(1))


def test_a_class_that_cannot_do_without_its_branch_is_told(data: Data, tmp_path: Path) -> None:
    compress(Gated(), data, [PruneBlocks(blocks=1)]).save(tmp_path / "f.lac")
    with pytest.raises(ModelError, match="without weights, what was removed is still not nothing: branch"):
        load_into(Gated(), tmp_path / "f.lac")


@pytest.mark.parametrize(
    "fields",
    [{}, {"blocks": 1, "macs": 0.5}, {"blocks": 0}, {"blocks": {}}, {"blocks": {"a": 0}}, {"latency": 0.0}, {"blocks": 1, "samples": 0}],
)
def test_what_makes_no_sense_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(RecipeError):
        PruneBlocks(**fields)
