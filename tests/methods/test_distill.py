"""The loss of Hinton et al. against numbers worked out by hand, and a teacher who is not changed by teaching."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from laconic.base.errors import ModelError, RecipeError
from laconic.datasets.data import Data
from laconic.graph.network import Network
from laconic.methods.distill import Distill
from laconic.methods.finetune import Finetune
from laconic.methods.step import Context
from laconic.train import Task, classification
from laconic.train.soft_targets import soft_targets

Apply = Callable[..., Network]
LOGITS = (100.0, 10.0, 1.0)


def softmax(values: list[float]) -> list[float]:
    whole = sum(math.exp(v) for v in values)
    return [math.exp(v) / whole for v in values]


def test_logits_100_10_1_at_temperature_100_are_softened_to_1_and_a_tenth_and_a_hundredth() -> None:
    taught, learnt = softmax([1.0, 0.1, 0.01]), softmax([0.0, 0.0, 0.0])
    wanted = 100**2 * sum(p * (math.log(p) - math.log(q)) for p, q in zip(taught, learnt, strict=True))
    got = soft_targets(torch.zeros(1, 3, dtype=torch.float64), torch.tensor([LOGITS], dtype=torch.float64), 100.0)
    assert float(got) == pytest.approx(wanted, rel=1e-12)
    assert taught == pytest.approx([0.5623, 0.2286, 0.2090], abs=1e-3)


def test_it_is_the_mean_over_the_batch_and_zero_for_a_perfect_student() -> None:
    one, other = torch.tensor([LOGITS, (3.0, 2.0, 1.0)]), torch.tensor([(1.0, 2.0, 3.0), (0.0, 5.0, 0.0)])
    apart = [float(soft_targets(one[i : i + 1], other[i : i + 1], 4.0)) for i in range(2)]
    assert float(soft_targets(one, other, 4.0)) == pytest.approx(sum(apart) / 2, rel=1e-6)
    assert float(soft_targets(one, one, 4.0)) == pytest.approx(0, abs=1e-6)


def test_the_gradient_is_temperature_times_the_difference_of_the_softened_outputs() -> None:
    """Hinton 2015, eq. 2: ∂C/∂z = (q − p)/τ, times τ²."""
    student = torch.tensor([[0.3, -1.0, 2.0]], dtype=torch.float64, requires_grad=True)
    teacher = torch.tensor([[1.5, 0.2, -0.7]], dtype=torch.float64)
    soft_targets(student, teacher, 3.0).backward()
    assert torch.allclose(student.grad, 3.0 * (torch.softmax(student / 3, 1) - torch.softmax(teacher / 3, 1)), rtol=1e-12)


def test_the_gradient_keeps_its_size_when_the_temperature_rises() -> None:
    """Hinton 2015, eq. 4: for high τ it is the difference of the centred logits over the number of classes."""
    student, teacher = torch.tensor([[0.3, -1.0, 2.0]], dtype=torch.float64), torch.tensor([[1.5, 0.2, -0.7]], dtype=torch.float64)
    limit = ((student - student.mean()) - (teacher - teacher.mean())) / 3
    for temperature, tolerance in ((1e2, 2e-2), (1e3, 2e-3), (1e4, 2e-4)):
        learner = student.clone().requires_grad_()
        soft_targets(learner, teacher, temperature).backward()
        assert torch.allclose(learner.grad, limit, rtol=tolerance, atol=0)


@pytest.mark.parametrize(("labels", "weight"), [(True, 0.5), (True, 0.0), (False, 2.0)])
def test_the_loss_is_the_labels_plus_the_weighted_teacher(model: nn.Module, data: Data, labels: bool, weight: float) -> None:
    student = type(model)().eval()
    step = Distill(temperature=3.0, weight=weight, labels=labels)
    inputs, targets = torch.randn(4, 1, 8, 8), torch.tensor([0, 1, 2, 3])
    got = step._loss(model, Context(data, model))(student, inputs, targets)
    wanted = weight * soft_targets(student(inputs), model(inputs), 3.0)
    wanted = wanted + nn.functional.cross_entropy(student(inputs), targets) * labels
    assert got.item() == pytest.approx(wanted.item(), rel=1e-6)
    got.backward()
    assert all(p.grad is None for p in model.parameters())


def test_the_teacher_is_unchanged_and_the_student_may_be_the_teacher(model: nn.Module, data: Data, digest) -> None:  # type: ignore[no-untyped-def]
    model.train()
    before = digest(model)
    network = Network(model)
    context = Context(data, model)
    step = Distill(epochs=1, batch=16, lr=0.05)
    trained = step.apply(network, step.plan(network, context), context)
    assert digest(model) == before
    assert not torch.equal(trained.module.fc.weight, model.fc.weight)
    assert trained.module.fc.weight.requires_grad


def test_without_labels_a_student_comes_to_say_what_the_teacher_says(model: nn.Module, data: Data, apply: Apply) -> None:
    teacher = apply(Finetune(epochs=5, batch=16, lr=0.02), Network(model)).module
    torch.manual_seed(1)
    student = Network(type(model)().eval())
    inputs = torch.from_numpy(data.preprocessing.apply(data.train.inputs))

    def apart(network: Network) -> float:
        with torch.no_grad():
            return soft_targets(network.module(inputs), teacher(inputs), 1.0).item()

    taught = apply(Distill(epochs=15, batch=16, lr=0.02, labels=False, temperature=2.0), student, original=teacher)
    assert apart(taught) < apart(student) / 5


def write_teacher(folder: Path, classes: int) -> str:
    (folder / "net.py").write_text(
        f"from torch import nn\ndef build():\n    return nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(64, {classes}))\n"
    )
    return f"{folder / 'net.py'}:build"


def test_a_teacher_may_be_any_model_of_the_same_outputs(model: nn.Module, data: Data, tmp_path: Path) -> None:
    step = Distill(epochs=1, batch=16, teacher=write_teacher(tmp_path, 4))
    assert not step._teacher(Context(data, model)).training
    assert step(model.double(), data).module.fc.weight.dtype == torch.float64


def test_a_teacher_of_other_outputs_is_refused_before_anything_is_trained(model: nn.Module, data: Data, tmp_path: Path) -> None:
    step = Distill(epochs=10**9, teacher=write_teacher(tmp_path, 5))
    with pytest.raises(ModelError, match=r"the teacher's outputs have shape \(5,\), the student's \(4,\)"):
        step(model, data)


def test_a_teacher_that_does_not_exist_is_refused_before_anything_is_trained(model: nn.Module, data: Data) -> None:
    with pytest.raises(ModelError):
        Distill(epochs=10**9, teacher="nowhere.py:build")(model, data)


def test_a_task_of_the_user_s_own_gives_the_labels_loss(model: nn.Module, data: Data) -> None:
    task = Task(lambda o, t: o.sum() * 0 + 7.0, classification.score, "top-1")
    loss = Distill(weight=0.0)._loss(model, Context(data, model, task))
    assert loss(model, torch.zeros(2, 1, 8, 8), torch.zeros(2, dtype=torch.int64)).item() == 7.0


WRONG = {
    "frozen": {"temperature": 0.0},
    "endless": {"temperature": math.inf},
    "no number": {"temperature": math.nan},
    "negative": {"weight": -1.0},
    "training": {"lr": 0.0},
    "untrained teacher": {"teacher": "zoo:resnet20"},
    "weights of the original": {"teacher_weights": "a.pt"},
}


@pytest.mark.parametrize("fields", WRONG.values(), ids=WRONG.keys())
def test_values_that_cannot_be_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(RecipeError):
        Distill(**fields)  # type: ignore[arg-type]


def test_the_plan_tells_the_loss(model: nn.Module, data: Data) -> None:
    row = Distill(epochs=3, temperature=6.0, weight=0.7).plan(Network(model), Context(data, model)).rows[0]
    assert row["loss"] == "H(labels, student) + 0.7 · 6² · H(teacher, student; τ = 6)"
    assert (row["teacher"], row["epochs"]) == ("original", 3)
    assert np.isclose(row["lr"], 0.01)
