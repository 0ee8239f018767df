"""The loss of Hinton et al. against numbers worked out by hand, and a teacher who is not changed by teaching."""

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from laconic.base.errors import ModelError, RecipeError
from laconic.datasets.data import Data
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.methods.distill import Distill
from laconic.methods.distill.distill import _forget
from laconic.methods.distill.layers import Taps
from laconic.methods.distill.school import School
from laconic.methods.finetune import Finetune
from laconic.methods.share import Share
from laconic.train import Task, classification
from laconic.train.soft_targets import soft_targets
from laconic.train.task import BatchLoss

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


def lesson(step: Distill, model: nn.Module, data: Data, task: Task = classification) -> BatchLoss:
    """The loss as the training begins."""
    school = School(step, Network(model), Context(data, model, task))
    return school.lesson(school.teachers).at(0.0)


@pytest.mark.parametrize(("labels", "weight"), [(True, 0.5), (True, 0.0), (False, 2.0)])
def test_the_loss_is_the_labels_plus_the_weighted_teacher(model: nn.Module, data: Data, labels: bool, weight: float) -> None:
    student = type(model)().eval()
    inputs, targets = torch.randn(4, 1, 8, 8), torch.tensor([0, 1, 2, 3])
    got = lesson(Distill(temperature=3.0, weight=weight, labels=labels), model, data)(student, inputs, targets)
    wanted = weight * soft_targets(student(inputs), model(inputs), 3.0)
    wanted = wanted + nn.functional.cross_entropy(student(inputs), targets) * labels
    assert got.item() == pytest.approx(wanted.item(), rel=1e-6)
    got.backward()
    assert all(p.grad is None for p in model.parameters())


def test_outputs_that_decide_nothing_are_met_by_their_squared_difference(model: nn.Module, data: Data) -> None:
    student, inputs = type(model)().eval(), torch.randn(4, 1, 8, 8)
    regression = Task(nn.functional.mse_loss, lambda o, t: (o - t).abs().mean(1), "error", higher_is_better=False)
    wanted = nn.functional.mse_loss(student(inputs), model(inputs)).item()
    for step, task in ((Distill(labels=False), regression), (Distill(labels=False, match="mse"), classification)):
        assert lesson(step, model, data, task)(student, inputs, torch.zeros(4)).item() == pytest.approx(wanted)


def test_temperature_and_weight_go_to_where_they_are_sent(model: nn.Module, data: Data) -> None:
    student, inputs, targets = type(model)().eval(), torch.randn(4, 1, 8, 8), torch.arange(4)
    step = Distill(temperature=8.0, final_temperature=2.0, weight=0.0, final_weight=3.0, labels=False)
    school = School(step, Network(model), Context(data, model))
    for progress in (0.0, 0.5, 0.75):
        wanted = 3 * progress * soft_targets(student(inputs), model(inputs), 8 - 6 * progress)
        assert school.lesson(school.teachers).at(progress)(student, inputs, targets).item() == pytest.approx(wanted.item(), abs=1e-6)


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
    assert lesson(Distill(weight=0.0), model, data, task)(model, torch.zeros(2, 1, 8, 8), torch.zeros(2)).item() == 7.0


def narrow(width: int) -> nn.Module:
    torch.manual_seed(2)
    conv = nn.Sequential(nn.Conv2d(1, width, 3, stride=2, padding=1), nn.BatchNorm2d(width), nn.ReLU())
    return nn.Sequential(conv, nn.Conv2d(width, width, 3, padding=1), nn.Flatten(), nn.Linear(width * 16, 4)).eval()


def test_hints_come_first_and_train_only_what_is_below_them(model: nn.Module, data: Data) -> None:
    student = narrow(3)
    step = Distill(epochs=0, batch=16, lr=0.1, hints=1.0, hint_epochs=4, layers={"0": "block"}, teacher=model)
    trained = step(student, data).module
    assert torch.equal(trained[1].weight, student[1].weight)
    assert not torch.equal(trained[0][0].weight, student[0][0].weight)


def test_after_the_hints_only_outputs_are_learnt(model: nn.Module, data: Data) -> None:
    step = Distill(epochs=1, batch=32, weight=0.0, labels=False, hints=1.0, hint_epochs=1, layers={"1": "block"}, teacher=model)
    student, told = Network(narrow(3)), list[str]()
    context = Context(data, student.module, progress=lambda what, share, line: told.append(line))
    step.apply(student, step.plan(student, context), context)
    losses = {stage: [float(line.split()[2]) for line in told if line.startswith(stage)] for stage in ("hints", "distill")}
    assert min(losses["hints"]) > 0
    assert losses["distill"] == [0.0, 0.0]


def test_hints_are_learnt_to_their_end_whatever_the_score(model: nn.Module, data: Data) -> None:
    """Nothing above the hints has been trained yet, so a score says nothing."""
    step = Distill(epochs=1, batch=32, lr=1e-6, hints=1.0, hint_epochs=4, patience=1, layers={"1": "block"}, teacher=model)
    student, told = Network(narrow(3)), list[str]()
    context = Context(data, student.module, progress=lambda what, share, line: told.append(line))
    step.apply(student, step.plan(student, context), context)
    assert sum(line.startswith("hints") for line in told) == 4 * 2


def test_a_hint_brings_the_layer_nearer_to_the_teacher_s(model: nn.Module, data: Data) -> None:
    def unexplained(student: nn.Module) -> float:
        """Of the teacher's layer by the best linear map of the student's."""
        inputs = torch.from_numpy(data.preprocessing.apply(data.test.inputs))
        with torch.no_grad():
            ours, theirs = (
                values.movedim(1, 3).flatten(0, 2)
                for values in (student[0](inputs), model.block(torch.relu(model.norm(model.stem(inputs)))))
            )
        ours = torch.cat([ours, torch.ones(len(ours), 1)], 1)
        return float((ours @ torch.linalg.lstsq(ours, theirs).solution - theirs).square().mean())

    trained = Distill(
        epochs=1, weight=0.0, labels=False, batch=8, lr=0.05, hints=1.0, hint_epochs=30, layers={"0": "block"}, teacher=model
    )(narrow(5), data)
    assert unexplained(trained.module) < 0.8 * unexplained(narrow(5))


@pytest.mark.parametrize("term", ["hints", "attention", "similarity", "relations"])
def test_terms_of_layers_fall_while_they_are_trained(term: str, model: nn.Module, data: Data) -> None:
    step = Distill(epochs=20, batch=32, lr=0.02, weight=0.0, labels=False, layers={"1": "block"}, teacher=model, **{term: 1.0})
    student = Network(narrow(4))
    told: list[str] = []
    context = Context(data, student.module, progress=lambda what, share, line: told.append(line))
    step.apply(student, step.plan(student, context), context)
    first, last = (float(line.rpartition(" ")[2]) for line in (told[0], told[-1]))
    assert last < 0.9 * first


def test_a_step_leaves_no_hook_and_no_regressor_in_the_network(model: nn.Module, data: Data) -> None:
    trained = Distill(epochs=1, batch=16, hints=1.0, attention=1.0, teacher=model, layers={"1": "block"})(narrow(3), data).module
    assert list(trained.state_dict()) == list(narrow(3).state_dict())
    assert not any(part._forward_hooks for part in trained.modules())


class Diary:
    """Keeps every state, as a kill after any of them would find it."""

    def __init__(self, *states: Any) -> None:
        self.states = list(states)

    def recall(self) -> Any:
        return copy.deepcopy(self.states[-1]) if self.states else None

    def keep(self, state: Any) -> None:
        self.states.append(copy.deepcopy(state()))


def test_a_term_of_layers_counts_by_its_weight(model: nn.Module, data: Data) -> None:
    student, inputs, targets = Network(narrow(6)), torch.randn(4, 1, 8, 8), torch.arange(4)
    school = School(Distill(hints=3.0, layers={"1": "block"}, teacher=model), student, Context(data, model))
    taps = Taps(["1"]), Taps(["block"])
    with taps[0].on(student.module), taps[1].on(school.teachers[0]):
        with_it, without = (
            school.lesson(school.teachers, terms).at(0.0)(student.module, inputs, targets).item()
            for terms in ([replace(term, taps=taps) for term in school.terms], [])
        )
        apart = nn.functional.mse_loss(taps[0].given["1"], taps[1].given["block"]).item()
    assert with_it - without == pytest.approx(3 * apart, rel=1e-4)


def test_in_mutual_learning_each_is_drawn_by_its_own_loss_alone(model: nn.Module, data: Data) -> None:
    """Zhang et al. 2018, eqs. 6 and 7: the other's outputs are taken as they are."""
    student, inputs, targets = narrow(3), torch.randn(4, 1, 8, 8), torch.arange(4)
    school = School(Distill(mutual=True, weight=0.7, temperature=2.0), Network(student), Context(data, model))
    (peer,) = school.teachers
    school.lesson(school.teachers).at(0.0)(student, inputs, targets).backward()
    for one, other in ((student, peer), (peer, student)):
        outputs, fixed = one(inputs), other(inputs).detach()
        own = nn.functional.cross_entropy(outputs, targets) + 0.7 * soft_targets(outputs, fixed, 2.0)
        wanted = torch.autograd.grad(own, list(one.parameters()))
        assert all(torch.allclose(p.grad, gradient, atol=1e-5) for p, gradient in zip(one.parameters(), wanted, strict=True))


def test_in_mutual_learning_the_teacher_trains_along_as_a_copy(model: nn.Module, data: Data, digest) -> None:  # type: ignore[no-untyped-def]
    student, before, diary = Network(narrow(3)), digest(model), Diary()
    step, context = Distill(epochs=1, batch=16, mutual=True), Context(data, model, memory=diary)
    step.apply(student, step.plan(student, context), context)
    (peer,) = diary.states[-1]["state"]["companions"]
    assert not torch.equal(peer["fc.weight"], model.fc.weight)
    assert digest(model) == before


def test_assistants_stand_between_in_size_and_in_turn(model: nn.Module, data: Data) -> None:
    torch.manual_seed(0)
    teacher = nn.Sequential(nn.Flatten(), nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 4)).eval()
    student = nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.ReLU(), nn.Linear(4, 4)).eval()
    step, network, context = Distill(epochs=1, batch=16, assistants=1), Network(student), Context(data, teacher)
    (assistant,) = School(step, network, context).assistants
    sizes = [sum(p.numel() for p in m.parameters()) for m in (teacher, assistant, student)]
    assert sizes[1] == pytest.approx((sizes[0] * sizes[2]) ** 0.5, rel=0.05)
    told: list[str] = []
    step.apply(network, step.plan(network, context), replace(context, progress=lambda what, share, line: told.append(line.split(",")[0])))
    assert list(dict.fromkeys(told)) == ["assistant 1", "distill"]
    assert step.plan(network, context).rows[1]["teacher"] == f"original → {sizes[1]:,}"


def test_an_assistant_may_be_named(model: nn.Module, data: Data, tmp_path: Path) -> None:
    step = Distill(epochs=1, batch=16, assistants=(write_teacher(tmp_path, 4),))
    assert step(model, data).module.fc.weight.requires_grad


def test_born_again_it_forgets_first(model: nn.Module, data: Data) -> None:
    trained = Distill(epochs=0, teacher="self", scratch=True)(model, data).module
    assert not torch.equal(trained.fc.weight, model.fc.weight)
    assert trained.norm.running_mean.abs().max() == 0
    with pytest.raises(RecipeError, match="distill takes dense weights"):
        Distill(scratch=True)(Share(bits=2)(model, data), data)


class Attentive(nn.Module):
    """Attention of torch's, and a token that no module of torch's holds."""

    def __init__(self, token: bool) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.token = nn.Parameter(torch.ones(1, 1, 8)) if token else None
        self.fc = nn.Linear(64, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = x.reshape(-1, 8, 8)
        x = x if self.token is None else x + self.token
        return self.fc(self.attention(x, x, x, need_weights=False)[0].flatten(1))


def test_attention_is_forgotten_too_and_what_cannot_be_is_refused(data: Data) -> None:
    model = Attentive(token=False)
    trained = Distill(epochs=0, teacher="self", scratch=True)(model, data).module
    assert not torch.equal(trained.attention.in_proj_weight, model.attention.in_proj_weight)
    assert not trained.attention.out_proj.bias.any(), "as torch starts it"
    with pytest.raises(RecipeError, match="token cannot be drawn afresh"):
        Distill(epochs=1, teacher="self", scratch=True)(Attentive(token=True), data)


STAGED = Distill(epochs=2, batch=16, lr=0.02, hints=0.5, hint_epochs=2, layers={"1": "block.bn2"}, assistants=1)


@pytest.mark.parametrize("killed", [3, *(pytest.param(stage, marks=pytest.mark.slow) for stage in (1, 4, 6))])
def test_killed_in_any_stage_it_goes_on_as_if_it_had_not_been(killed: int, model: nn.Module, data: Data) -> None:
    """An assistant, hints, outputs: two epochs each, a state at the end of each."""

    def trained(memory: Diary) -> Tensor:
        network, context = Network(narrow(2)), Context(data, model, memory=memory)
        return STAGED.apply(network, STAGED.plan(network, context), context).module[0][0].weight

    whole = Diary()
    wanted = trained(whole)
    assert len(whole.states) == 6
    rest = Diary(whole.states[killed - 1])
    assert torch.equal(trained(rest), wanted)
    assert len(rest.states) == 1 + 6 - killed


WRONG = {
    "hot at the end": {"final_temperature": math.inf},
    "less than nothing at the end": {"final_weight": -1.0},
    "no teacher": {"teacher": ()},
    "a file for one of two": {"teacher": ("a.py:b", "c.py:d"), "teacher_weights": "a.pt"},
    "shares of others": {"shares": (1.0, 2.0)},
    "a share of nothing": {"shares": (0.0,)},
    "hints of nothing": {"hint_epochs": 2},
    "no layers": {"layers": {}},
    "all layers": {"layers": "all"},
    "a negative hint": {"hints": -1.0},
    "fewer than no assistants": {"assistants": -1},
    "mutual assistants": {"mutual": True, "assistants": 1},
    "features from a cache": {"cache": "folder", "attention": 1.0},
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
    step = Distill(epochs=3, temperature=6.0, weight=0.7, hints=0.5, attention=9.0, layers={"1": "block"}, teacher=model)
    rows = step.plan(Network(narrow(3)), Context(data, model)).rows
    assert [(row["term"], row["weight"], row["loss"]) for row in rows] == [
        ("labels", "1", "H(labels, S)"),
        ("outputs", "0.7", "6² · KL(T, S; τ = 6)"),
        ("hints", "0.5", "|r(S) − T|², r 1×1 convolution 3 → 6"),
        ("attention", "9.0", "|q(S) − q(T)|², q of squares over channels"),
    ]
    assert rows[2]["student"], rows[2]["teacher"] == ("1 3×4×4", "block 6×4×4")


def test_teachers_given_in_python_are_named_in_the_recipe(model: nn.Module) -> None:
    assert str(Distill(teacher=model)) == "distill: {epochs: 1, teacher: TinyNet}"
    assert (
        str(Distill(teacher=("original", model), shares=(2.0, 1.0)))
        == "distill: {epochs: 1, teacher: [original, TinyNet], shares: [2.0, 1.0]}"
    )


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_regressor_is_of_the_student_s_type_or_wider(dtype: torch.dtype, model: nn.Module, data: Data) -> None:
    trained = Distill(epochs=1, batch=16, hints=1.0, layers={"1": "block"}, teacher=model)(narrow(3).to(dtype), data).module
    assert trained[3].weight.dtype == dtype


def test_a_student_in_training_mode_stays_as_it_is(model: nn.Module, data: Data, digest) -> None:  # type: ignore[no-untyped-def]
    """Its layers are looked at, and statistics of normalisations would follow what they see."""
    student = narrow(3).train()
    before = digest(student)
    Distill(epochs=0, hints=1.0, layers={"1": "block"}, teacher=model)(student, data)
    assert digest(student) == before
    assert all(part.training for part in student.modules())


def test_torch_s_own_generator_stays_as_it_is(model: nn.Module, data: Data) -> None:
    step, network, context = Distill(scratch=True, epochs=0, hints=1.0), Network(narrow(3)), Context(data, model)
    before = torch.random.get_rng_state()
    School(step, network, context)
    _forget(network.module, 3)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("match", ["soft", "mse"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_function_sees_float32_and_may_give_any_type(match: str, dtype: torch.dtype, data: Data) -> None:
    seen = set()

    def said(inputs: np.ndarray) -> np.ndarray:
        seen.add(inputs.dtype)
        outputs = inputs.reshape(len(inputs), -1)[:, :4]
        outputs.flags.writeable = False
        return outputs

    Distill(epochs=1, batch=32, teacher=said, match=match)(narrow(3).to(dtype), data)  # type: ignore[arg-type]
    assert seen == {np.dtype(np.float32)}


def bad_teacher(inputs: np.ndarray) -> np.ndarray:
    raise ValueError("not today")


def test_a_teacher_who_does_not_take_the_samples_is_refused_at_once(data: Data) -> None:
    for teacher, said in ((nn.Sequential(nn.Flatten(), nn.Linear(7, 4)), "layer 1"), (bad_teacher, "not today")):
        step = Distill(epochs=10**9, teacher=teacher)
        with pytest.raises(ModelError, match=r"does not run on samples of shape \(1, 8, 8\)") as caught:
            step.check(Network(narrow(3)), Context(data, narrow(3)))
        assert said in str(caught.value)


def test_assistants_are_checked_as_teachers_are(model: nn.Module, data: Data, tmp_path: Path) -> None:
    network, context = Network(narrow(3)), Context(data, model)
    with pytest.raises(ModelError, match=r"outputs have shape \(5,\)"):
        Distill(assistants=(write_teacher(tmp_path, 5),)).check(network, context)
    (tmp_path / "rule.py").write_text("import numpy as np\ndef make():\n    return lambda x: np.zeros((len(x), 4))\n")
    with pytest.raises(RecipeError, match="an assistant needs parameters that train"):
        Distill(assistants=(f"{tmp_path / 'rule.py'}:make",)).check(network, context)
    with pytest.raises(RecipeError, match="a teacher from whom assistants are made needs parameters"):
        Distill(assistants=1, teacher=lambda x: x[:, 0, 0, :4]).check(network, context)


def test_a_function_cannot_learn_in_turn(data: Data) -> None:
    with pytest.raises(RecipeError, match="a teacher needs parameters that train"):
        Distill(mutual=True, teacher=lambda x: x[:, 0, 0, :4]).check(Network(narrow(3)), Context(data, narrow(3)))


def test_vectors_have_no_attention_maps(data: Data) -> None:
    student, teacher = (nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 4)) for width in (5, 9))
    with pytest.raises(RecipeError, match="1 gives vectors, which have no attention map"):
        Distill(attention=1.0, teacher=teacher).check(Network(student), Context(data, student))


class Words(nn.Module):
    """Eight words of eight numbers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.over, self.fc = nn.Linear(8, width), nn.Linear(8 * width, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.over(x.reshape(-1, 8, 8)).relu().flatten(1))


def test_sequences_give_hints_and_have_no_attention_maps(data: Data) -> None:
    student, teacher = Words(3), Words(6)
    step = Distill(epochs=2, batch=16, hints=1.0, similarity=1.0, relations=1.0, layers={"over": "over"}, teacher=teacher)
    plan = step.plan(Network(student), Context(data, student))
    assert plan.rows[2]["loss"] == "|r(S) − T|², r linear 3 → 6"
    assert not torch.equal(step(student, data).module.over.weight, student.over.weight)
    with pytest.raises(RecipeError, match="over gives sequences, which have no attention map"):
        replace(step, attention=1.0).check(Network(student), Context(data, student))
    fewer = nn.Sequential(nn.Flatten(), nn.Unflatten(1, (4, 16)), nn.Linear(16, 5), nn.Flatten(), nn.Linear(20, 4))
    other = replace(step, layers={"2": "over"})
    with pytest.raises(RecipeError, match=r"2 gives \(4, 5\), over gives \(8, 6\)"):
        other.check(Network(fewer), Context(data, fewer))
    replace(other, hints=0.0).check(Network(fewer), Context(data, fewer))


def test_what_a_step_before_built_and_cannot_be_drawn_afresh_is_refused_too(data: Data) -> None:
    model = Attentive(token=True)
    step, context = Distill(epochs=0, teacher="self", scratch=True), Context(data, model)
    with pytest.raises(RecipeError, match="token cannot be drawn afresh"):
        step.apply(Network(model), step.plan(Network(model), context), context)


def test_numbers_are_only_put_together_by_their_mean(model: nn.Module, data: Data) -> None:
    step = Distill(teacher=("original", "self"), combine="vote", match="mse")
    with pytest.raises(RecipeError, match="vote puts probabilities together"):
        step.check(Network(model), Context(data, model))


def test_a_list_in_python_is_a_list() -> None:
    said = Distill(teacher=["original", "self"], shares=[1.0, 2.0], assistants=["a.py:b"])  # type: ignore[arg-type]
    assert said == Distill(teacher=("original", "self"), shares=(1.0, 2.0), assistants=("a.py:b",))
    with pytest.raises(RecipeError, match="teacher cannot be 3"):
        Distill(teacher=3)  # type: ignore[arg-type]


@pytest.mark.parametrize(("fields", "epochs"), [({}, 3), ({"assistants": 2}, 9), ({"assistants": ("a.py:b",)}, 6)])
def test_a_dry_run_counts_the_epochs_of_all_trainings(fields: dict[str, Any], epochs: int) -> None:
    assert Distill(epochs=3, **fields).trains().epochs == epochs
    assert Distill(epochs=3, hints=1.0, hint_epochs=5, **fields).trains().epochs == epochs + 5


@pytest.mark.parametrize("term", ["hints", "attention", "similarity", "relations"])
def test_terms_keep_their_precision_in_a_mixed_training(term: str, model: nn.Module, data: Data) -> None:
    step = Distill(layers={"1": "block"}, teacher=model, **{term: 1.0})  # type: ignore[arg-type]
    (inner,) = School(step, Network(narrow(3)), Context(data, model)).terms
    taps = Taps(["1"]), Taps(["block"])
    taps[0].given, taps[1].given = {"1": torch.randn(8, 3, 4, 4)}, {"block": torch.randn(8, 6, 4, 4)}
    inner = replace(inner, taps=taps)
    with torch.autocast("cpu", torch.bfloat16):
        narrowed = inner.of_the_last_batch()
    assert torch.equal(narrowed, inner.of_the_last_batch())


def test_what_a_peer_says_is_widened_before_labels_see_it(model: nn.Module, data: Data) -> None:
    school = School(Distill(mutual=True), Network(narrow(3)), Context(data, model))
    with torch.autocast("cpu", torch.bfloat16):
        (said,) = school.lesson(school.teachers).staff.say(torch.randn(2, 1, 8, 8))
    assert said.dtype == torch.float32
    assert said.requires_grad
