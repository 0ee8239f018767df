"""Channels go by a criterion and a target; what is left runs, trains, is saved and goes on after a kill."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from laconic import compress, load, load_into
from laconic.base.errors import BudgetError, RecipeError
from laconic.datasets.data import Data
from laconic.graph.channels import channel_groups
from laconic.graph.network import Network
from laconic.methods.prune_channels import PruneChannels
from laconic.methods.prune_channels.criteria import CRITERIA, scores
from laconic.methods.step import Context
from laconic.profile import count
from laconic.recipe import parse
from laconic.train import Training

SHAPE = (1, 8, 8)
Apply = Callable[..., Network]
TRAINING = Training(epochs=2, lr=0.02, batch=32)


def macs(module: nn.Module) -> int:
    return count(module, SHAPE).macs


def params(module: nn.Module) -> int:
    return sum(value.numel() for value in module.parameters())


@pytest.mark.parametrize("scope", ["global", "layer"])
@pytest.mark.parametrize("cost", [macs, params])
def test_the_target_is_met_and_not_by_far_more_than_a_channel(
    apply: Apply, model: nn.Module, cost: Callable[[nn.Module], int], scope: Any
) -> None:
    target = {cost.__name__: 0.5}
    found = cost(apply(PruneChannels(**target, scope=scope, criterion="l2"), Network(model)).module) / cost(model)
    assert 0.2 < found <= 0.5


def test_a_ratio_is_of_the_channels(apply: Apply, model: nn.Module) -> None:
    narrow = apply(PruneChannels(ratio=0.5, scope="layer", criterion="l1"), Network(model)).module
    assert [(group.size, kept.size) for group, kept in zip(channel_groups(model, SHAPE), channel_groups(narrow, SHAPE), strict=True)] == [
        (6, 3),
        (6, 3),
    ]


def test_widths_are_multiples(apply: Apply, model: nn.Module) -> None:
    narrow = apply(PruneChannels(macs=0.9, multiple=2, criterion="random"), Network(model)).module
    assert all(group.size % 2 == 0 for group in channel_groups(narrow, SHAPE))
    assert macs(narrow) < macs(model)


class Picky:
    """A clock of a machine on which widths of whole multiples of eight take a share of the time of others."""

    def __init__(self, share: float, by_macs: bool) -> None:
        self.share, self.by_macs = share, by_macs

    def __call__(self, candidate: Network, before: Network, _: np.ndarray) -> float:
        whole = all(group.size % 8 == 0 for group in channel_groups(candidate.module, SHAPE))
        time = macs(candidate.module) / macs(before.module) if self.by_macs else 1.0
        return time * self.share if whole else time


@pytest.fixture
def wide() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 48, 3), nn.ReLU(), nn.Conv2d(48, 48, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48 * 16, 4))


@pytest.mark.parametrize(("share", "whole"), [(0.6, True), (1.0, False)])
@pytest.mark.parametrize("target", ["macs", "latency"])
def test_widths_are_what_the_machine_likes(data: Data, wide: nn.Module, target: str, share: float, whole: bool) -> None:
    step, network = PruneChannels(**{target: 0.45}, multiple="measured", criterion="l1"), Network(wide)  # type: ignore[arg-type]
    context = Context(data, wide, clock=Picky(share, by_macs=target == "latency"))
    narrow = step.apply(network, step.plan(network, context), context).module
    assert all(group.size % 8 == 0 for group in channel_groups(narrow, SHAPE)) == whole
    assert macs(narrow) < macs(wide)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_every_criterion_keeps_what_matters(apply: Apply, criterion: Any, data: Data) -> None:
    """A channel of zeros is the first to go, by any criterion but chance; with fpgm, one that is amid all others."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 4))
    with torch.no_grad():
        for value in (model[0].weight, model[0].bias, model[1].weight, model[1].bias):
            value[5] = value[[0, 1, 2, 3, 4, 6, 7]].mean(0) if criterion == "fpgm" else 0
    narrow = apply(PruneChannels(ratio=0.125, criterion=criterion), Network(model)).module
    kept = model[0].weight[[0, 1, 2, 3, 4, 6, 7]]
    found = narrow.get_parameter("0.weight")
    assert found.shape == kept.shape
    assert torch.equal(found, kept) or criterion == "random"


def test_taylor_is_the_squared_sum_of_gradients_times_weights(data: Data) -> None:
    """By hand: one batch, one linear layer before the last."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.ReLU(), nn.Linear(5, 4))
    context = Context(data, model)
    groups = [group for group in channel_groups(model, SHAPE) if group.name == "1.weight"]
    found = scores("taylor", model, groups, context, 64)["1.weight"]
    from laconic.datasets.batches import batches

    inputs, targets = next(iter(batches(data.train, data.preprocessing, 64, seed=0)))
    context.task.loss(model(inputs), targets).backward()
    layer = model[1]
    by_hand = ((layer.weight.grad * layer.weight).sum(1) + layer.bias.grad * layer.bias) ** 2
    np.testing.assert_allclose(found, by_hand.detach().numpy(), rtol=1e-4)


def test_a_criterion_without_anything_to_go_by_is_refused(apply: Apply) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.ReLU(), nn.Linear(5, 4))
    with pytest.raises(RecipeError, match="bn has nothing to go by"):
        apply(PruneChannels(macs=0.5, criterion="bn"), Network(model))


def test_what_cannot_be_reached_is_refused(apply: Apply, model: nn.Module) -> None:
    with pytest.raises(BudgetError, match="is wanted"):
        apply(PruneChannels(macs=0.001, criterion="l2"), Network(model))


def test_a_share_of_the_time_is_measured_on_candidates(model: nn.Module, data: Data) -> None:
    """With a clock that goes by parameters, the target is met in them."""
    asked = []

    def clock(candidate: Network, before: Network, _: np.ndarray) -> float:
        asked.append(params(candidate.module) / params(before.module))
        return asked[-1]

    context = Context(data, model, clock=clock)
    step, network = PruneChannels(latency=0.6, criterion="l2"), Network(model)
    narrow = step.apply(network, step.plan(network, context), context)
    assert params(narrow.module) / params(model) <= 0.6
    assert len(asked) <= 9


def test_in_training_channels_go_in_rounds_and_the_cut_changes_nothing(model: nn.Module, data: Data) -> None:
    step = PruneChannels(macs=0.5, criterion="l2", rounds=3, training=TRAINING)
    network, context = Network(model.train()), Context(data, model)
    plan = step.plan(network, context)
    narrow = step.apply(network, plan, context).module
    at_once = PruneChannels(macs=0.5, criterion="l2")
    sizes = {group.name: group.size for group in channel_groups(narrow, SHAPE)}
    assert sizes == {row["group"]: row["kept"] for row in plan.rows if not row["why"]}
    assert [(row["group"], row["why"]) for row in plan.rows if row["why"]] == [("fc.weight", "it is the model's output")]
    assert macs(narrow) == macs(at_once.apply(network, plan, context).module)


def test_sparsity_draws_scales_to_zero(model: nn.Module, data: Data) -> None:
    def scales(sparsity: float) -> float:
        step = PruneChannels(ratio=0.2, criterion="bn", training=TRAINING, sparsity=sparsity)
        network, context = Network(model), Context(data, model)
        narrow = step.apply(network, step.plan(network, context), context).module
        return float(narrow.get_parameter("norm.weight").detach().abs().mean())

    assert scales(3.0) < 0.8 * scales(0.0)


def test_zeros_of_pruned_weights_stay(apply: Apply, model: nn.Module) -> None:
    from laconic.methods.prune import Prune

    pruned = apply(Prune(sparsity=0.5), Network(model))
    narrow = apply(PruneChannels(macs=0.6, criterion="l2"), pruned)
    assert {name: form.kind for name, form in narrow.forms.items()} == dict.fromkeys(pruned.forms, "masked")
    assert all(tuple(narrow.module.get_parameter(name).shape) == form.shape for name, form in narrow.forms.items())


RECIPE = "seed: 0\nsteps:\n- prune-channels: {macs: 0.6, criterion: taylor}\n- fold\n- finetune: {epochs: 1, lr: 0.01}\n- share: {bits: 5}"


def test_the_whole_way_to_the_file_and_back(model: nn.Module, data: Data, tmp_path: Path) -> None:
    result = compress(model, data, parse(RECIPE))
    result.save(tmp_path / "f.lac")
    inputs = data.preprocessing.apply(data.test.inputs[:8])
    out = load(tmp_path / "f.lac")(inputs)
    with torch.no_grad():
        there = result.model.eval()(torch.from_numpy(inputs)).numpy()
        back = load_into(model, tmp_path / "f.lac").eval()(torch.from_numpy(inputs)).numpy()
    np.testing.assert_allclose(out, there, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(back, there, rtol=1e-3, atol=1e-4)
    assert result.record.after.macs < 0.7 * result.record.before.macs


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({}, "say one of"),
        ({"macs": 0.5, "ratio": 0.5}, "say one of"),
        ({"macs": 0.0}, "macs cannot be 0.0"),
        ({"ratio": 1.0}, "ratio cannot be 1.0"),
        ({"macs": 0.5, "criterion": "l3"}, "criterion cannot be 'l3'"),
        ({"macs": 0.5, "multiple": 0}, "multiple cannot be 0"),
        ({"macs": 0.5, "rounds": 3}, "need training"),
        ({"macs": 0.5, "sparsity": 0.1}, "need training"),
    ],
)
def test_what_makes_no_sense_is_refused(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(RecipeError, match=complaint):
        PruneChannels(**fields)


class Cut:
    """Keeps one state and is killed after it."""

    def __init__(self, step: int) -> None:
        self._step, self.kept = step, None

    def recall(self) -> Any:
        return self.kept

    def keep(self, state: Callable[[], Any]) -> None:
        found = dict(state())
        if self.kept is None and found["step"] >= self._step:
            self.kept = found
            raise KeyboardInterrupt


def test_a_training_that_was_cut_off_ends_as_if_it_had_not_been(model: nn.Module, data: Data, digest: Any) -> None:
    step = PruneChannels(macs=0.5, criterion="l2", rounds=4, training=TRAINING)
    network = Network(model)
    plan = step.plan(network, Context(data, model))
    whole = step.apply(network, plan, Context(data, model))
    cut_off = Context(data, model, memory=Cut(3))
    with pytest.raises(KeyboardInterrupt):
        step.apply(network, plan, cut_off)
    assert digest(step.apply(network, plan, cut_off).module) == digest(whole.module)
