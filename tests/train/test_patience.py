"""Early stopping: when it stops, what it gives back, and whom it asks."""

import copy
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from laconic import Finetune, Prune, PruneChannels, Squeeze
from laconic.base.errors import RecipeError, UsageError
from laconic.datasets.data import Data
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.train import Task, Tick, Training, as_runner, classification, course, evaluate, from_task, loop

LOSS = from_task(classification.loss)


class Judge:
    """Gives the scores of a list in turn, and notes what it was shown."""

    def __init__(self, *scores: float) -> None:
        self.scores, self.shown = list(scores), []  # type: ignore[var-annotated]

    def __call__(self, model: nn.Module) -> float:
        self.shown.append(copy.deepcopy(model.state_dict()))
        return self.scores[len(self.shown) - 1]


def run(model: nn.Module, data: Data, judge: Callable[[nn.Module], float], training: Training, **more: Any) -> list[Tick]:
    return list(loop(model, data.train, data.preprocessing, LOSS, training, 0, score=judge, **more))


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("scores", "patience", "epochs", "best"),
    [
        ((1, 2, 1, 1), 2, 4, 1),
        ((1, 2, 1, 3, 2, 2), 2, 6, 3),
        ((5, 4), 1, 2, 0),
        ((1, 1, 1, 1), 3, 4, 0),  # as good is not better
        ((1, 2, 3, 4, 5, 6), 1, 6, 5),
        ((math.nan, 2, 1), 1, 1, None),
        ((math.nan, 2, 1, 1), 2, 4, 1),
    ],
)
def test_it_stops_after_so_many_epochs_without_a_better_one_and_gives_back_the_best(
    model: nn.Module, data: Data, scores: tuple[float, ...], patience: int, epochs: int, best: int | None
) -> None:
    judge = Judge(*scores)
    ticks = run(model, data, judge, Training(epochs=6, batch=16, patience=patience))
    assert len(ticks) == 4 * epochs
    assert same(dict(model.state_dict()), judge.shown[-1 if best is None else best])
    assert not model.training


@pytest.mark.parametrize("average", [None, "ema"])
def test_a_stopped_training_goes_on_as_if_nothing_had_happened(
    model: nn.Module, data: Data, diary: Any, average: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course, "KEEP_EVERY", -1.0)
    scores = {4: 1.0, 8: 3.0, 12: 2.0, 16: 2.5, 20: 9.0}
    training, memory, whole = Training(epochs=5, batch=16, patience=2, average=average), diary(), copy.deepcopy(model)
    at = 0

    def judge(net: nn.Module) -> float:
        return scores[at]

    for tick in loop(whole, data.train, data.preprocessing, LOSS, training, 0, memory, score=judge):
        at = tick.step + 1
    assert at == 16
    for state in memory.states[::5]:
        late = copy.deepcopy(model)
        at = state["step"]
        for tick in loop(late, data.train, data.preprocessing, LOSS, training, 0, diary(state), score=judge):
            at = tick.step + 1
        assert at == 16
        assert same(dict(late.state_dict()), dict(whole.state_dict()))


def test_with_a_moving_average_it_is_the_mean_that_is_judged_and_given_back(model: nn.Module, data: Data) -> None:
    judge, twin = Judge(1, 2, 0, 0), copy.deepcopy(model)
    run(model, data, judge, Training(epochs=6, batch=16, patience=2, average="ema", schedule="constant"))
    mean = Training(epochs=2, batch=16, average="ema", schedule="constant")
    list(loop(twin, data.train, data.preprocessing, LOSS, mean, 0))
    assert torch.equal(model.fc.weight, twin.fc.weight)
    assert torch.equal(judge.shown[1]["fc.weight"], twin.fc.weight)


def test_judging_leaves_the_steps_as_they_are(model: nn.Module, data: Data) -> None:
    twin = copy.deepcopy(model)
    judged = run(model, data, Judge(1, 2, 3), Training(epochs=3, batch=16, patience=3, average="ema"))
    plain = list(loop(twin, data.train, data.preprocessing, LOSS, Training(epochs=3, batch=16), 0))
    assert [t.loss for t in judged] == [t.loss for t in plain]


def test_a_setback_does_not_forget_the_best(model: nn.Module, data: Data) -> None:
    judge, calls = Judge(5, 1, 1), 0

    def loss(net: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return classification.loss(net(inputs), targets) * (math.nan if calls == 6 else 1)

    list(loop(model, data.train, data.preprocessing, loss, Training(epochs=6, batch=16, patience=2), 0, score=judge))
    assert len(judge.shown) == 3
    assert same(dict(model.state_dict()), judge.shown[0])


@pytest.mark.parametrize("sign", [1, -1])
def test_a_step_asks_the_validation_split_and_knows_what_better_means(model: nn.Module, data: Data, sign: int) -> None:
    task = Task(classification.loss, classification.score, "hits", factor=100.0 * sign, higher_is_better=sign > 0)
    found = Finetune(epochs=8, batch=16, lr=0.05, patience=8)(model, data, task=task)
    seen: list[float] = []

    def judge(net: nn.Module) -> float:
        seen.append(evaluate(as_runner(net), data.validation, data.preprocessing, classification, "x").value)
        return seen[-1]

    run(copy.deepcopy(model), data, judge, Training(epochs=8, batch=16, lr=0.05, patience=8))
    score = evaluate(as_runner(found.module), data.validation, data.preprocessing, classification, "x").value
    assert score == max(seen) > min(seen)


def test_forms_hold_in_the_best(model: nn.Module, data: Data) -> None:
    pruned = Prune(sparsity=0.6)(model, data)
    network = Finetune(epochs=3, batch=16, patience=1)(pruned, data)
    assert isinstance(network, Network)
    for name in pruned.forms:
        assert not network.array(name)[pruned.array(name) == 0].any()


def test_without_a_score_it_is_refused(model: nn.Module, data: Data) -> None:
    with pytest.raises(UsageError, match="was given none"):
        next(loop(model, data.train, data.preprocessing, LOSS, Training(patience=1), 0))
    assert next(Context(data, model).train(model, LOSS, Training(patience=1), "x")).step == 0


LATE = Training(epochs=4, patience=2)


@pytest.mark.parametrize(
    "build",
    [
        lambda: Prune(sparsity=0.9, rounds=3, training=LATE),
        lambda: PruneChannels(ratio=0.5, rounds=3, training=LATE),
        lambda: Squeeze(epochs=4, patience=2, bytes=1000),
    ],
    ids=["prune", "prune-channels", "squeeze"],
)
def test_steps_that_change_the_network_as_they_train_do_not_stop_early(build: Callable[[], object]) -> None:
    with pytest.raises(RecipeError, match="is only done when its training is"):
        build()
