"""Modules that train beside a model: taught by the same optimiser, kept and taken back with it, and no part of the network."""

import copy
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from laconic.base.errors import ModelError
from laconic.datasets.data import Data
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.train import BatchLoss, Scheduled, Training, classification, course, from_task, loop

TRAINING = Training(epochs=3, batch=20, lr=0.002, schedule="constant")


class Peer(nn.Module):
    """A small network with statistics of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(64)
        self.fc = nn.Linear(64, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(functional.dropout(self.norm(x.flatten(1)), 0.3, self.training))


def peer() -> Peer:
    torch.manual_seed(3)
    return Peer().eval()


def together(companion: nn.Module) -> BatchLoss:
    """Both learn the labels and what the other says."""

    def loss(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
        one, other = model(inputs), companion(inputs)
        return classification.loss(one, targets) + classification.loss(other, targets) + functional.mse_loss(one, other)

    return loss


def everything(*modules: nn.Module) -> list[Tensor]:
    return [tensor.clone() for module in modules for tensor in module.state_dict().values()]


def equal(one: list[Tensor], other: list[Tensor]) -> bool:
    return len(one) == len(other) and all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_they_learn_in_train_mode_and_end_in_eval_mode(model: nn.Module, data: Data) -> None:
    companion, modes = peer(), set()
    before = everything(companion)
    for _ in loop(model, data.train, data.preprocessing, together(companion), TRAINING, 0, companions=[companion]):
        modes.add((companion.training, companion.norm.training))
    assert modes == {(True, True)}
    assert not companion.training
    assert not companion.norm.training
    assert not any(torch.equal(a, b) for a, b in zip(before, everything(companion), strict=True))


def test_a_companion_that_gets_no_gradient_changes_nothing_for_the_model(model: nn.Module, data: Data) -> None:
    twin, loss = copy.deepcopy(model), from_task(classification.loss)
    list(loop(model, data.train, data.preprocessing, loss, TRAINING, 0))
    list(loop(twin, data.train, data.preprocessing, loss, TRAINING, 0, companions=[peer()]))
    assert equal(everything(model), everything(twin))


def test_a_parameter_that_both_have_is_trained_once(model: nn.Module, data: Data) -> None:
    companion, twin = nn.Sequential(nn.Flatten(), nn.Linear(96, 4)), copy.deepcopy(model)
    companion[1] = model.fc
    loss = from_task(classification.loss)
    list(loop(model, data.train, data.preprocessing, loss, TRAINING, 0, companions=[companion]))
    list(loop(twin, data.train, data.preprocessing, loss, TRAINING, 0))
    assert torch.equal(model.fc.weight, twin.fc.weight)


def test_companions_do_not_stand_in_for_a_model_that_has_nothing_to_train(model: nn.Module, data: Data) -> None:
    with pytest.raises(ModelError, match="nothing to train"):
        next(loop(model.requires_grad_(False), data.train, data.preprocessing, together(peer()), TRAINING, 0, companions=[peer()]))


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_training_goes_on_from_any_step_as_if_nothing_had_happened(
    model: nn.Module,
    data: Data,
    diary,
    optimizer: str,
    monkeypatch: pytest.MonkeyPatch,  # type: ignore[no-untyped-def]
) -> None:
    monkeypatch.setattr(course, "KEEP_EVERY", -1.0)
    training, memory = Training(epochs=2, batch=20, lr=0.002, optimizer=optimizer), diary()  # type: ignore[arg-type]
    whole, companion = copy.deepcopy(model), peer()
    list(loop(whole, data.train, data.preprocessing, together(companion), training, 5, memory, [companion]))
    assert len(memory.states) == 8
    for state in memory.states:
        late, other = copy.deepcopy(model), Peer()
        list(loop(late, data.train, data.preprocessing, together(other), training, 5, diary(state), [other]))
        assert equal(everything(late, other), everything(whole, companion))


def test_a_loss_that_is_not_finite_takes_them_back_too(model: nn.Module, data: Data) -> None:
    companion, calls = peer(), 0
    paired, seen = together(companion), []

    def loss(net: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        seen.append(everything(net, companion))
        return paired(net, inputs, targets) * (math.nan if calls == 7 else 1)

    ticks = list(loop(model, data.train, data.preprocessing, loss, TRAINING, 0, companions=[companion]))
    assert [t.step for t in ticks[:8]] == [0, 1, 2, 3, 4, 5, 4, 5]
    assert equal(seen[7], seen[4])  # the first step after it begins where the epoch began
    assert not equal(seen[6], seen[4])


def test_the_network_holds_none_of_them(model: nn.Module, data: Data) -> None:
    companion = peer()
    before = everything(companion)
    trained = Context(data, model).fit(Network(model), together(companion), Training(batch=16), "practise", [companion])
    assert trained.module.state_dict().keys() == model.state_dict().keys()
    assert not equal(before, everything(companion))


class Fading(Scheduled):
    """Cross-entropy that weighs less and less, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    def at(self, progress: float) -> BatchLoss:
        self.asked.append(progress)
        return lambda model, inputs, targets: (1 - progress) * classification.loss(model(inputs), targets)


@pytest.mark.parametrize("precision", ["full", "mixed"])
def test_a_scheduled_loss_is_asked_for_every_step_with_the_share_that_is_behind(model: nn.Module, data: Data, precision: str) -> None:
    fading, twin = Fading(), copy.deepcopy(model)
    training = Training(epochs=2, batch=20, precision=precision)  # type: ignore[arg-type]
    ticks = list(loop(model, data.train, data.preprocessing, fading, training, 0))
    assert fading.asked == [i / 8 for i in range(8)]
    plain = loop(twin, data.train, data.preprocessing, from_task(classification.loss), training, 0)
    assert ticks[0].loss == next(plain).loss
    assert ticks[1].loss < next(plain).loss


def test_a_scheduled_loss_goes_on_where_it_was(model: nn.Module, data: Data, diary, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(course, "KEEP_EVERY", -1.0)
    memory, late, fading = diary(), copy.deepcopy(model), Fading()
    list(loop(model, data.train, data.preprocessing, Fading(), Training(batch=16), 0, memory))
    list(loop(late, data.train, data.preprocessing, fading, Training(batch=16), 0, diary(memory.states[1])))
    assert fading.asked == [2 / 4, 3 / 4]
    assert equal(everything(late), everything(model))


def test_a_companion_s_normalisation_sees_two_samples_at_the_least(model: nn.Module, data: Data) -> None:
    plain = nn.Sequential(nn.Flatten(), nn.Linear(64, 4))
    course_ = course.Course(plain, TRAINING.build_optimizer(plain.parameters()), [peer()])
    course_.most = 1
    batch = torch.zeros(6, 1, 8, 8), torch.zeros(6, dtype=torch.long)
    course_.companions[0].train()
    assert course_.differentiate(together(course_.companions[0]), [batch], 0) > 0
