"""Mixed precision: narrow products, wide weights, outputs and losses."""

import copy

import pytest
import torch
from torch import Tensor, nn

from laconic import Distill, Finetune
from laconic.base.errors import RecipeError
from laconic.datasets.data import Data
from laconic.train import Training, classification, from_task, loop
from laconic.train.precision import mixed
from laconic.train.soft_targets import soft_targets

MIXED = Training(epochs=15, batch=16, lr=0.05, precision="mixed")


def losses(model: nn.Module, data: Data, training: Training) -> list[float]:
    return [tick.loss for tick in loop(model, data.train, data.preprocessing, from_task(classification.loss), training, 0)]


def test_it_learns_and_keeps_what_it_learns_in_full(model: nn.Module, data: Data) -> None:
    found = losses(model, data, MIXED)
    assert sum(found[-4:]) / 4 < 0.1 < found[0]
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert any(p.detach().bfloat16().float().ne(p).any() for p in model.parameters())


def test_products_are_narrow_while_a_loss_is_computed_and_at_no_other_time(model: nn.Module, data: Data) -> None:
    inside: list[torch.dtype] = []
    model.fc.register_forward_hook(lambda layer, inputs, outputs: inside.append(outputs.dtype))

    def loss(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
        assert inputs.is_contiguous(memory_format=torch.channels_last)
        outputs = model(inputs)
        assert outputs.dtype == torch.float32
        return classification.loss(outputs, targets)

    for _ in loop(model, data.train, data.preprocessing, loss, Training(batch=16, precision="mixed"), 0):
        with torch.no_grad():
            assert model(torch.zeros(1, *data.preprocessing.shape)).dtype == torch.float32
    assert inside[::2] == [torch.bfloat16] * (len(inside) // 2)
    assert inside[1::2] == [torch.float32] * (len(inside) // 2)
    assert not model._forward_hooks


def test_it_is_near_to_training_in_full(model: nn.Module, data: Data) -> None:
    twin = copy.deepcopy(model)
    narrow, full = (losses(m, data, Training(epochs=2, batch=16, precision=p)) for m, p in ((model, "mixed"), (twin, "full")))
    assert narrow != full
    assert narrow == pytest.approx(full, rel=0.05, abs=0.02)


def test_a_double_model_is_left_as_it_is(model: nn.Module, data: Data) -> None:
    twin = copy.deepcopy(model)
    assert losses(model.double(), data, Training(precision="mixed")) == losses(twin.double(), data, Training())


def test_steps_take_it(model: nn.Module, data: Data) -> None:
    torch.manual_seed(0)
    taught = Distill(epochs=2, batch=16, precision="mixed")(Finetune(epochs=4, batch=16, precision="mixed")(model, data).module, data)
    assert all(bool(p.isfinite().all()) for p in taught.module.parameters())
    assert str(Finetune(precision="mixed")) == "finetune: {epochs: 1, precision: mixed}"


def test_other_words_are_refused() -> None:
    with pytest.raises(RecipeError, match="precision cannot be 'half'"):
        Training(precision="half")  # type: ignore[arg-type]


def test_a_teachers_narrow_outputs_are_widened_before_they_are_compared() -> None:
    student, teacher = torch.randn(2, 8, 10, generator=torch.Generator().manual_seed(0)).bfloat16()
    assert soft_targets(student, teacher, 4.0).equal(soft_targets(student.float(), teacher.float(), 4.0))


def test_images_come_with_their_channels_innermost() -> None:
    """That is what narrow kernels work on."""
    seen: list[bool] = []

    class Watching(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(x.is_contiguous(memory_format=torch.channels_last))
            return super().forward(x.flatten(1))

    images = torch.randn(2, 3, 4, 4)
    mixed(from_task(nn.functional.cross_entropy))(Watching(48, 4), images, torch.arange(2))
    assert seen == [True]
    assert not images.is_contiguous(memory_format=torch.channels_last)
