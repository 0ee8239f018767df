"""Scores against a count by hand, with their standard error."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import laconic
from laconic.base.errors import DataError, UsageError
from laconic.base.preprocessing import Preprocessing
from laconic.datasets.data import Data, Split
from laconic.train import Task, as_runner, classification, evaluate, judge, scores

PLAIN = Preprocessing((3,), scale=1.0)
# what `outputs` says is the input itself: three logits a sample
INPUTS = np.float32([[3, 1, 2], [0, 5, 1], [1, 2, 9], [4, 0, 0], [0, 1, 0], [7, 0, 1], [1, 0, 3]])
RIGHT = Split(INPUTS, np.array([0, 1, 2, 1, 0, 0, 2]))  # five of seven


def itself(inputs: np.ndarray) -> np.ndarray:
    return inputs


@pytest.mark.parametrize("batch", [1, 3, 7, 100])
def test_accuracy_is_a_count_with_its_standard_error(batch: int) -> None:
    measure = evaluate(itself, RIGHT, PLAIN, classification, "by hand", batch)
    share = 5 / 7
    assert measure.value == pytest.approx(100 * share, rel=1e-12)
    assert measure.spread == pytest.approx(100 * math.sqrt(share * (1 - share) / 7), rel=1e-12)
    assert (measure.unit, measure.n, measure.how) == ("%", 7, "top-1 accuracy, by hand")


def test_a_task_of_the_user_s_own_is_measured_in_its_unit() -> None:
    targets = np.float32([[3, 1, 1], [0, 0, 0]])
    task = Task(nn.functional.mse_loss, lambda o, t: ((o - t) ** 2).sum(1), "squared error", "m²", 0.5, higher_is_better=False)
    measure = evaluate(itself, Split(INPUTS[:2], targets), PLAIN, task, "x")
    assert measure.value == pytest.approx(0.5 * (1 + 26) / 2)
    assert measure.spread == pytest.approx(0.5 * np.std([1, 26]) / math.sqrt(2))
    assert measure.unit == "m²"


def test_the_spread_of_a_negative_factor_is_positive() -> None:
    task = Task(nn.functional.mse_loss, lambda o, t: o.mean(1), "minus the mean", "", -1.0)
    assert evaluate(itself, RIGHT, PLAIN, task, "x").spread > 0


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_the_score_is_given_targets_of_the_type_that_the_loss_is(dtype: type) -> None:
    seen = []
    task = Task(classification.loss, lambda o, t: (seen.append(t.dtype), classification.score(o, t))[1], "top-1")
    evaluate(itself, Split(RIGHT.inputs, RIGHT.targets.astype(dtype)), PLAIN, task, "x")
    assert seen == [torch.int64]


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_score_and_decisions_come_from_one_pass(batch: int) -> None:
    seen: list[np.ndarray] = []
    judged = judge(lambda inputs: (seen.append(inputs), inputs)[1], RIGHT, PLAIN, classification, "by hand", batch)
    assert np.array_equal(np.concatenate(seen), INPUTS)
    assert judged.decided == (0, 1, 2, 0, 1, 0, 2)
    assert judged.score == evaluate(itself, RIGHT, PLAIN, classification, "by hand", batch)


def test_a_task_that_decides_nothing_leaves_no_decisions() -> None:
    task = Task(nn.functional.mse_loss, lambda o, t: o.mean(1), "mean", "")
    assert judge(itself, RIGHT, PLAIN, task, "x").decided == ()


@pytest.mark.parametrize(
    ("decide", "targets"),
    [
        (lambda o: o, RIGHT.targets),
        (lambda o: o.argmax(), RIGHT.targets),
        (lambda o: o.mean(1), RIGHT.targets),
        (lambda o: o.argmax(1), RIGHT.targets[:, None]),
        (lambda o: o.argmax(1), RIGHT.targets.astype(np.float32)),
    ],
    ids=["one a class", "one for all", "no numbers of classes", "targets in a column", "targets that are no classes"],
)
def test_decisions_must_be_one_class_a_sample(decide, targets) -> None:  # type: ignore[no-untyped-def]
    task = Task(classification.loss, lambda o, t: o.mean(1), "mine", decide=decide)
    with pytest.raises(UsageError, match=r"the (decisions|targets) have shape"):
        judge(itself, Split(INPUTS, targets), PLAIN, task, "x")


@pytest.mark.parametrize(
    "wrong", [lambda o, t: o.mean(), lambda o, t: o, lambda o, t: torch.ones(1)], ids=["one for all", "one a class", "too few"]
)
def test_a_score_must_be_one_value_a_sample(wrong) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError, match="the task's score has shape") as caught:
        evaluate(itself, RIGHT, PLAIN, Task(classification.loss, wrong, "mine"), "x")
    assert caught.value.where == "mine"


def test_inputs_are_preprocessed() -> None:
    preprocessing = Preprocessing((3,), scale=2.0, mean=(1.0,), std=(0.5,))
    task = Task(classification.loss, lambda o, t: o.sum(1), "sum", "", 1.0)
    assert evaluate(itself, Split(np.ones((1, 3)), np.zeros(1, int)), preprocessing, task, "x").value == 6


def test_a_model_runs_in_evaluation_mode_and_gets_its_modes_back(model: nn.Module, data: Data) -> None:
    inputs = data.preprocessing.apply(data.test.inputs)
    wanted = as_runner(model)(inputs)
    model.train()
    model.norm.eval()
    modes = [m.training for m in model.modules()]
    statistics = model.block.bn1.running_mean.clone()
    assert np.array_equal(as_runner(model)(inputs), wanted)
    assert [m.training for m in model.modules()] == modes
    assert torch.equal(model.block.bn1.running_mean, statistics)
    assert all(p.grad is None for p in model.parameters())


def test_modes_come_back_when_the_model_fails(model: nn.Module) -> None:
    model.train()
    with pytest.raises(RuntimeError):
        as_runner(model)(np.zeros((1, 3, 8, 8), np.float32))
    assert model.training
    assert model.norm.training


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16], ids=str)
def test_a_model_of_any_type_takes_and_gives_single_precision(model: nn.Module, dtype: torch.dtype) -> None:
    inputs = np.random.default_rng(0).standard_normal((3, 1, 8, 8)).astype(np.float32)
    wanted = as_runner(model)(inputs)
    got = as_runner(model.to(dtype))(inputs)
    assert got.dtype == np.float32
    assert np.allclose(got, wanted, rtol=0.1, atol=0.1)


def test_a_model_without_weights_runs() -> None:
    class Sum(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.sum(1)

    assert as_runner(Sum())(np.ones((2, 3), np.float32)).tolist() == [3, 3]


# a metric of all samples together: (correct, answered) a sample, and the share of answers that are correct
def answers(outputs: Tensor, targets: Tensor) -> Tensor:
    answered = outputs.max(1).values > 1
    return torch.stack([answered & (outputs.argmax(1) == targets), answered], 1).float()


def precision(rows: Tensor) -> Tensor:
    correct, answered = rows.sum(0)
    return correct / answered


PRECISION = Task(classification.loss, answers, "precision", aggregate=precision)


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_a_metric_of_a_whole_split_is_no_mean_over_its_batches(batch: int) -> None:
    measure = evaluate(itself, RIGHT, PLAIN, PRECISION, "by hand", batch)
    assert measure.value == pytest.approx(100 * 5 / 6)  # one of the seven is not answered, and it is a wrong one
    assert (measure.unit, measure.n, measure.how) == ("%", 7, "precision, by hand")


def test_the_spread_of_a_metric_of_a_whole_split_is_that_of_the_jackknife() -> None:
    rows = answers(torch.from_numpy(INPUTS), torch.from_numpy(RIGHT.targets)).double().numpy()
    left_out = np.array([rows[np.arange(7) != one].sum(0) for one in range(7)])
    shares = left_out[:, 0] / left_out[:, 1]
    wanted = 6 / 7 * math.sqrt(((shares - shares.mean()) ** 2).sum())
    assert evaluate(itself, RIGHT, PLAIN, PRECISION, "x").spread == pytest.approx(100 * wanted, rel=1e-9)


@pytest.mark.parametrize("samples", [1, 7, 64, 640, 1000])
def test_a_mean_is_the_same_whoever_takes_it(samples: int) -> None:
    inputs = np.random.default_rng(samples).standard_normal((samples, 3)).astype(np.float32)
    split = Split(inputs, np.zeros(samples, np.int64))
    by_us = Task(classification.loss, lambda o, t: o[:, 0], "first", "")
    by_them = Task(classification.loss, lambda o, t: o[:, 0], "first", "", aggregate=lambda rows: rows.mean())
    ours, theirs = (evaluate(itself, split, PLAIN, task, "x") for task in (by_us, by_them))
    assert theirs.value == pytest.approx(ours.value, rel=1e-9, abs=1e-9)
    assert theirs.spread == pytest.approx(ours.spread, rel=1e-9 if samples <= 64 else 0.25)


def test_the_parts_of_a_metric_have_it_as_their_mean() -> None:
    parts = scores(itself, RIGHT, PLAIN, PRECISION)
    assert parts.shape == (7,)
    assert parts.mean() == pytest.approx(100 * 5 / 6)


@pytest.mark.parametrize("wrong", [lambda rows: rows, lambda rows: rows.mean(0)], ids=["the rows", "one a column"])
def test_an_aggregate_must_be_one_number(wrong) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError, match="the task aggregates the scores of 7 samples to shape") as caught:
        evaluate(itself, RIGHT, PLAIN, Task(classification.loss, answers, "mine", aggregate=wrong), "x")
    assert caught.value.where == "mine"


def test_rows_need_somebody_who_aggregates_them() -> None:
    with pytest.raises(UsageError, match="the task's score has shape") as caught:
        evaluate(itself, RIGHT, PLAIN, Task(classification.loss, answers, "mine"), "x")
    assert "aggregate" in str(caught.value)


def test_a_model_and_its_file_have_the_score_of_the_test_split(model: nn.Module, data: Data, tmp_path: Path) -> None:
    wanted = evaluate(as_runner(model), data.test, data.preprocessing, classification, "x")
    result = laconic.compress(model, data, [])
    session = laconic.load(result.save(tmp_path / "model.lac"))
    for measure in (laconic.evaluate(model, data), laconic.evaluate(session, data), result.record.after.score):
        assert (measure.value, measure.spread, measure.n) == (wanted.value, wanted.spread, len(data.test))


def test_a_file_s_own_preprocessing_comes_before_its_network(model: nn.Module, data: Data, tmp_path: Path) -> None:
    session = laconic.load(laconic.compress(model, data, []).save(tmp_path / "model.lac"))
    other = data.normalised((9.0,), (5.0,))
    assert laconic.evaluate(session, other).value == laconic.evaluate(model, data).value


def test_a_task_that_does_not_fit_is_refused_before_anything_is_scored(model: nn.Module, data: Data) -> None:
    with pytest.raises(DataError, match="the task does not take outputs"):
        laconic.evaluate(model, data, task=Task(classification.loss, lambda o, t: o - t, "mine"))


def test_where_memory_runs_out_smaller_parts_are_scored(model: nn.Module) -> None:
    """A model that has memory for three samples."""

    def short(module: nn.Module, given: tuple[Tensor, ...]) -> None:
        if len(given[0]) > 3:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9663676416 bytes.")

    inputs = np.random.default_rng(0).normal(size=(10, 1, 8, 8)).astype(np.float32)
    wanted = as_runner(model)(inputs)
    model.register_forward_pre_hook(short)
    np.testing.assert_allclose(as_runner(model)(inputs), wanted, atol=1e-6)


def test_where_memory_runs_out_for_a_single_sample_that_is_said(model: nn.Module) -> None:
    def short(*_: object) -> None:
        raise MemoryError("no room")

    model.register_forward_pre_hook(short)
    with pytest.raises(MemoryError, match="no room"):
        as_runner(model)(np.zeros((4, 1, 8, 8), np.float32))
