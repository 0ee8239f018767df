"""The loop is an ordinary generator: the caller owns it, one generator decides everything, and nothing goes wrong unseen."""

import copy
import inspect
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from laconic.base.errors import DataError, ModelError
from laconic.base.preprocessing import Preprocessing, tokens
from laconic.datasets.data import Data, Split
from laconic.train import Tick, Training, classification, course, from_task, labels, loop
from laconic.train.loop import steps_an_epoch

LOSS = from_task(classification.loss)


def run(model: nn.Module, data: Data, training: Training, seed: int = 0) -> list[Tick]:
    return list(loop(model, data.train, data.preprocessing, LOSS, training, seed))


def test_it_yields_after_every_step_and_tells_how_far_it_is(model: nn.Module, data: Data) -> None:
    ticks = run(model, data, Training(epochs=2, batch=20))
    assert [(t.step, t.steps, t.epoch) for t in ticks] == [(i, 8, i // 4) for i in range(8)]
    assert [t.progress for t in ticks] == [(i + 1) / 8 for i in range(8)]
    assert not model.training


def test_nothing_happens_before_the_caller_asks(model: nn.Module, data: Data) -> None:
    before = copy.deepcopy(model.state_dict())
    ticks = loop(model, data.train, data.preprocessing, LOSS, Training(batch=16), 0)
    assert inspect.isgenerator(ticks)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    next(ticks)
    assert model.training
    assert not torch.equal(before["fc.weight"], model.fc.weight)


def test_it_learns(model: nn.Module, data: Data) -> None:
    ticks = run(model, data, Training(epochs=15, batch=16, lr=0.05))
    assert np.mean([t.loss for t in ticks[-4:]]) < 0.1 < np.mean([t.loss for t in ticks[:4]])


class Dropping(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(64)
        self.fc = nn.Linear(64, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(functional.dropout(self.norm(x.flatten(1)), 0.5, self.training))


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_generator_decides_order_augmentation_and_dropout(data: Data, optimizer: str) -> None:
    torch.manual_seed(0)
    start = Dropping()
    training = Training(epochs=2, batch=16, optimizer=optimizer, shift=1, flip=True)
    models = [copy.deepcopy(start) for _ in range(3)]
    losses = []
    for model, seed in zip(models, (5, 5, 6), strict=True):
        losses.append([t.loss for t in run(model, data, training, seed)])
        torch.manual_seed(999 + len(losses))  # what others do to the global generator in between does not matter
    assert losses[0] == losses[1] != losses[2]
    assert torch.equal(models[0].fc.weight, models[1].fc.weight)


def test_every_step_has_the_rate_of_the_schedule(data: Data) -> None:
    """With a gradient of one, Nesterov's momentum (0.9) moves a weight by rate × (1 + 0.9 · velocity)."""
    model = nn.Linear(1, 1, bias=False).double()
    training = Training(epochs=2, batch=8, lr=0.5, warmup=0.25)
    place, velocity = model.weight.item(), 0.0
    for tick in loop(model, data.train, data.preprocessing, lambda m, x, t: m.weight.sum(), training, 0):
        velocity = 0.9 * velocity + 1
        place -= training.rate(tick.step, 16) * (1 + 0.9 * velocity)
        assert model.weight.item() == pytest.approx(place, rel=1e-12)
    assert training.rate(0, 16) == 0.125


@pytest.mark.parametrize(("clip", "moved"), [(None, 50.0), (7.0, 7.0), (100.0, 50.0)])
def test_a_step_along_gradients_that_are_too_long_is_shortened(data: Data, clip: float | None, moved: float) -> None:
    """A gradient of (30, 40), whose length is 50; the first step of Nesterov's momentum is 1.9 times the rate."""
    model = nn.Linear(2, 1, bias=False).double()
    start = model.weight.detach().clone()
    training, pull = Training(batch=8, lr=0.1, schedule="constant", clip=clip), torch.tensor([[30.0, 40.0]]).double()
    next(loop(model, data.train, data.preprocessing, lambda m, x, t: (m.weight * pull).sum(), training, 0))
    assert torch.allclose(start - model.weight, 0.19 * moved * pull / 50)


def test_images_are_augmented_anew_in_every_epoch(data: Data) -> None:
    model, seen = nn.Sequential(nn.Flatten(), nn.Linear(64, 4)), []

    def loss(net: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
        seen.append(inputs.clone())
        return LOSS(net, inputs, targets)

    list(loop(model, data.train, data.preprocessing, loss, Training(epochs=2, batch=64, flip=True), 0))
    plain = torch.from_numpy(data.preprocessing.apply(data.train.inputs))
    mirrored = [[not (image == plain).all((1, 2, 3)).any() for image in batch] for batch in seen]
    assert all(16 < sum(batch) < 48 for batch in mirrored)
    assert mirrored[0] != mirrored[1]


def test_views_come_in_turns(data: Data) -> None:
    epochs: list[set[bytes]] = [set() for _ in range(4)]
    model, seen = nn.Sequential(nn.Flatten(), nn.Linear(64, 4)), []

    def loss(net: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
        seen.extend(image.tobytes() for image in inputs.numpy())
        return LOSS(net, inputs, targets)

    for tick in loop(model, data.train, data.preprocessing, loss, Training(epochs=4, batch=16, shift=2, flip=True, views=2), 0):
        epochs[tick.epoch].update(seen)
        seen.clear()
    assert epochs[0] == epochs[2] != epochs[1] == epochs[3]
    assert len(epochs[0] - epochs[1]) > 48


def test_a_single_sample_at_the_end_is_left_out(model: nn.Module, data: Data) -> None:
    flat = nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.BatchNorm1d(4))  # which cannot take a batch of one while training
    assert [t.steps for t in run(flat, data, Training(batch=9))] == [7] * 7
    assert [t.steps for t in run(model, data, Training(batch=62))] == [2] * 2


@pytest.mark.parametrize(("samples", "batch", "steps"), [(64, 64, 1), (64, 63, 1), (64, 62, 2), (64, 1, 64), (1, 8, 1), (2, 8, 1)])
def test_steps_of_an_epoch(samples: int, batch: int, steps: int) -> None:
    assert steps_an_epoch(samples, batch) == steps


def test_no_epochs_change_nothing_but_the_mode(model: nn.Module, data: Data) -> None:
    before = copy.deepcopy(model.state_dict())
    assert run(model, data, Training(epochs=0)) == []
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_takes_the_training_back_at_half_the_rate(model: nn.Module, data: Data, diary: Any, bad: float) -> None:
    calls = 0

    def loss(net: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return classification.loss(net(inputs), targets) * (bad if calls == 7 else 1)

    slow = copy.deepcopy(model)
    ticks = list(loop(model, data.train, data.preprocessing, loss, Training(epochs=2, batch=16, schedule="constant", lr=0.01), 0))
    assert [t.step for t in ticks] == [0, 1, 2, 3, 4, 5, 4, 5, 6, 7]  # the seventh step fails: back to where the second epoch began
    whole, half = Training(batch=16, schedule="constant", lr=0.01), Training(epochs=2, batch=16, schedule="constant", lr=0.005)
    memory = diary()
    list(loop(slow, data.train, data.preprocessing, LOSS, whole, 0, memory))
    list(loop(slow, data.train, data.preprocessing, LOSS, half, 0, memory))
    assert torch.equal(model.fc.weight, slow.fc.weight)


@pytest.mark.parametrize("last", [True, False])
def test_a_gradient_that_is_not_finite_is_not_kept(model: nn.Module, data: Data, diary: Any, last: bool) -> None:
    """The loss of the step is finite; the step is the last of an epoch, or any."""
    calls, memory = 0, diary()

    def loss(net: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        error = classification.loss(net(inputs), targets)
        if calls == (4 if last else 6):
            error.register_hook(lambda gradient: gradient * math.nan)
        return error

    ticks = list(loop(model, data.train, data.preprocessing, loss, Training(epochs=2, batch=16), 0, memory))
    assert ticks[-1].step == 7
    assert all(bool(tensor.isfinite().all()) for tensor in model.state_dict().values())
    assert all(bool(tensor.isfinite().all()) for kept in memory.states for tensor in kept["model"].values())


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_stays_bad_is_reported_and_the_model_is_as_it_was(model: nn.Module, data: Data, bad: float) -> None:
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(DataError, match="the loss became") as caught:
        list(loop(model, data.train, data.preprocessing, lambda m, x, t: m(x).sum() * bad, Training(batch=16), 0))
    assert caught.value.where == "training step 0, after halving the learning rate 3 times"
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


RESUMED: dict[str, dict[str, Any]] = {
    "sgd": {},
    "adam": {"optimizer": "adam"},
    "accumulated": {"batch": 6, "accumulate": 3},
    "moving average": {"average": "ema", "decay": 0.9},
    "mean": {"average": "swa"},
    "mixed": {"mixup": 0.4, "cutmix": 1.0, "smoothing": 0.1},
    "all at once": {"batch": 6, "accumulate": 3, "average": "ema", "mixup": 0.4, "schedule": "step", "optimizer": "adam"},
}


@pytest.mark.parametrize("fields", RESUMED.values(), ids=RESUMED)
def test_a_training_goes_on_from_any_step_as_if_nothing_had_happened(
    data: Data, diary: Any, fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course, "KEEP_EVERY", -1.0)
    torch.manual_seed(0)
    start = Dropping()
    training = Training(**{"epochs": 3, "batch": 20, "shift": 1, "flip": True} | fields)
    loss, whole, memory = from_task(labels(classification, training)), copy.deepcopy(start), diary()
    list(loop(whole, data.train, data.preprocessing, loss, training, 5, memory))
    assert len(memory.states) == 12
    for state in memory.states:
        late = copy.deepcopy(start)
        steps = [t.step for t in loop(late, data.train, data.preprocessing, loss, training, 5, diary(state))]
        assert steps == list(range(state["step"], 12))
        assert all(torch.equal(late.state_dict()[name], value) for name, value in whole.state_dict().items())


def test_setbacks_are_remembered(data: Data, diary: Any) -> None:
    model, memory = nn.Linear(1, 1, bias=False).double(), diary()
    training = Training(epochs=2, batch=64, schedule="constant", lr=0.5)
    ticks = loop(model, data.train, data.preprocessing, lambda m, x, t: m.weight.sum(), training, 0, memory)
    next(ticks)
    next(ticks)  # by now the state after the first epoch is kept
    memory.states[-1] = {**memory.states[-1], "setbacks": 2}
    before = memory.states[-1]["model"]["weight"].item()
    list(loop(model, data.train, data.preprocessing, lambda m, x, t: m.weight.sum(), training, 0, memory))
    assert before - model.weight.item() == pytest.approx(0.5 / 4 * (1 + 0.9 * 1.9), rel=1e-12)


def test_a_failure_is_reported_with_the_step_that_failed(data: Data) -> None:
    model, bad = nn.Linear(1, 1).double(), iter([1.0, 1.0, math.nan] * 4)
    with pytest.raises(DataError) as caught:
        list(loop(model, data.train, data.preprocessing, lambda m, x, t: m.weight.sum() * next(bad), Training(batch=8), 0))
    assert caught.value.where.startswith("training step 2,")


def test_a_model_with_nothing_to_train_is_refused(model: nn.Module, data: Data) -> None:
    with pytest.raises(ModelError, match="nothing to train"):
        run(model.requires_grad_(False), data, Training())


def test_frozen_weights_stay(model: nn.Module, data: Data) -> None:
    model.stem.requires_grad_(False)
    stem, fc = model.stem.weight.detach().clone(), model.fc.weight.detach().clone()
    run(model, data, Training(lr=0.1, weight_decay=0.1))
    assert torch.equal(model.stem.weight, stem)
    assert not torch.equal(model.fc.weight, fc)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16], ids=str)
def test_inputs_take_the_type_of_the_weights(model: nn.Module, data: Data, dtype: torch.dtype) -> None:
    ticks = run(model.to(dtype), data, Training(epochs=2, batch=32, lr=0.001))
    assert len(ticks) == 4
    assert model.fc.weight.dtype == dtype


def test_regression_is_trained_by_the_user_s_own_loss() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((100, 3)).astype(np.float32)
    targets = inputs @ np.float32([[1], [-2], [3]]) + 0.5
    model = nn.Linear(3, 1)
    training = Training(epochs=40, batch=10, lr=0.05)
    split, preprocessing = Split(inputs, targets), Preprocessing((3,), scale=1.0)
    for _ in loop(model, split, preprocessing, from_task(functional.mse_loss), training, torch.Generator()):
        pass
    assert torch.allclose(model.weight, torch.tensor([[1.0, -2, 3]]), atol=1e-3)
    assert torch.allclose(model.bias, torch.tensor([0.5]), atol=1e-3)


def test_sparse_gradients_are_descended(data: Data) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(9, 4, sparse=True), nn.Flatten(), nn.Linear(12, 4))
    split = Split(np.arange(24).reshape(8, 3) % 9, np.arange(8) % 4)
    before = model[0].weight.detach().clone()
    list(loop(model, split, tokens(3), LOSS, Training(batch=4), 0))
    assert not torch.equal(model[0].weight, before)
