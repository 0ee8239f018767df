"""Pruning keeps its promise to the weight, and a pruned weight never comes back."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from laconic.base.errors import RecipeError
from laconic.datasets.data import Data
from laconic.forms import Codebook, Form, Masked
from laconic.graph.network import Network
from laconic.methods import context
from laconic.methods.context import Context
from laconic.methods.distill import Distill
from laconic.methods.finetune import Finetune
from laconic.methods.fold import Fold
from laconic.methods.prune import Prune
from laconic.methods.share import Share
from laconic.nn import Held, weights
from laconic.train import Training

Apply = Callable[..., Network]
SHORT = Training(epochs=2, batch=8, lr=0.05, weight_decay=0.01)  # 16 steps


def zeros(network: Network) -> dict[str, int]:
    return {name: int((network.array(name) == 0).sum()) for name in weights(network.module)}


def sizes(network: Network) -> dict[str, int]:
    return {name: p.numel() for name, p in weights(network.module).items()}


def gone(network: Network) -> dict[str, np.ndarray]:
    return {name: network.array(name) == 0 for name in weights(network.module)}


@pytest.mark.parametrize("sparsity", [0.0, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("how", [{}, {"training": SHORT}, {"training": SHORT, "rounds": 5}], ids=["once", "then trained", "gradually"])
def test_each_layer_has_the_sparsity_that_was_asked_for(model: nn.Module, apply: Apply, sparsity: float, how: dict[str, object]) -> None:
    network = apply(Prune(sparsity=sparsity, **how), Network(model))
    assert zeros(network) == {name: round(sparsity * size) for name, size in sizes(network).items()}
    assert all(isinstance(form, Masked) for form in network.forms.values())


@pytest.mark.parametrize("rounds", [1, 4])
def test_a_table_says_it_layer_by_layer(model: nn.Module, apply: Apply, rounds: int) -> None:
    step = Prune(sparsity={"block.*": 0.75, "fc": 0.9}, rounds=rounds, training=SHORT)
    network = apply(step, Network(model))
    wanted = {"block.conv1.weight": round(0.75 * 324), "block.conv2.weight": round(0.75 * 324), "fc.weight": round(0.9 * 384)}
    assert zeros(network) == {"stem.weight": 0} | wanted
    assert network.forms.keys() == wanted.keys()


@pytest.mark.parametrize("rounds", [1, 3])
def test_a_global_sparsity_is_reached_over_all_layers_with_one_threshold(model: nn.Module, apply: Apply, rounds: int) -> None:
    before = Network(model)
    how = {} if rounds == 1 else {"rounds": rounds, "training": replace(SHORT, lr=1e-9, weight_decay=0.0)}
    network = apply(Prune(sparsity=0.8, scope="global", **how), before)
    assert sum(zeros(network).values()) == round(0.8 * sum(sizes(network).values()))
    magnitudes = np.concatenate([np.abs(before.array(name)).reshape(-1) for name in sizes(before)])
    lost = np.concatenate([mask.reshape(-1) for mask in gone(network).values()])
    assert magnitudes[lost].max() <= magnitudes[~lost].min() + 1e-6
    assert len({count / size for count, size in zip(zeros(network).values(), sizes(network).values(), strict=True)}) > 1


@pytest.mark.parametrize("quality", [0.0, 0.5, 1.5])
def test_quality_is_in_standard_deviations_of_the_layer(model: nn.Module, apply: Apply, quality: float) -> None:
    before = Network(model)
    network = apply(Prune(quality=quality), before)
    for name, mask in gone(network).items():
        weight = before.array(name).astype(np.float64)
        assert np.array_equal(mask, np.abs(weight) <= quality * weight.std())


def test_the_weights_that_stay_are_the_greatest_and_are_not_changed(model: nn.Module, apply: Apply) -> None:
    before = Network(model)
    network = apply(Prune(sparsity=0.7), before)
    for name, mask in gone(network).items():
        old, new = before.array(name), network.array(name)
        assert np.array_equal(old[~mask], new[~mask])
        assert np.abs(old[mask]).max() <= np.abs(old[~mask]).min()


@pytest.mark.parametrize("value", [0.5, -0.25, 0.0])
def test_equal_weights_are_pruned_to_the_number_asked_for(model: nn.Module, apply: Apply, value: float) -> None:
    model.fc.weight.data.fill_(value)
    network = apply(Prune(sparsity={"fc": 0.3}), Network(model))
    form = network.forms["fc.weight"]
    assert isinstance(form, Masked)
    assert int((~form.mask).sum()) == round(0.3 * 384)


def test_a_dense_weight_that_happens_to_be_zero_is_not_gone_but_goes_first(model: nn.Module, apply: Apply) -> None:
    model.fc.weight.data[:, :48] = 0  # half of them; less are to go
    form = apply(Prune(sparsity={"fc": 0.3}), Network(model)).forms["fc.weight"]
    assert isinstance(form, Masked)
    assert int((~form.mask).sum()) == round(0.3 * 384)
    assert not (~form.mask)[:, 48:].any()


def test_the_plan_is_what_happens(model: nn.Module, data: Data) -> None:
    step, network = Prune(sparsity=0.5, scope="global"), Network(model)
    context = Context(data, model)
    plan = step.plan(network, context)
    after = step.apply(network, plan, context)
    for row in plan.rows:
        weight = after.array(row["layer"])
        assert row["kept"] == np.count_nonzero(weight)
        assert row["sparsity"] == pytest.approx(1 - row["kept"] / row["of"])
        assert row["threshold"] == pytest.approx(np.abs(weight[weight != 0]).min())
        p = row["kept"] / row["of"]
        entropy = -p * np.log2(p) - (1 - p) * np.log2(1 - p)
        assert row["estimated bytes"] == round(row["of"] * entropy / 8 + 4 * row["kept"])
    smaller = replace(plan, rows=tuple({**row, "kept": 2} for row in plan.rows))
    assert all(np.count_nonzero(step.apply(network, smaller, context).array(row["layer"])) == 2 for row in plan.rows)


@given(st.floats(0, 1))
def test_the_cubic_curve_is_that_of_zhu_and_gupta(t: float) -> None:
    initial, final = 0.3, 0.9
    wanted = final + (initial - final) * (1 - t) ** 3
    ahead = Prune(sparsity=final).ahead(t)
    assert 1 - ((1 - final) + ahead * ((1 - initial) - (1 - final))) == pytest.approx(wanted)
    assert Prune(sparsity=final, curve="linear").ahead(t) == pytest.approx(1 - t)


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many weights of fc each round leaves."""
    found: list[int] = []
    tighten = Held.tighten

    def note(held: Held, name: str, mask: np.ndarray) -> None:
        found.append(int(mask.sum()))
        tighten(held, name, mask)

    monkeypatch.setattr(Held, "tighten", note)
    return found


@pytest.mark.parametrize(("curve", "power"), [("cubic", 3), ("linear", 1)])
def test_the_rounds_follow_the_curve_from_where_the_layer_is(
    model: nn.Module, apply: Apply, counts: list[int], curve: str, power: int
) -> None:
    half = apply(Prune(sparsity={"fc": 0.5}), Network(model))
    apply(Prune(sparsity={"fc": 0.9}, rounds=4, curve=curve, training=SHORT), half)
    last = 384 - round(0.9 * 384)
    assert counts == [last + round((1 - i / 4) ** power * (192 - last)) for i in range(1, 5)]


def test_the_rounds_of_a_dense_layer_begin_with_all_its_weights_zero_or_not(model: nn.Module, apply: Apply, counts: list[int]) -> None:
    model.fc.weight.data[:, :48] = 0
    apply(Prune(sparsity={"fc": 0.3}, rounds=2, curve="linear", training=SHORT), Network(model))
    last = 384 - round(0.3 * 384)
    assert counts == [last + round((384 - last) / 2), last]


def test_a_round_begins_when_its_share_of_the_training_is_over(model: nn.Module, apply: Apply, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    tighten, looped = Prune._tighten, context.loop
    monkeypatch.setattr(Prune, "_tighten", lambda *given: (events.append("prune"), tighten(*given))[1])

    def loop(*given):  # type: ignore[no-untyped-def]
        for tick in looped(*given):
            events.append("step")
            yield tick

    monkeypatch.setattr(context, "loop", loop)
    apply(Prune(sparsity=0.9, rounds=4, training=SHORT), Network(model))
    assert events == (["prune"] + ["step"] * 4) * 4


def test_more_rounds_than_steps_still_arrive(model: nn.Module, apply: Apply) -> None:
    network = apply(Prune(sparsity=0.9, rounds=50, training=Training(epochs=1, batch=32)), Network(model))
    assert zeros(network)["fc.weight"] == round(0.9 * 384)


@pytest.mark.parametrize("sparsity", [0.0, 0.3, 0.6, 0.8])
@pytest.mark.parametrize("how", [{}, {"training": SHORT, "rounds": 3}], ids=["once", "gradually"])
def test_pruning_again_never_brings_a_weight_back(model: nn.Module, apply: Apply, sparsity: float, how: dict[str, object]) -> None:
    first = apply(Prune(sparsity=0.6), Network(model))
    second = apply(Prune(sparsity=sparsity, **how), first)
    for name, mask in gone(first).items():
        assert gone(second)[name][mask].all()
        assert gone(second)[name].sum() == round(max(sparsity, 0.6) * mask.size)


LATER = {
    "finetune": Finetune(epochs=2, batch=16, lr=0.05, weight_decay=0.1),
    "adam": Finetune(epochs=2, batch=16, lr=0.01, optimizer="adam", weight_decay=0.1),
    "distill": Distill(epochs=2, batch=16, lr=0.05),
    "share": Share(bits=3),
    "share, randomly": Share(bits=2, start="random"),
    "fold": Fold(),
    "prune less": Prune(sparsity=0.1),
    "prune and train": Prune(sparsity=0.7, rounds=2, training=SHORT),
}


@pytest.mark.parametrize("step", LATER.values(), ids=LATER.keys())
def test_zeros_stay_zero_through_every_later_step(model: nn.Module, apply: Apply, step) -> None:  # type: ignore[no-untyped-def]
    pruned = apply(Prune(sparsity=0.6), Network(model))
    mask = gone(pruned)
    network = apply(step, pruned, original=model)
    network = apply(Finetune(epochs=1, batch=16, lr=0.05, weight_decay=0.1), network)
    for name, lost in mask.items():
        assert not network.array(name)[lost].any(), name
        assert not network.forms[name].array()[lost].any(), name


def codebooks(network: Network) -> dict[str, Form]:
    return {name: network.forms[name] for name in sizes(network)}


@pytest.mark.parametrize("before", [[], [Prune(sparsity=0.3)]], ids=["dense", "pruned"])
def test_a_codebook_stays_one_and_loses_its_smallest_weights(model: nn.Module, apply: Apply, before: list[Prune]) -> None:
    network = Network(model)
    for previous in [*before, Share(bits=4)]:
        network = apply(previous, network)
    after = apply(Prune(sparsity=0.7), network)
    for name, form in codebooks(after).items():
        old = codebooks(network)[name]
        assert isinstance(form, Codebook)
        assert len(form.table) == len(old.table) + (not before)
        assert np.count_nonzero(form.array() == 0) == round(0.7 * form.size)
        kept = form.array() != 0
        assert np.array_equal(form.array()[kept], old.array()[kept])
        assert np.abs(old.array()[~kept]).max() <= np.abs(old.array()[kept]).min()


def test_a_codebook_of_256_values_has_room_for_a_zero(model: nn.Module, apply: Apply) -> None:
    table = np.linspace(0.5, 1, 256, dtype=np.float32)
    form = Codebook.of(np.arange(384).reshape(4, 96) % 256, table)
    after = apply(Prune(sparsity={"fc": 0.01}), Network(model).reformed({"fc.weight": form}))
    kept = after.array("fc.weight") != 0
    assert kept.sum() == 380
    assert np.array_equal(after.array("fc.weight")[kept], form.array()[kept])


WRONG = {
    "nothing said": {},
    "both said": {"sparsity": 0.5, "quality": 1.0},
    "all of them": {"sparsity": 1.0},
    "less than none": {"sparsity": -0.1},
    "not a number": {"sparsity": float("nan")},
    "one of the table": {"sparsity": {"a": 0.5, "b": 1.5}},
    "negative quality": {"quality": -1.0},
    "endless quality": {"quality": float("inf")},
    "unknown scope": {"sparsity": 0.5, "scope": "world"},
    "unknown curve": {"sparsity": 0.5, "curve": "square"},
    "global table": {"sparsity": {"a": 0.5}, "scope": "global"},
    "global quality": {"quality": 1.0, "scope": "global"},
    "no rounds": {"sparsity": 0.5, "rounds": 0},
    "rounds without training": {"sparsity": 0.5, "rounds": 2},
    "rounds without epochs": {"sparsity": 0.5, "rounds": 2, "training": Training(epochs=0)},
}


@pytest.mark.parametrize("fields", WRONG.values(), ids=WRONG.keys())
def test_values_that_cannot_be_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(RecipeError):
        Prune(**fields)  # type: ignore[arg-type]


def test_a_whole_number_is_a_sparsity_too(model: nn.Module, apply: Apply) -> None:
    assert zeros(apply(Prune(sparsity=0, scope="global"), Network(model))) == dict.fromkeys(sizes(Network(model)), 0)


def test_a_pattern_that_names_no_layer_is_refused(model: nn.Module, apply: Apply) -> None:
    with pytest.raises(RecipeError, match="no weight is called 'conv9'"):
        apply(Prune(sparsity={"conv9": 0.5}), Network(model))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_is_pruned_to_the_weight_too(model: nn.Module, apply: Apply, dtype: torch.dtype) -> None:
    network = apply(Prune(sparsity=0.73), Network(model.to(dtype)))
    assert zeros(network) == {name: round(0.73 * size) for name, size in sizes(network).items()}


def test_two_of_every_four_stay(apply: Callable[..., Network], model: nn.Module) -> None:
    network = apply(Prune(pattern="2:4"), Network(model))
    for form in network.forms.values():
        rows = form.mask.reshape(len(form.mask), -1)
        whole = rows[:, : rows.shape[1] // 4 * 4]
        assert (whole.reshape(len(rows), -1, 4).sum(2) == 2).all()


def test_blocks_go_as_one_while_training_too(apply: Callable[..., Network], model: nn.Module) -> None:
    step = Prune(sparsity={"block*": 0.5}, pattern="2x1", rounds=3, training=Training(epochs=1, batch=32))
    for form in apply(step, Network(model)).forms.values():
        pairs = form.mask.reshape(3, 2, -1)
        assert (pairs[:, 0] == pairs[:, 1]).all()
        assert form.mask.mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    "fields",
    [
        {"pattern": "2:4", "sparsity": 0.5},
        {"pattern": "2:4", "rounds": 2, "training": Training(epochs=1)},
        {"pattern": "4x1"},
        {"pattern": "4x1", "quality": 1.0},
        {"pattern": "4x1", "sparsity": 0.5, "scope": "global"},
        {"pattern": "half"},
    ],
)
def test_patterns_that_make_no_sense_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(RecipeError):
        Prune(**fields)
