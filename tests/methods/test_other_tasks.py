"""Steps on problems that are no classification: an error in a unit of its own, of which less is better; a metric of all samples."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import laconic
from laconic.base.errors import BudgetError
from laconic.base.preprocessing import Preprocessing
from laconic.datasets.data import Data, Split
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.methods.step import Step
from laconic.train import Task, Training, as_runner, evaluate

TRAINING = Training(epochs=2, lr=0.001, batch=16, optimizer="adam")


def corners(samples: int, seed: int) -> Split:
    """Noise on which every quadrant has a brightness of its own; how bright each is, in volts, is the target `(n, 4)`."""
    rng = np.random.default_rng(seed)
    volts = rng.uniform(0, 2, (samples, 4)).astype(np.float32)
    bright = np.kron(volts.reshape(samples, 1, 2, 2), np.ones((4, 4)))
    return Split((100 * bright + rng.uniform(0, 40, bright.shape)).astype(np.uint8), volts)


def error(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets).abs().mean(1)


def sums(outputs: Tensor, targets: Tensor) -> Tensor:
    """Squares of what is left, and of the targets around 1: `(n, 2)`."""
    return torch.stack([((outputs - targets) ** 2).sum(1), ((targets - 1) ** 2).sum(1)], 1)


def explained(rows: Tensor) -> Tensor:
    left, whole = rows.sum(0)
    return 1 - left / whole


VOLTS = Task(nn.functional.mse_loss, error, "mean error", unit="mV", factor=1000.0, higher_is_better=False)
EXPLAINED = Task(nn.functional.mse_loss, sums, "explained variance", aggregate=explained)
TASKS = {"less is better": VOLTS, "all together": EXPLAINED}


@pytest.fixture(scope="module")
def volts() -> Data:
    splits = [corners(samples, seed) for seed, samples in enumerate((256, 64, 64))]
    return Data("corners", *splits, Preprocessing((1, 8, 8), mean=(0.45,), std=(0.25,)))


@pytest.fixture(scope="module")
def trained(volts: Data) -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU(), nn.Flatten()]
    model = nn.Sequential(*layers, nn.Linear(16 * 16, 4))
    return laconic.Finetune(epochs=12, lr=0.01, batch=32, optimizer="adam")(model, volts, task=VOLTS).module


def of(network: nn.Module, data: Data, task: Task) -> float:
    """The metric on the validation split."""
    return evaluate(as_runner(network), data.validation, data.preprocessing, task, "").value


def carried_out(step: Step, model: nn.Module, data: Data, task: Task) -> Network:
    network, context = Network(model), Context(data, model, task, clock=lambda *_: 0.5)
    return step.apply(network, step.plan(network, context), context)


STEPS = [
    laconic.Finetune(epochs=2, lr=0.001, batch=16, optimizer="adam"),
    laconic.Prune(sparsity=0.5, rounds=2, training=TRAINING),
    laconic.Prune(sparsity=0.5, compensate=True),
    laconic.Factorize(macs=0.7),
    laconic.PruneChannels(macs=0.7, rounds=2, training=TRAINING),
    laconic.PruneChannels(ratio=0.25, criterion="taylor"),
    laconic.Quantize(bits=4, samples=64),
    laconic.Squeeze(epochs=2, lr=0.01, batch=32, bits=4, weight=0.0),
    laconic.Int8(),
    laconic.Int8(bits=4, training=TRAINING),
    laconic.Share(bits=4),
]


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
@pytest.mark.parametrize("step", STEPS, ids=str)
def test_a_step_works_on_any_task(step: Step, task: Task, trained: nn.Module, volts: Data) -> None:
    explained_now = of(carried_out(step, trained, volts, task).module, volts, EXPLAINED)
    assert of(trained, volts, EXPLAINED) > 95
    assert explained_now > 60, f"{step} leaves {explained_now:.1f} % of the variance explained"


@pytest.mark.parametrize("drop", [10.0, 60.0])
def test_grids_are_as_coarse_as_an_allowed_error_lets_them(drop: float, trained: nn.Module, volts: Data) -> None:
    found = carried_out(laconic.Quantize(drop=drop), trained, volts, VOLTS)
    worse = of(found.module, volts, VOLTS) - of(trained, volts, VOLTS)
    assert 0.3 * drop < worse <= drop + 1e-6


@pytest.mark.parametrize("drop", [1.0, 8.0])
def test_grids_are_as_coarse_as_a_metric_of_all_samples_lets_them(drop: float, trained: nn.Module, volts: Data) -> None:
    found = carried_out(laconic.Quantize(drop=drop), trained, volts, EXPLAINED)
    worse = of(trained, volts, EXPLAINED) - of(found.module, volts, EXPLAINED)
    assert 0.2 * drop < worse <= drop + 1e-6


@pytest.mark.parametrize(("task", "drop"), [(VOLTS, 60.0), (EXPLAINED, 8.0)], ids=TASKS)
def test_ranks_are_as_low_as_an_allowed_drop_lets_them(task: Task, drop: float, trained: nn.Module, volts: Data) -> None:
    sign = 1 if task.higher_is_better else -1
    found = carried_out(laconic.Factorize(drop=drop), trained, volts, task)
    assert found.edits
    assert sign * (of(trained, volts, task) - of(found.module, volts, task)) <= drop + 1e-6
    everything = carried_out(laconic.Factorize(rank=1), trained, volts, task)
    assert sign * (of(trained, volts, task) - of(everything.module, volts, task)) > drop


def test_an_error_that_cannot_be_kept_is_told_in_its_unit(trained: nn.Module, volts: Data) -> None:
    own = as_runner(trained)(volts.preprocessing.apply(volts.validation.inputs))
    without_error = replace(volts, validation=Split(volts.validation.inputs, own))
    with pytest.raises(BudgetError, match=r"mean error is worse by [0-9.]+ mV at least, 0 is allowed"):
        carried_out(laconic.Quantize(drop=0.0), trained, without_error, VOLTS)


def test_sensitivity_is_taken_in_the_metric_s_unit(trained: nn.Module, volts: Data) -> None:
    found = laconic.sensitivity(trained, volts, (0.5, 0.9), task=VOLTS)
    assert found.before.unit == "mV"
    name = next(iter(found.scores))
    assert found.drops(name)[1] == pytest.approx(found.scores[name][1].value - found.before.value)
    assert set(found.at_most(1e9).values()) == {0.9}


@pytest.mark.parametrize("task", [pytest.param(VOLTS, marks=pytest.mark.slow), EXPLAINED], ids=TASKS)
def test_a_recipe_ends_with_a_record_in_the_task_s_own_words(task: Task, trained: nn.Module, volts: Data) -> None:
    record = laconic.compress(trained, volts, [laconic.Prune(sparsity=0.3)], task=task).record
    assert (record.metric, record.higher_is_better, record.after.score.unit) == (task.metric, task.higher_is_better, task.unit)
    assert record.verdicts.target == ()
    assert record.after.score.spread > 0
