"""mixup and CutMix: what goes in is a mean or a collage, and the loss is the same mean of two losses, of any task and with a teacher."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional

from laconic import Distill, Finetune
from laconic.base.errors import DataError
from laconic.base.preprocessing import Preprocessing, tokens
from laconic.datasets.data import Data, Split
from laconic.train import Task, Training, classification, from_task, labels, loop
from laconic.train.mixing import Blend, Mixing

IMAGES = torch.arange(5.0)[:, None, None, None].expand(5, 2, 6, 8).clone()  # every image has a value of its own
TARGETS = torch.arange(5)


@given(st.integers(0, 10**6), st.floats(0.1, 8))
@settings(max_examples=50)
def test_mixup_is_the_mean_that_the_share_says(seed: int, alpha: float) -> None:
    inputs, targets = Mixing(mixup=alpha)(IMAGES, TARGETS, seed)
    assert torch.equal(targets.first, TARGETS)
    assert sorted(targets.second.tolist()) == TARGETS.tolist()
    wanted = targets.share * targets.first + (1 - targets.share) * targets.second
    assert torch.allclose(inputs, wanted[:, None, None, None].expand_as(inputs), atol=1e-5)


@given(st.integers(0, 10**6), st.floats(0.1, 8))
@settings(max_examples=50)
def test_cutmix_pastes_one_box_whose_area_the_share_leaves(seed: int, alpha: float) -> None:
    before = IMAGES.clone()
    inputs, targets = Mixing(cutmix=alpha)(IMAGES, TARGETS, seed)
    assert torch.equal(IMAGES, before)
    foreign = inputs != IMAGES
    assert torch.equal(inputs[foreign], targets.second[:, None, None, None].expand_as(inputs)[foreign].float())
    for image in foreign[targets.first != targets.second]:
        assert image.float().mean().item() == pytest.approx(1 - targets.share, abs=1e-6)
        rows, columns = image[0].any(1).nonzero(), image[0].any(0).nonzero()
        if len(rows):
            assert image[:, rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].all()


def test_a_box_that_no_border_cuts_off_takes_what_the_share_was_drawn_as() -> None:
    """CutMix, equation 1: sides of √(1 − λ). With so great an α, all λ drawn are one half."""
    images = torch.arange(2.0)[:, None, None, None].expand(2, 1, 64, 64)
    shares = [Mixing(cutmix=1e9)(images, torch.arange(2), seed)[1].share for seed in range(200)]
    assert min(shares) == pytest.approx(0.5, abs=0.03)
    assert max(shares) > 0.7, "boxes at the border are smaller"


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_shares_follow_the_beta_distribution(alpha: float) -> None:
    shares = [Mixing(mixup=alpha)(IMAGES, TARGETS, seed)[1].share for seed in range(400)]
    assert stats.kstest(shares, stats.beta(alpha, alpha).cdf).pvalue > 0.01


def test_with_both_a_coin_decides() -> None:
    means = [bool(((made := Mixing(1.0, 1.0)(IMAGES, TARGETS, seed)[0]) != made.round()).any()) for seed in range(200)]
    assert 70 < sum(means) < 130


def test_the_loss_is_the_cross_entropy_against_both_labels() -> None:
    outputs = torch.randn(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    one, other = torch.tensor([0, 1, 2, 3, 0, 1]), torch.tensor([3, 3, 2, 1, 1, 0])
    soft = 0.3 * functional.one_hot(one, 4).double() + 0.7 * functional.one_hot(other, 4).double()
    found = labels(classification, Training())(outputs, Blend(one, other, 0.3))
    assert found.item() == pytest.approx(functional.cross_entropy(outputs, soft).item(), rel=1e-12)
    smooth = labels(classification, Training(smoothing=0.2))(outputs, Blend(one, other, 0.3))
    assert smooth.item() == pytest.approx(functional.cross_entropy(outputs, 0.8 * soft + 0.2 / 4).item(), rel=1e-12)


def test_a_blend_is_cut_and_counted_like_targets() -> None:
    blend = Blend(torch.arange(5), torch.arange(5, 10), 0.25)
    part = blend[1:3].to(torch.device("cpu"))
    assert (len(blend), len(part), part.share) == (5, 2, 0.25)
    assert (part.first.tolist(), part.second.tolist()) == ([1, 2], [6, 7])


def test_the_model_runs_once_a_batch_and_batches_differ(model: nn.Module, data: Data) -> None:
    seen: list[Tensor] = []
    shares: list[float] = []

    def loss(net: nn.Module, inputs: Tensor, targets: Blend) -> Tensor:
        seen.append(inputs)
        shares.append(targets.share)
        return labels(classification, Training())(net(inputs), targets)

    runs = 0

    def count(*_: object) -> None:
        nonlocal runs
        runs += 1

    model.stem.register_forward_hook(count)
    list(loop(model, data.train, data.preprocessing, loss, Training(epochs=2, batch=16, mixup=1.0), 0))
    assert runs == 8
    assert len(set(shares)) == 8
    assert {len(inputs) for inputs in seen} == {16}


def test_portions_of_a_mixed_step_add_up_to_it(data: Data) -> None:
    def trained(accumulated: bool) -> nn.Module:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(64, 4)).double()
        loss = from_task(labels(classification, Training()))

        def short(net: nn.Module, inputs: Tensor, targets: Blend) -> Tensor:
            if accumulated and len(inputs) > 5:
                raise MemoryError
            return loss(net, inputs, targets)

        list(loop(model, data.train, data.preprocessing, short, Training(epochs=2, batch=16, cutmix=1.0), 0))
        return model

    assert torch.allclose(trained(True)[1].weight, trained(False)[1].weight, rtol=1e-9)


@pytest.mark.parametrize("fields", [{"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 0.4, "cutmix": 1.0}], ids=str)
def test_it_learns_from_labels_and_from_a_teacher(model: nn.Module, data: Data, fields: dict[str, float]) -> None:
    taught = Finetune(epochs=12, batch=16, lr=0.02, **fields)(model, data)  # type: ignore[arg-type]
    taught = Distill(epochs=3, batch=16, lr=0.01, **fields)(taught, data)  # type: ignore[arg-type]
    inputs = torch.from_numpy(data.preprocessing.apply(data.test.inputs))
    with torch.no_grad():
        assert (taught.module(inputs).argmax(1).numpy() == data.test.targets).mean() > 0.7


def test_a_task_of_the_user_s_own_is_mixed_too() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((60, 3)).astype(np.float32)
    split = Split(inputs, inputs @ np.float32([[1], [-2], [3]]))
    task, model = Task(functional.mse_loss, lambda o, t: ((o - t) ** 2).sum(1), "squared error"), nn.Linear(3, 1)
    training = Training(epochs=60, batch=10, lr=0.05, mixup=1.0)
    list(loop(model, split, Preprocessing((3,), scale=1.0), from_task(labels(task, training)), training, 0))
    assert torch.allclose(model.weight, torch.tensor([[1.0, -2, 3]]), atol=0.15)


def test_what_cannot_be_mixed_is_refused_before_anything_is_trained(model: nn.Module) -> None:
    flat = Split(np.zeros((8, 5), np.float32), np.zeros(8, np.int64))
    rows = Data("rows", flat, flat, flat, Preprocessing((5,), scale=1.0), ("a",))
    with pytest.raises(DataError, match="no images"):
        Finetune(cutmix=1.0)(nn.Linear(5, 1), rows)
    words = Split(np.zeros((8, 5), np.int64), np.zeros((8, 5), np.int64))
    text = Data("text", words, words, words, tokens(5))
    with pytest.raises(DataError, match="whole numbers cannot be mixed"):
        Finetune(mixup=1.0)(model, text)
    with pytest.raises(DataError, match="whole numbers cannot be mixed"):
        Mixing(mixup=1.0)(torch.zeros(2, 5, dtype=torch.int64), torch.zeros(2), 0)
    with pytest.raises(DataError, match="no images"):
        Mixing(cutmix=1.0)(torch.zeros(2, 5), torch.zeros(2), 0)
