"""Convolutions become blocks where that is smaller; what comes out is a network like any other."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import nn

from laconic import compress, load, load_into
from laconic.base.errors import ModelError, RecipeError
from laconic.datasets.data import Data
from laconic.graph.network import Network
from laconic.graph.persist import preserve, revive
from laconic.methods.context import Context
from laconic.methods.finetune import Finetune
from laconic.methods.fold import Fold
from laconic.methods.plan import Plan
from laconic.methods.replace import Replace
from laconic.methods.replace.replace import Block
from laconic.nn.compact import linear
from laconic.profile import count
from laconic.recipe import measure, parse
from laconic.train.soft_targets import soft_targets

SHAPE = (1, 8, 8)
KINDS = get_args(Block)
Digest = Callable[[nn.Module], str]


def put(kind: Any, **fields: Any) -> Replace:
    """Into their places, and no more."""
    groups = {"groups": 2} if kind == "grouped" else {}
    return Replace(**{"epochs": 0, "block": kind, "samples": 32, "iterations": 0} | groups | fields)


def carried(step: Replace, model: nn.Module | Network, data: Data, **about: Any) -> tuple[Network, Plan]:
    network = model if isinstance(model, Network) else Network(model)
    context = Context(data, network.module, **about)
    plan = step.plan(network, context)
    return step.apply(network, plan, context), plan


def outputs(model: nn.Module, data: Data) -> torch.Tensor:
    with torch.no_grad():
        return copy.deepcopy(model).eval()(torch.from_numpy(data.preprocessing.apply(data.test.inputs)))


@pytest.mark.parametrize("kind", KINDS)
def test_the_plan_says_what_the_profiler_finds(kind: str, model: nn.Module, data: Data) -> None:
    small, plan = carried(put(kind), model, data)
    before, after = count(model, SHAPE), count(small.module, SHAPE)
    rows = [row for row in plan.rows if row["size"]]
    assert [row["layer"] for row in rows] == ["block.conv1", "block.conv2"]
    for column, was, now in (("parameters", before.params, after.params), ("MACs", before.macs, after.macs)):
        pairs = [tuple(map(int, row[column].split(" → "))) for row in rows]
        assert all(new < old for old, new in pairs)
        assert sum(old - new for old, new in pairs) == was - now
    assert all(0 < row["error of the start"] < 5 for row in rows)
    assert [edit.kind for edit in small.edits] == [kind, kind]


def test_convolutions_of_rank_1_are_replaced_exactly(model: nn.Module, data: Data) -> None:
    with torch.no_grad():
        for conv in (model.block.conv1, model.block.conv2):
            conv.weight.copy_(torch.einsum("tc,chw->tchw", torch.randn(6, 6), torch.randn(6, 3, 3)))
    small, plan = carried(put("depthwise"), model, data)
    assert torch.allclose(outputs(small.module, data), outputs(model, data), rtol=1e-3, atol=1e-3)
    assert all(row["error of the start"] < 1e-8 for row in plan.rows)


@pytest.mark.parametrize(
    ("step", "reasons"),
    [
        (put("depthwise"), {"stem": "it reads 1 channels only"}),
        (put("grouped", groups=4), {"stem": "1 → 6 channels make no 4 groups", "block.conv1": "6 → 6 channels make no 4 groups"}),
        (put("inverted", expansion=3), {"block.conv2": "a block has 420 weights and 6048 MACs"}),
    ],
)
def test_what_stays_says_why(step: Replace, reasons: Mapping[str, str], model: nn.Module, data: Data) -> None:
    small, plan = carried(step, model, data)
    found = {row["layer"]: row["block"] for row in plan.rows if not row["size"]}
    for name, reason in reasons.items():
        assert found[name] == f"stays: {reason}"
        assert isinstance(small.module.get_submodule(name), nn.Conv2d)


class Odd(nn.Module):
    """Two convolutions share a weight, one is called by keyword, and of one only the weight is used."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.named, self.bare, self.one, self.other = nn.Conv2d(1, 8, 3), *(nn.Conv2d(8, 8, 3, padding=1) for _ in range(4))
        self.other.weight = self.one.weight
        self.fc = nn.Linear(288, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.named(input=self.stem(x)))
        x = torch.relu(nn.functional.conv2d(x, self.bare.weight, self.bare.bias, padding=1))
        return self.fc(self.other(torch.relu(self.one(x))).flatten(1))


def test_shared_weights_and_what_is_no_call_of_a_layer_stay(data: Data) -> None:
    torch.manual_seed(0)
    net = Odd()
    small, plan = carried(put("depthwise"), net, data)
    shared = "stays: it shares its weights with another layer"
    assert {row["layer"]: row["block"] for row in plan.rows} == {
        "stem": "stays: it reads 1 channels only",
        "named": "depthwise",
        "bare": "stays: the forward pass does not call it as a layer",
        "one": shared,
        "other": shared,
    }
    assert [edit.layer for edit in small.edits] == ["named"]
    assert outputs(small.module, data).shape == (32, 4)


def test_a_table_says_which_layers_become_what(model: nn.Module, data: Data) -> None:
    small, plan = carried(put({"block.conv2": "fire", "block.*": "depthwise"}), model, data)
    assert [(row["layer"], row["block"]) for row in plan.rows] == [("block.conv1", "depthwise"), ("block.conv2", "fire")]
    assert [(edit.layer, edit.kind) for edit in small.edits] == [("block.conv1", "depthwise"), ("block.conv2", "fire")]


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_goes_on_from_it_whatever_was_folded_before(kind: str, model: nn.Module, data: Data) -> None:
    folded = Fold()(model, data)
    small, plan = carried(put(kind), folded, data)
    back = revive(preserve(small), model)
    assert list(back.module.state_dict()) == list(small.module.state_dict())
    assert torch.equal(outputs(back.module, data), outputs(small.module, data))
    if kind == "fire":
        assert "folded into it" in plan.rows[1]["block"]


INTEGERS = "fold, int8: {samples: 32}"
NARROWED = "prune-channels: {ratio: 0.3, criterion: l2}, fold, quantize: {bits: 8.0, samples: 32}"
QUICK = {("fire", INTEGERS)}
EVERY = [
    pytest.param(kind, later, marks=[] if (kind, later) in QUICK else pytest.mark.slow, id=f"{kind}, {word}")
    for kind in KINDS
    for word, later in (("integers", INTEGERS), ("narrowed", NARROWED))
]


@pytest.mark.parametrize(("kind", "later"), EVERY)
def test_the_whole_way_to_the_file_and_back(
    kind: str, later: str, model: nn.Module, data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "REPEATS", 2)
    first = str(put(kind, iterations=3, epochs=1, batch=32))
    result = compress(model, data, parse(f"steps: [{first}, {later}]"))
    result.save(tmp_path / "f.lac")
    inputs = data.preprocessing.apply(data.test.inputs[:8])
    there = outputs(result.model, data)[:8].numpy()
    np.testing.assert_allclose(load(tmp_path / "f.lac")(inputs), there, rtol=1e-3, atol=0.1 if "int8" in later else 1e-3)
    if not linear(kind):
        with pytest.raises(ModelError, match=f"became a block {kind}, and no convolution"):
            load_into(model, tmp_path / "f.lac")
    elif "int8" not in later:
        back = outputs(load_into(model, tmp_path / "f.lac"), data)[:8].numpy()
        np.testing.assert_allclose(back, there, rtol=1e-3, atol=1e-3)


def test_weights_that_are_there_are_a_better_start_than_none(model: nn.Module, data: Data) -> None:
    for kind in KINDS:
        plans = [put(kind, start=start).plan(Network(model), Context(data, model)).rows[1:] for start in ("trained", "scratch")]
        errors = [[row["error of the start"] for row in plan] for plan in plans]
        assert max(errors[0]) < min(errors[1]), kind


@pytest.mark.parametrize("start", ["trained", "scratch"])
def test_the_same_seed_gives_the_same_bits_and_another_does_not(start: str, model: nn.Module, data: Data, digest: Digest) -> None:
    step = put("inverted", start=start, iterations=2)
    one, same, other = (digest(carried(step, model, data, seed=seed)[0].module) for seed in (3, 3, 4))
    assert one == same != other


def test_either_recovery_brings_it_nearer_to_the_original(model: nn.Module, data: Data) -> None:
    trained = Finetune(epochs=4, lr=0.05, batch=16)(model, data).module
    taught = outputs(trained, data)
    stages = (put("bottleneck"), put("bottleneck", iterations=60), put("bottleneck", epochs=4, lr=0.02, batch=16))
    apart = [float(soft_targets(outputs(carried(step, trained, data)[0].module, data), taught, 1.0)) for step in stages]
    assert max(apart[1:]) < 0.5 * apart[0]


class Cut:
    """Keeps the last state of a training."""

    def __init__(self) -> None:
        self.kept: Mapping[str, Any] | None = None

    def recall(self) -> Mapping[str, Any] | None:
        return self.kept

    def keep(self, state: Callable[[], Mapping[str, Any]]) -> None:
        self.kept = state()


def test_a_training_that_was_cut_off_ends_as_if_it_had_not_been(model: nn.Module, data: Data, digest: Digest) -> None:
    step, memory = put("fire", iterations=2, epochs=3, batch=32), Cut()
    whole, plan = carried(step, model, data)

    def watch(what: str, share: float, detail: str) -> None:
        if memory.kept is not None and share > 0.5:
            raise KeyboardInterrupt

    context = Context(data, model, progress=watch, memory=memory)
    with pytest.raises(KeyboardInterrupt):
        step.apply(Network(model), plan, context)
    assert memory.kept is not None
    assert 0 < memory.kept["step"] < 12
    resumed = step.apply(Network(model), plan, replace(context, progress=lambda *_: None))
    assert digest(resumed.module) == digest(whole.module)


def test_other_layers_keep_their_forms_while_the_whole_trains(model: nn.Module, data: Data) -> None:
    from laconic.methods.prune import Prune

    pruned = Prune(sparsity={"fc": 0.5})(model, data)
    small, _ = carried(put({"block.*": "depthwise"}, epochs=1, batch=32), pruned, data)
    assert (small.array("fc.weight") == 0).sum() == (pruned.array("fc.weight") == 0).sum() > 100


def test_the_user_s_model_and_torch_s_own_draws_stay_as_they_are(model: nn.Module, data: Data, digest: Digest) -> None:
    model.train()
    before, state = digest(model), torch.random.get_rng_state()
    step, context = put("fire", iterations=2), Context(data, model)
    step.plan(Network(model), context)
    assert torch.equal(torch.random.get_rng_state(), state)
    carried(step, model, data)
    assert digest(model) == before
    assert model.training


def test_a_pattern_that_names_no_convolution_is_refused_in_a_moment(model: nn.Module, data: Data) -> None:
    with pytest.raises(RecipeError, match="no weight is called 'fc'"):
        put({"fc": "fire"}).check(Network(model), Context(data, model))


@pytest.mark.parametrize(
    "fields",
    [{"block": "shift"}, {"block": {}}, {"block": {"a": "shift"}}, {"start": "end"}, {"block": "grouped", "groups": 1},
     {"block": "fire", "squeeze": 0.0}, {"block": "fire", "squeeze": 1.5}, {"block": "inverted", "expansion": 1},
     {"block": "bottleneck", "reduction": 0.5}, {"block": "bottleneck", "reduction": float("inf")}, {"samples": 0}, {"iterations": -1},
     {"epochs": -1}, {"block": "fire", "groups": 2}, {"block": {"a": "fire"}, "reduction": 4.0}],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(RecipeError):
        Replace(**fields)
