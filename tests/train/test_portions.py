"""A step in portions is the same step: batches that accumulate, and batches for which memory does not suffice (bar R16)."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from laconic import Finetune
from laconic.base.errors import ResourceError
from laconic.datasets.data import Data
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.train import BatchLoss, Tick, Training, classification, course, from_task, loop

LOSS = from_task(classification.loss)
SHORTAGES: dict[str, Callable[[], Exception]] = {
    "gpu": lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.\nMore"),
    "torch": lambda: RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9663676416 bytes."),
    "windows": lambda: RuntimeError("not enough memory: you tried to allocate 9663676416 bytes."),
    "python": MemoryError,
}


def plain() -> nn.Module:
    """Without batch normalisation, in double precision, so that sums of parts are sums."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 4)).double().eval()


def train(model: nn.Module, data: Data, training: Training, loss: BatchLoss = LOSS) -> list[Tick]:
    return list(loop(model, data.train, data.preprocessing, loss, training, 0))


def near(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.allclose(a, b, rtol=1e-9, atol=1e-12) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def fits(most: int, shortage: Callable[[], Exception] = SHORTAGES["gpu"], sizes: list[int] | None = None) -> BatchLoss:
    """The loss of one who has memory for so many samples."""

    def loss(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
        if len(inputs) > most:
            raise shortage()
        if sizes is not None:
            sizes.append(len(inputs))
        return classification.loss(model(inputs), targets)

    return loss


@pytest.mark.parametrize(("batch", "accumulate"), [(16, 4), (10, 2), (6, 5), (7, 9)])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_accumulated_batches_take_the_step_of_the_great_batch(data: Data, batch: int, accumulate: int, optimizer: str) -> None:
    great, small = plain(), plain()
    told = train(great, data, Training(epochs=2, batch=batch * accumulate, lr=0.05, optimizer=optimizer))  # type: ignore[arg-type]
    tells = train(small, data, Training(epochs=2, batch=batch, accumulate=accumulate, lr=0.05, optimizer=optimizer))  # type: ignore[arg-type]
    assert [(t.step, t.steps) for t in told] == [(t.step, t.steps) for t in tells]
    assert [t.loss for t in told] == pytest.approx([t.loss for t in tells], rel=1e-9)
    assert near(great, small)
    assert not near(great, plain())


@pytest.mark.parametrize("shortage", SHORTAGES.values(), ids=SHORTAGES)
def test_where_memory_runs_out_the_step_stays_the_same_in_smaller_portions(data: Data, shortage: Callable[[], Exception]) -> None:
    free, short, sizes = plain(), plain(), []  # type: ignore[var-annotated]
    training = Training(epochs=2, batch=40, lr=0.05)
    told, tells = train(free, data, training), train(short, data, training, fits(7, shortage, sizes))
    assert near(free, short)
    assert {t.most for t in told} == {None}
    assert {t.most for t in tells} == {5}  # 40, 20, 10, 5
    assert str(tells[0]).endswith("memory suffices for 5 samples at a time")
    assert set(sizes) == {4, 5}
    assert sum(sizes) == 2 * 64


def test_a_shortage_in_the_backward_pass_leaves_nothing_of_the_attempt(data: Data) -> None:
    class Heavy(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
            ctx.samples = len(x)
            return x.clone()

        @staticmethod
        def backward(ctx, gradient: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
            if ctx.samples > 12:
                raise MemoryError
            return gradient

    def loss(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
        outputs = model[3](model[:3](inputs))
        return functional.cross_entropy(Heavy.apply(outputs), targets)

    free, short = plain(), plain()
    train(free, data, Training(batch=32))
    train(short, data, Training(batch=32), loss)
    assert near(free, short)


def test_dropout_is_drawn_anew_for_every_attempt(data: Data) -> None:
    torch.manual_seed(0)
    start = nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(64, 4))
    first, second = copy.deepcopy(start), copy.deepcopy(start)
    train(first, data, Training(batch=32), fits(8))
    train(second, data, Training(batch=32), fits(9))  # which is 8 after two halvings, too
    assert torch.equal(first[2].weight, second[2].weight)


def test_a_single_sample_that_does_not_fit_is_reported_with_what_was_asked_for(data: Data) -> None:
    model = plain()
    before = copy.deepcopy(model)
    with pytest.raises(ResourceError, match="not enough memory to train") as caught:
        train(model, data, Training(batch=64), fits(0))
    assert caught.value.exit_code == 6
    assert caught.value.where == "training step 0, 1 sample at a time"
    assert caught.value.hint.endswith("Tried to allocate 20.00 MiB.")
    assert near(model, before)


def test_one_sample_at_a_time_is_enough(data: Data) -> None:
    free, short = plain(), plain()
    train(free, data, Training(batch=33, lr=0.05))
    train(short, data, Training(batch=33, lr=0.05), fits(1))
    assert near(free, short)


def test_batch_normalisation_never_gets_a_single_sample(model: nn.Module, data: Data) -> None:
    sizes: list[int] = []
    train(model, data, Training(batch=21), fits(3, sizes=sizes))
    assert set(sizes) <= {2, 3}
    with pytest.raises(ResourceError, match="not enough memory") as caught:
        train(model, data, Training(batch=21), fits(1))
    assert caught.value.where.endswith("2 samples at a time")


def test_other_errors_are_told_as_they_are(data: Data) -> None:
    def loss(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        train(plain(), data, Training(), loss)


def test_a_training_that_ran_short_goes_on_in_the_same_portions(data: Data, diary, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(course, "KEEP_EVERY", -1.0)
    whole, late, memory = plain().float(), plain().float(), diary()
    list(loop(whole, data.train, data.preprocessing, fits(7), Training(batch=32), 0, memory))
    memory.states = memory.states[:1]
    ticks = list(loop(late, data.train, data.preprocessing, LOSS, Training(batch=32), 0, memory))  # and memory would suffice now
    assert [t.most for t in ticks] == [4]
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), late.parameters(), strict=True))


def test_it_is_told_in_the_progress(data: Data) -> None:
    told: list[str] = []
    model = plain()
    context = Context(data, model, progress=lambda what, share, detail: told.append(detail))
    context.fit(Network(model), fits(16), Training(batch=32), "practise")
    assert all("memory suffices for 16 samples at a time" in line for line in told)


def test_steps_accumulate(model: nn.Module, data: Data) -> None:
    assert str(Finetune(batch=8, accumulate=4)) == "finetune: {epochs: 1, batch: 8, accumulate: 4}"
    assert torch.isfinite(Finetune(batch=8, accumulate=4)(model, data).module.fc.weight).all()
