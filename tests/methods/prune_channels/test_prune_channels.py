"""Channels go by a criterion and a target; what is left runs, trains, is saved and goes on after a kill."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from laconic import compress, load, load_into
from laconic.base.errors import BudgetError, RecipeError
from laconic.datasets.batches import batches
from laconic.datasets.data import Data
from laconic.graph.channels import channel_groups
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.methods.prune_channels import PruneChannels
from laconic.methods.prune_channels.budget import globally
from laconic.methods.prune_channels.criteria import CRITERIA, scores
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
@pytest.mark.parametrize("target", ["macs", pytest.param("latency", marks=pytest.mark.slow)])
def test_widths_are_what_the_machine_likes(data: Data, wide: nn.Module, target: str, share: float, whole: bool) -> None:
    step, network = PruneChannels(**{target: 0.45}, multiple="measured", criterion="l1"), Network(wide)  # type: ignore[arg-type]
    context = Context(data, wide, clock=Picky(share, by_macs=target == "latency"))
    narrow = step.apply(network, step.plan(network, context), context).module
    assert all(group.size % 8 == 0 for group in channel_groups(narrow, SHAPE)) == whole
    assert macs(narrow) < macs(wide)


def stacked(widths: int, layers: int) -> nn.Sequential:
    """Convolutions with fresh normalisations: all scales are one."""
    torch.manual_seed(0)
    inputs = [1, *[widths] * (layers - 1)]
    blocks = [layer for count in inputs for layer in (nn.Conv2d(count, widths, 3, padding=1), nn.BatchNorm2d(widths), nn.ReLU())]
    return nn.Sequential(*blocks, nn.Flatten(), nn.Linear(widths * 64, 4)).eval()


def widths_of(module: nn.Module) -> list[int]:
    return [group.size for group in channel_groups(module, SHAPE)]


@pytest.mark.parametrize("ratio", [0.125, 0.25])
@pytest.mark.parametrize("criterion", CRITERIA)
def test_every_criterion_keeps_what_matters(apply: Apply, criterion: Any, ratio: float) -> None:
    """Channels of zeros are the first to go, by any criterion but chance; with fpgm, those amid all others. One of the two, or both."""
    model, dead, alive = stacked(8, 1), [2, 5], [0, 1, 3, 4, 6, 7]
    with torch.no_grad():
        for value in (model[0].weight, model[0].bias, model[1].weight, model[1].bias):
            value[dead] = value[alive].mean(0) if criterion == "fpgm" else 0
    found = apply(PruneChannels(ratio=ratio, criterion=criterion), Network(model)).module.get_parameter("0.weight")
    assert len(found) == 8 - round(8 * ratio)
    assert criterion == "random" or all(any(torch.equal(kept, row) for kept in found) for row in model[0].weight[alive])


@pytest.mark.parametrize("criterion", ["bn", "taylor", "activation"])
def test_of_many_dead_channels_only_as_many_go_as_are_asked_for(apply: Apply, criterion: Any) -> None:
    model = stacked(16, 2)
    with torch.no_grad():
        for norm in (model[1], model[4]):
            norm.weight[:8] = norm.bias[:8] = 0
    narrow = apply(PruneChannels(ratio=0.25, criterion=criterion), Network(model)).module
    assert widths_of(narrow) == [12, 12]
    assert all(bool((narrow.get_submodule(name).weight == 1).sum() == 8) for name in ("1", "4"))


def test_scales_that_are_all_alike_go_from_every_group_to_the_target(apply: Apply) -> None:
    model = stacked(16, 2)
    narrow = apply(PruneChannels(macs=0.5, criterion="bn"), Network(model)).module
    first, second = widths_of(narrow)
    assert abs(first - second) <= 1
    assert 0.4 < macs(narrow) / macs(model) <= 0.5


def test_scales_of_all_layers_are_compared_as_they_are(apply: Apply) -> None:
    """One threshold for the network: the layer whose scales are all less than those of the other loses the channels."""
    model = stacked(8, 2)
    with torch.no_grad():
        model[1].weight.uniform_(0.1, 0.2)
        model[4].weight.uniform_(0.5, 1.0)
    assert widths_of(apply(PruneChannels(ratio=0.25, criterion="bn"), Network(model)).module) == [4, 8]


@given(
    st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=20), min_size=1, max_size=5),
    st.floats(0, 1),
    st.sampled_from([1, 2, 4]),
)
def test_what_goes_are_the_least_and_just_as_many(groups: list[list[int]], share: float, multiple: int) -> None:
    """Whatever the ties. A group that is down to its tenth may have kept what should have gone."""
    scores = {str(name): np.sort(own) for name, own in enumerate(groups)}
    keep, whole = globally(scores, share, 1), globally(scores, share, multiple)
    asked, gone = round(share * sum(map(len, groups))), [own[: len(own) - keep[name]] for name, own in scores.items()]
    assert sum(map(len, gone)) <= asked
    if all(keep[name] > max(math.ceil(0.1 * len(own)), 1) for name, own in scores.items()):
        assert sum(map(len, gone)) == asked
        assert np.concatenate(gone).max(initial=0) <= min(own[-keep[name]] for name, own in scores.items())
    for name, own in scores.items():
        assert max(keep[name], 0.1 * len(own), 1) <= whole[name] <= len(own)
        assert whole[name] % multiple == 0 or whole[name] == len(own)


def test_ties_are_shared_out_by_the_size_of_the_groups() -> None:
    assert globally({"a": np.ones(40), "b": np.ones(20)}, 0.5, 1) == {"a": 20, "b": 10}
    assert globally({"a": np.zeros(10), "b": np.r_[np.zeros(5), np.ones(5)]}, 0.5, 1) == {"a": 5, "b": 5}


def test_taylor_is_the_squared_sum_of_gradients_times_weights(data: Data) -> None:
    """By hand: one batch, one linear layer before the last."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.ReLU(), nn.Linear(5, 4))
    context = Context(data, model)
    groups = [group for group in channel_groups(model, SHAPE) if group.name == "1.weight"]
    found = scores("taylor", model, groups, context, 64)["1.weight"]
    inputs, targets = next(iter(batches(data.train, data.preprocessing, 64, seed=0)))
    context.task.loss(model(inputs), targets).backward()
    layer = model[1]
    by_hand = ((layer.weight.grad * layer.weight).sum(1) + layer.bias.grad * layer.bias) ** 2
    np.testing.assert_allclose(found, by_hand.detach().numpy(), rtol=1e-4)


def test_a_criterion_without_anything_to_go_by_is_refused(apply: Apply) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.ReLU(), nn.Linear(5, 4))
    with pytest.raises(RecipeError, match="bn has nothing to go by"):
        apply(PruneChannels(macs=0.5, criterion="bn"), Network(model))


class Upwards(nn.Module):
    """A convolution with its normalisation, and one without."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.norm = nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.up, self.fc = nn.ConvTranspose2d(8, 6, 2, 2), nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.relu(self.up(torch.relu(self.norm(self.down(x))))).mean((2, 3)))


@pytest.mark.parametrize("training", [None, TRAINING])
def test_a_group_that_the_criterion_cannot_judge_stays_and_the_plan_says_why(data: Data, training: Training | None) -> None:
    torch.manual_seed(0)
    step, network = PruneChannels(ratio=0.5, criterion="bn", training=training), Network(Upwards().eval())
    context = Context(data, network.module)
    plan = step.plan(network, context)
    assert {row["group"]: (row["kept"], row["of"], row["why"]) for row in plan.rows} == {
        "down.weight": (4, 8, ""),
        "up.bias": (6, 6, "no normalisation scales its channels"),
        "fc.weight": (4, 4, "it is the model's output"),
    }
    assert widths_of(step.apply(network, plan, context).module) == [4, 6]


class Attentive(nn.Module):
    """Rows of an image as words, through torch's own encoder layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.fc = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.layer(x[:, 0]).mean(1))


def test_activations_are_seen_in_torchs_own_attention(apply: Apply, data: Data) -> None:
    """By hand: what the inner projection gives to each head, and the first linear layer to each unit."""
    torch.manual_seed(0)
    model = Attentive().eval()
    context, attention = Context(data, model), model.layer.self_attn
    groups = channel_groups(model, SHAPE)
    found = scores("activation", model, groups, context, 64)
    inputs, _ = next(iter(batches(data.train, data.preprocessing, 64, seed=0)))
    with torch.no_grad():
        words = inputs[:, 0]
        inner = nn.functional.linear(words, attention.in_proj_weight, attention.in_proj_bias).abs().mean((0, 1))
        units = model.layer.linear1(model.layer.norm1(words + attention(words, words, words)[0])).abs().mean((0, 1))
    heads = inner.reshape(3, 2, 4).sum((0, 2))
    np.testing.assert_allclose(found["layer.self_attn.in_proj_weight"], heads / heads.mean(), rtol=1e-4)
    np.testing.assert_allclose(found["layer.linear1.weight"], units / units.mean(), rtol=1e-4)
    narrow = apply(PruneChannels(ratio=0.5, criterion="activation", scope="layer"), Network(model)).module
    assert widths_of(narrow) == [1, 8]


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
        step = PruneChannels(ratio=0.0, criterion="bn", training=TRAINING, sparsity=sparsity)
        network, context = Network(model), Context(data, model)
        drawn = step.apply(network, step.plan(network, context), context).module
        return float(drawn.get_parameter("norm.weight").detach().abs().mean())

    assert scales(3.0) < 0.8 * scales(1e-6)


def removed(network: Network) -> dict[str, int]:
    """Group → its channels that are gone, as bits."""
    return {name: bits for edit in network.edits for name, bits in edit.removed}  # type: ignore[union-attr]


def test_what_goes_is_decided_by_the_scales_that_sparsity_has_drawn(apply: Apply, data: Data, digest: Any) -> None:
    """As the paper has it: train, then one threshold for all scales. The channels that the scales at the start would name are others."""
    model, at_once = stacked(8, 2), PruneChannels(ratio=0.5, criterion="bn")
    with torch.no_grad():
        for norm in (model[1], model[4]):
            norm.weight.uniform_(0.9, 1.1)
    training = Training(epochs=4, lr=0.05, batch=16)
    found = apply(PruneChannels(ratio=0.5, criterion="bn", training=training, sparsity=0.1), Network(model))
    drawn = apply(PruneChannels(ratio=0.0, criterion="bn", training=training, sparsity=0.1), Network(model))
    assert digest(found.module) == digest(apply(at_once, drawn).module)
    assert removed(found) != removed(apply(at_once, Network(model)))
    assert sum(widths_of(found.module)) == 8


def test_with_sparsity_the_plan_says_that_the_widths_are_yet_to_come(model: nn.Module, data: Data) -> None:
    step, network = PruneChannels(macs=0.5, criterion="bn", training=TRAINING, sparsity=0.1), Network(model)
    context = Context(data, model)
    plan = step.plan(network, context)
    assert {row["kept"] for row in plan.rows if not row["why"]} == {"after training"}
    assert macs(step.apply(network, plan, context).module) <= 0.5 * macs(model)


def test_with_sparsity_what_cannot_be_reached_is_refused_before_anything_is_trained(model: nn.Module, data: Data) -> None:
    with pytest.raises(BudgetError, match="is wanted"):
        PruneChannels(macs=0.001, criterion="bn", training=TRAINING, sparsity=0.1).plan(Network(model), Context(data, model))


def test_sparsity_without_scales_is_refused(apply: Apply, wide: nn.Module) -> None:
    with pytest.raises(RecipeError, match="no scales to draw"):
        apply(PruneChannels(macs=0.5, criterion="l2", training=TRAINING, sparsity=0.1), Network(wide))


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
        ({"macs": 0.5, "sparsity": 0.1, "rounds": 2, "training": TRAINING}, "all go at once"),
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


@pytest.mark.parametrize(
    "step",
    [
        PruneChannels(macs=0.5, criterion="l2", rounds=4, training=TRAINING),
        PruneChannels(macs=0.5, criterion="bn", sparsity=0.1, training=TRAINING),
    ],
    ids=["rounds", "sparsity"],
)
@pytest.mark.parametrize("killed_at", [1, 3])
def test_a_training_that_was_cut_off_ends_as_if_it_had_not_been(
    model: nn.Module, data: Data, digest: Any, step: PruneChannels, killed_at: int
) -> None:
    network = Network(model)
    plan = step.plan(network, Context(data, model))
    whole = step.apply(network, plan, Context(data, model))
    cut_off = Context(data, model, memory=Cut(killed_at))
    with pytest.raises(KeyboardInterrupt):
        step.apply(network, plan, cut_off)
    assert digest(step.apply(network, plan, cut_off).module) == digest(whole.module)
