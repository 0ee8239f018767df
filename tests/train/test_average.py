"""Means of the weights along the way, against means computed beside; and Forms, which hold in them."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from laconic import Finetune, Prune, Share, Squeeze
from laconic.datasets.batches import batches
from laconic.datasets.data import Data
from laconic.forms import Form
from laconic.graph.network import Network
from laconic.train import Training, classification, from_task, loop
from laconic.train.average import Average, estimate_statistics

LOSS = from_task(classification.loss)
Walk = list[dict[str, Tensor]]


def walk(model: nn.Module, data: Data, training: Training) -> Walk:
    """What the model was after each step; it is trained in place."""
    ticks = loop(model, data.train, data.preprocessing, LOSS, training, 0)
    return [{name: value.clone() for name, value in model.state_dict().items()} for _ in ticks]


def test_a_moving_average_is_that_of_the_paper(model: nn.Module, data: Data) -> None:
    steps = walk(model, data, Training(epochs=3, batch=16, average="ema", decay=0.8))
    wanted = steps[0]["fc.weight"]
    for t, now in enumerate(steps):
        alpha = min(0.8, t / (t + 1))
        wanted = alpha * wanted + (1 - alpha) * now["fc.weight"]
    assert torch.allclose(model.fc.weight, wanted, rtol=1e-5, atol=1e-7)
    assert not torch.allclose(model.fc.weight, steps[-1]["fc.weight"], rtol=1e-3)


def test_until_it_has_seen_enough_it_is_the_plain_mean(model: nn.Module, data: Data) -> None:
    steps = walk(model, data, Training(epochs=2, batch=16, average="ema"))
    assert torch.allclose(model.fc.weight, torch.stack([s["fc.weight"] for s in steps]).mean(0), rtol=1e-5, atol=1e-7)
    assert torch.allclose(model.norm.running_var, torch.stack([s["norm.running_var"] for s in steps]).mean(0), rtol=1e-5)


@pytest.mark.parametrize("decay", [0.999, 1.0])
def test_a_mean_goes_on_from_where_it_was_kept(model: nn.Module, decay: float) -> None:
    def moved(average: Average, steps: range) -> Average:
        for step in steps:
            torch.manual_seed(step)
            nn.init.normal_(model.fc.weight)
            average.follow(step)
        return average

    whole = moved(Average(model, decay, 0), range(6)).state()
    kept = copy.deepcopy(moved(Average(model, decay, 0), range(4)).state())
    again = Average(model, decay, 0)
    again.restore(kept)
    for one, other in zip(moved(again, range(4, 6)).state()["mean"], whole["mean"], strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(("epochs", "counted"), [(5, 5), (1, 1)])
def test_swa_is_the_mean_of_the_last_quarter(model: nn.Module, data: Data, epochs: int, counted: int) -> None:
    steps = walk(model, data, Training(epochs=epochs, batch=16, average="swa", lr=0.05))
    assert torch.allclose(model.fc.weight, torch.stack([s["fc.weight"] for s in steps[-counted:]]).mean(0), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("schedule", ["cosine", "constant", "step"])
def test_its_rate_stays_where_it_was_when_the_last_quarter_begins(schedule: str) -> None:
    averaged, plain = (Training(lr=0.4, schedule=schedule, average=a) for a in ("swa", None))  # type: ignore[arg-type]
    rates = [averaged.rate(step, 100) for step in range(100)]
    assert rates[:75] == [plain.rate(step, 100) for step in range(75)]
    assert set(rates[74:]) == {plain.rate(74, 100)}


def test_statistics_of_normalisations_are_those_of_the_mean(model: nn.Module, data: Data) -> None:
    walk(model, data, Training(epochs=2, batch=64, average="swa", lr=0.05))
    inputs, _ = next(batches(data.train, data.preprocessing, 64))
    with torch.no_grad():
        stem = model.stem(inputs)
    assert torch.allclose(model.norm.running_mean, stem.mean((0, 2, 3)), rtol=1e-4, atol=1e-5)
    assert torch.allclose(model.norm.running_var, stem.var((0, 2, 3)), rtol=1e-4, atol=1e-5)
    assert model.norm.momentum == 0.1
    assert not any(module.training for module in model.modules())


def test_estimating_statistics_changes_nothing_else(model: nn.Module, data: Data) -> None:
    before = copy.deepcopy(model)
    noisy = nn.Sequential(nn.Dropout(0.9), model)
    inputs = [inputs for inputs, _ in batches(data.train, data.preprocessing, 64)]
    estimate_statistics(noisy, inputs)
    assert all(torch.equal(a, b) for a, b in zip(before.parameters(), model.parameters(), strict=True))
    with torch.no_grad():
        assert torch.allclose(model.norm.running_mean, model.stem(inputs[0]).mean((0, 2, 3)), atol=1e-5)  # no dropout on the way


@pytest.mark.parametrize("average", ["ema", "swa"])
def test_the_steps_themselves_are_those_of_a_training_without(model: nn.Module, data: Data, average: Any) -> None:
    twin = copy.deepcopy(model)
    with_mean = walk(model, data, Training(epochs=2, batch=16, average=average, schedule="constant"))
    without = walk(twin, data, Training(epochs=2, batch=16, schedule="constant"))
    assert all(torch.equal(a["fc.weight"], b["fc.weight"]) for a, b in zip(with_mean, without, strict=True))


def test_small_steps_of_a_narrow_model_are_not_lost_in_the_mean() -> None:
    model = nn.Linear(1, 1, bias=False).bfloat16()
    with torch.no_grad():
        model.weight.fill_(1.0)
        average = Average(model, 0.999, 0)
        for step in range(2000):
            average.follow(step)
            model.weight.fill_(2.0)
        average.give()
    assert model.weight.item() == pytest.approx(2.0, abs=0.3)  # in bfloat16 it would stay at 1


MAKERS = {"masked": [Prune(sparsity=0.6)], "codebook": [Share(bits=3)], "grid": [Squeeze(epochs=0, bits=8.0)]}


def _sharers(form: Form) -> np.ndarray:
    """For each weight the first that shares its entry: entries may change their order, sharers may not."""
    assert form.integers is not None
    _, first, entry = np.unique(form.integers, return_index=True, return_inverse=True)
    return first[entry]


@pytest.mark.parametrize("average", ["ema", "swa"])
@pytest.mark.parametrize("kind", MAKERS)
def test_masks_codebooks_and_grids_hold_in_the_mean(
    model: nn.Module, data: Data, kind: str, average: Any, apply: Callable[..., Network]
) -> None:
    before = Network(model)
    for step in MAKERS[kind]:
        before = apply(step, before)
    after = apply(Finetune(epochs=2, batch=16, lr=0.01, average=average), before)
    plain = apply(Finetune(epochs=2, batch=16, lr=0.01, schedule="constant"), before)
    for name, form in before.forms.items():
        found = after.forms[name]
        assert found.kind == form.kind
        assert np.array_equal(_sharers(found), _sharers(form))
        assert after.array(name).tobytes() == found.array().tobytes()
        assert not (after.array(name)[before.array(name) == 0]).any()
    assert any(not np.array_equal(after.forms[name].table, before.forms[name].table) for name in before.forms)
    assert any(not np.array_equal(after.forms[name].table, plain.forms[name].table) for name in before.forms)


def test_masks_that_tighten_while_the_mean_is_taken_hold_at_the_end(model: nn.Module, data: Data) -> None:
    for average in ("ema", "swa"):
        training = Training(epochs=4, batch=16, average=average)  # type: ignore[arg-type]
        pruned = Prune(sparsity=0.75, rounds=4, training=training)(model, data)
        weight = pruned.array("fc.weight")
        assert np.count_nonzero(weight) == weight.size // 4
