"""Training for size: the target is met, what was zero stays zero, and a run that was cut off ends as if it had not been."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from laconic.artifact import Artifact, pack
from laconic.base.errors import BudgetError, RecipeError
from laconic.datasets.data import Data
from laconic.forms import Grid
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.methods.finetune import Finetune
from laconic.methods.fold import Fold
from laconic.methods.prune import Prune
from laconic.methods.squeeze import Squeeze
from laconic.recipe import Recipe
from laconic.recipe.check import check
from laconic.recipe.run import run, weights_only_bytes
from laconic.train import as_runner, classification, evaluate
from laconic.train.loop import Tick

SHORT = Squeeze(epochs=6, batch=16, lr=0.01, bytes=500)


@pytest.fixture(scope="module")
def trained(residual: nn.Module, data: Data) -> Network:
    """A network that has learnt the task, folded."""
    return Fold()(Finetune(epochs=10, batch=16, lr=0.01, optimizer="adam")(residual, data), data)


def squeezed(step: Squeeze, network: Network, data: Data, seed: int = 0) -> Network:
    context = Context(data, network.module, seed=seed, price=weights_only_bytes)
    return step.apply(network, step.plan(network, context), context)


def accuracy(network: Network, data: Data) -> float:
    return evaluate(as_runner(network.module), data.validation, data.preprocessing, classification, "here").value


def test_a_network_trained_into_few_bytes_still_does_its_task(trained: Network, data: Data) -> None:
    step = Squeeze(epochs=25, batch=16, lr=0.01, bytes=300)
    pressed = squeezed(step, trained, data)
    at_once = squeezed(replace(step, epochs=0), trained, data)
    assert weights_only_bytes(pressed) <= 300
    assert weights_only_bytes(trained) > 10 * 300
    assert accuracy(trained, data) == 100.0
    assert accuracy(pressed, data) >= 90.0
    assert accuracy(pressed, data) > accuracy(at_once, data)


@pytest.mark.parametrize(
    "step", [SHORT, replace(SHORT, bytes=900), replace(SHORT, bytes=None, bits=3.0), replace(SHORT, epochs=0)], ids=str
)
def test_the_file_has_at_most_the_bytes_that_were_asked_for(step: Squeeze, trained: Network, data: Data) -> None:
    network = squeezed(step, trained, data)
    assert len(pack(Artifact(network.tensors()), weights_only=True)) <= step._target(trained)


def test_the_dead_zone_is_no_wider_than_it_must_be(trained: Network, data: Data) -> None:
    far = trained.reformed({"fc.bias": Grid((4,), np.array([100_000, 1, 0, -1]), np.float32([0.01]))})
    network = squeezed(replace(SHORT, epochs=0, bytes=330), far, data)
    assert 310 < weights_only_bytes(network) <= 330


def test_every_parameter_is_on_a_grid_and_the_module_holds_its_values(trained: Network, data: Data) -> None:
    network = squeezed(SHORT, trained, data)
    assert set(network.forms) == {name for name, _ in trained.module.named_parameters()}
    for name, form in network.forms.items():
        assert isinstance(form, Grid)
        assert form.array().tobytes() == network.array(name).tobytes()


def test_what_was_pruned_stays_zero(trained: Network, data: Data) -> None:
    pruned = Prune(sparsity=0.5)(trained, data)
    network = squeezed(SHORT, pruned, data)
    for name, form in pruned.forms.items():
        assert not network.array(name)[form.array() == 0].any()
    assert np.count_nonzero(network.array("fc.weight"))


def test_a_grid_is_gone_on_from(trained: Network, data: Data) -> None:
    first = squeezed(SHORT, trained, data)
    plan = SHORT.plan(first, Context(data, trained.module, price=weights_only_bytes))
    assert {row["layer"]: row["first step"] for row in plan.rows} == {name: float(form.table[0]) for name, form in first.forms.items()}


def test_what_asks_for_no_gradient_is_left_alone(trained: Network, data: Data) -> None:
    frozen = trained.reformed({})
    frozen.module.stem.weight.requires_grad_(False)
    network = squeezed(replace(SHORT, bytes=900), frozen, data)
    assert "stem.weight" not in network.forms
    assert network.array("stem.weight").tobytes() == trained.array("stem.weight").tobytes()


def test_tied_weights_are_one(data: Data) -> None:
    torch.manual_seed(0)
    first = nn.Linear(64, 64)
    model = nn.Sequential(nn.Flatten(), first, nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4))
    model[3].weight = first.weight
    network = squeezed(replace(SHORT, bytes=3000), Network(model), data)
    assert network.module[3].weight is network.module[1].weight


def test_zeros_alone_that_weigh_more_than_the_target_are_refused_before_training(model: nn.Module, data: Data) -> None:
    with pytest.raises(BudgetError, match="with every weight at zero the file has") as caught:
        squeezed(replace(SHORT, epochs=10**6, bytes=20), Network(model), data)
    assert "fold" in caught.value.hint


class Cut:
    """A memory that keeps what it is given, and a training that is cut off after so many steps."""

    def __init__(self, after: int) -> None:
        self.after, self.kept = after, dict[str, Any]()

    def recall(self) -> Mapping[str, Any] | None:
        return self.kept or None

    def keep(self, state: Callable[[], Mapping[str, Any]]) -> None:
        self.kept = dict(state())


def test_a_training_that_was_cut_off_ends_as_if_it_had_not_been(trained: Network, data: Data, digest) -> None:  # type: ignore[no-untyped-def]
    memory, whole = Cut(12), squeezed(SHORT, trained, data)

    def watch(what: str, share: float, detail: str) -> None:
        if share >= 0.55:
            raise KeyboardInterrupt

    context = Context(data, trained.module, progress=watch, memory=memory, price=weights_only_bytes)
    plan = SHORT.plan(trained, context)
    with pytest.raises(KeyboardInterrupt):
        SHORT.apply(trained, plan, context)
    assert 0 < memory.kept["step"] < 24
    resumed = SHORT.apply(trained, plan, replace(context, progress=lambda *_: None))
    assert digest(resumed.module) == digest(whole.module)


def test_the_original_teaches_with_its_weight(trained: Network, data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    losses: dict[float, float] = {}
    for weight in (0.0, 1.0, 3.0):
        step = replace(SHORT, epochs=1, batch=64, weight=weight)
        seen: list[Tick] = []
        train = Context.train
        with monkeypatch.context() as patched:
            patched.setattr(Context, "train", lambda *a, seen=seen, train=train: (seen.append(tick) or tick for tick in train(*a)))
            squeezed(step, trained, data)
        losses[weight] = seen[0].loss
    assert losses[1.0] > losses[0.0]
    assert losses[3.0] - losses[0.0] == pytest.approx(3 * (losses[1.0] - losses[0.0]), rel=1e-4)


def test_a_dry_run_takes_moments_and_knows_the_size(trained: Network, data: Data) -> None:
    found = check(trained.module, data, Recipe((replace(SHORT, epochs=10**7),)))
    real = run(trained.module, data, Recipe((replace(SHORT, epochs=0),)))
    assert found.size.value == pytest.approx(len(real.content), rel=0.1)
    assert found.time.value > 3600


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"bytes": 1, "bits": 1.0},
        {"bytes": 0},
        {"bits": 0.0},
        {"bytes": 9, "weight": -1.0},
        {"bytes": 9, "temperature": 0.0},
        {"bytes": 9, "ramp": 0.0},
        {"bytes": 9, "ramp": 1.5},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(RecipeError) as caught:
        Squeeze(**fields)
    assert "squeeze" in caught.value.where
