"""What a fine-tuning learns from, and what it does where nobody gave labels."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import laconic
from laconic.base.errors import DataError, RecipeError
from laconic.datasets.data import Data, Split
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.methods.step import Step
from laconic.train import Task, Training, classification
from laconic.train.agreement import DISTANCE, METRIC
from laconic.train.soft_targets import apart, soft_targets


@pytest.fixture
def unlabelled(data: Data) -> Data:
    """The same samples, and nobody says what they show."""
    splits = (Split(split.inputs, np.zeros(len(split), np.int64)) for split in (data.train, data.validation, data.test))
    return replace(data, **dict(zip(("train", "validation", "test"), splits, strict=True)), classes=())


@pytest.fixture
def teacher(model: nn.Module, data: Data) -> nn.Module:
    return laconic.Finetune(epochs=6, batch=16, lr=0.02)(model, data).module


def loss(model: nn.Module, student: nn.Module, data: Data, targets: str | None, task: Task = classification) -> float:
    inputs, said = torch.ones(4, 1, 8, 8), torch.arange(4)
    return Context(data, model, task).lesson(Training(targets=targets), student)(student, inputs, said).item()  # type: ignore[arg-type]


def test_labels_the_original_or_both(model: nn.Module, data: Data, unlabelled: Data) -> None:
    student, inputs = type(model)().eval(), torch.ones(4, 1, 8, 8)
    labels = classification.loss(student(inputs), torch.arange(4)).item()
    original = soft_targets(student(inputs), model(inputs), 4.0).item()
    assert loss(model, student, data, None) == pytest.approx(labels)
    assert loss(model, student, data, "labels") == pytest.approx(labels)
    assert loss(model, student, data, "original") == pytest.approx(original)
    assert loss(model, student, data, "both") == pytest.approx(labels + original)
    for said in (None, "labels", "both"):
        assert loss(model, student, unlabelled, said) == pytest.approx(original)


def test_outputs_that_decide_nothing_are_met_by_their_squares(model: nn.Module, data: Data) -> None:
    task = Task(nn.functional.mse_loss, lambda o, t: (o - t).abs().mean(1), "error", higher_is_better=False)
    student, inputs = type(model)().eval(), torch.ones(4, 1, 8, 8)
    wanted = nn.functional.mse_loss(student(inputs), model(inputs)).item()
    assert loss(model, student, data, "original", task) == pytest.approx(wanted)


RECOVERING = [
    laconic.Finetune(epochs=4, batch=16, lr=0.02),
    laconic.Prune(sparsity=0.7, rounds=2, training=Training(epochs=4, batch=16, lr=0.02)),
    laconic.PruneChannels(ratio=0.2, criterion="taylor", training=Training(epochs=4, batch=16, lr=0.02)),
    laconic.Int8(training=Training(epochs=1, batch=16, lr=0.001)),
    laconic.Squeeze(epochs=20, batch=16, bits=8.0),
    laconic.Distill(epochs=4, batch=16, lr=0.02),
]


@pytest.mark.parametrize("step", RECOVERING, ids=lambda step: step.word())
def test_without_labels_every_step_that_trains_learns_from_the_original(step: Step, teacher: nn.Module, unlabelled: Data) -> None:
    """Labels of zero would teach it to say 0 of everything."""
    trained = step(teacher, unlabelled).module
    inputs = torch.from_numpy(unlabelled.preprocessing.apply(unlabelled.test.inputs))
    agreed = (trained(inputs).argmax(1) == teacher(inputs).argmax(1)).float().mean()
    assert agreed > 0.8
    assert len(set(trained(inputs).argmax(1).tolist())) == 4


def test_a_run_without_labels_is_judged_by_agreement_with_the_original(teacher: nn.Module, unlabelled: Data) -> None:
    result = laconic.compress(teacher, unlabelled, [laconic.Quantize(bits=6)])
    assert result.record.metric == METRIC
    assert result.record.before.score.value == 100.0
    assert result.record.after.score.value > 90.0


def test_prune_blocks_sees_what_the_outputs_lose(teacher: nn.Module, unlabelled: Data) -> None:
    step = laconic.PruneBlocks(blocks=1, samples=32)
    (row,) = step.plan(Network(teacher), Context(unlabelled, teacher)).rows
    assert row["loss without"] > 0.01


def test_taylor_needs_decisions_or_targets(model: nn.Module, unlabelled: Data) -> None:
    task = Task(nn.functional.mse_loss, lambda o, t: (o - t).abs().mean(1), "error", higher_is_better=False)
    step = laconic.PruneChannels(ratio=0.2, criterion="taylor")
    with pytest.raises(DataError, match="the data have no targets"):
        step.plan(Network(model), Context(unlabelled, model, task))


def test_other_words_are_refused() -> None:
    with pytest.raises(RecipeError, match="targets cannot be 'teacher'"):
        laconic.Finetune(targets="teacher")  # type: ignore[arg-type]
    with pytest.raises(RecipeError, match="targets"):
        laconic.Distill(targets="labels")


def test_a_plan_says_what_is_learnt_from(model: nn.Module, data: Data, unlabelled: Data) -> None:
    for targets, labelled in ((None, "labels"), ("labels", "labels"), ("both", "both"), ("original", "original")):
        step = laconic.Finetune(targets=targets)  # type: ignore[arg-type]
        assert [step.plan(Network(model), Context(one, model)).rows[0]["from"] for one in (data, unlabelled)] == [labelled, "original"]


def test_a_step_by_itself_is_judged_by_agreement_too(teacher: nn.Module, unlabelled: Data) -> None:
    """Held against labels of zero, the first epoch would be as good as any."""

    class Watched(laconic.Finetune):
        def apply(self, network, plan, context):  # type: ignore[no-untyped-def]
            assert context.task.metric == METRIC
            assert len(set(context.data.validation.targets.tolist())) == 4
            return network

    Watched(patience=1)(teacher, unlabelled)


SPLITS = ("train", "validation", "test")
REGRESSION = Task(nn.functional.mse_loss, lambda o, t: (o - t).abs().mean(1), "error", higher_is_better=False)


def test_where_nothing_is_decided_the_distance_from_the_original_is_the_score(teacher: nn.Module, unlabelled: Data) -> None:
    """Labels of zero would praise whatever says zero."""
    splits = {name: Split(getattr(unlabelled, name).inputs, np.zeros((len(getattr(unlabelled, name)), 4), np.float32)) for name in SPLITS}
    unlabelled = replace(unlabelled, **splits)
    result = laconic.compress(teacher, unlabelled, [laconic.Quantize(bits=6)], task=REGRESSION)
    assert result.record.metric == DISTANCE
    assert result.record.before.score.value == pytest.approx(0, abs=1e-3)
    assert 0.1 < result.record.after.score.value < 20


def test_classes_are_those_of_the_original_where_all_labels_are_zero(teacher: nn.Module, unlabelled: Data) -> None:
    pairs = [(split.inputs, np.zeros(len(split), np.int64)) for split in (unlabelled.train, unlabelled.test, unlabelled.validation)]
    result = laconic.compress(teacher, laconic.from_arrays(*pairs, preprocessing=unlabelled.preprocessing), [laconic.Quantize(bits=6)])
    assert result.record.metric == METRIC


@pytest.mark.parametrize("shape", [(8,), (8, 1), (8, 1, 2)])
def test_a_single_logit_is_learnt_as_yes_against_no(shape: tuple[int, ...]) -> None:
    ours, theirs = (torch.randn(shape, generator=torch.Generator().manual_seed(seed)).double() for seed in (0, 1))
    p, q = (theirs / 3).sigmoid(), (ours / 3).sigmoid()
    divergence = p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()
    torch.testing.assert_close(soft_targets(ours, theirs, 3.0), 9 * divergence.mean())


def test_squeeze_draws_outputs_that_are_no_logits_by_their_squares(model: nn.Module, data: Data, unlabelled: Data) -> None:
    inputs, wanted = torch.ones(4, 1, 8, 8), model(torch.ones(4, 1, 8, 8)).detach()
    assert float(apart(wanted + 2, wanted, REGRESSION.match, 2.0)) == pytest.approx(4.0)
    assert float(apart(wanted + 2, wanted, classification.match, 2.0)) == pytest.approx(0.0, abs=1e-6)
    trained = laconic.Squeeze(epochs=20, batch=16, bits=8.0)(model, unlabelled, task=REGRESSION).module
    assert (trained(inputs) - wanted).square().mean() < 0.5 * wanted.square().mean()


def test_squeeze_with_nothing_to_learn_from_is_refused(model: nn.Module, data: Data, unlabelled: Data) -> None:
    for one, targets in ((unlabelled, None), (data, "original")):
        with pytest.raises(RecipeError, match="there is nothing to learn from"):
            laconic.Squeeze(bits=8.0, weight=0.0, targets=targets).check(Network(model), Context(one, model))  # type: ignore[arg-type]
