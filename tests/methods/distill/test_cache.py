"""What a teacher said is looked up, is right, survives a kill, and is never mistaken for another's."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from laconic.base.errors import DataError, RecipeError, ResourceError
from laconic.datasets.data import Data
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.methods.distill import Distill
from laconic.methods.distill.cache import answers

INPUTS = torch.randn(6, 1, 3, 3)


class Counting:
    """Says the sums of rows, and remembers how many samples it was asked about."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, inputs: Tensor) -> Tensor:
        self.asked += len(inputs)
        return inputs.sum((1, 2))


def test_each_input_is_asked_about_once_in_whatever_batch_and_run(tmp_path: Path) -> None:
    teacher = Counting()
    for _ in range(2):
        with answers(teacher, tmp_path / "kept", "a", (3,)) as known:
            for rows in ([0, 1, 2], [2, 3, 0], [3, 3], [5, 4]):
                assert torch.equal(known(INPUTS[rows]), INPUTS[rows].sum((1, 2)))
    assert teacher.asked == 6


def test_channels_last_is_the_same_input(tmp_path: Path) -> None:
    teacher, inputs = Counting(), torch.randn(2, 3, 3, 3)
    with answers(teacher, tmp_path, "a", (3,)) as known:
        known(inputs)
        known(inputs.contiguous(memory_format=torch.channels_last))
    assert teacher.asked == 2


@pytest.mark.parametrize("torn", [1, 17, 27])
def test_a_torn_record_is_cut_off(tmp_path: Path, torn: int) -> None:
    teacher = Counting()
    with answers(teacher, tmp_path, "a", (3,)) as known:
        known(INPUTS)
    path = tmp_path / "a.answers"
    path.write_bytes(path.read_bytes()[:-torn])
    with answers(teacher, tmp_path, "a", (3,)) as known:
        assert torch.equal(known(INPUTS), INPUTS.sum((1, 2)))
    assert teacher.asked == 7
    with answers(teacher, tmp_path, "a", (3,)) as known:
        assert torch.equal(known(INPUTS), INPUTS.sum((1, 2)))
    assert teacher.asked == 7


def test_teachers_do_not_share(tmp_path: Path) -> None:
    with answers(Counting(), tmp_path, "a", (3,)) as one, answers(lambda x: -x.sum((1, 2)), tmp_path, "b", (3,)) as other:
        assert torch.equal(one(INPUTS), -other(INPUTS))


def test_answers_of_another_shape_and_other_files_are_refused(tmp_path: Path) -> None:
    with answers(Counting(), tmp_path, "a", (3,)) as known:
        known(INPUTS)
    with pytest.raises(DataError, match=r"does not hold a teacher's outputs of shape \(4,\)"), answers(Counting(), tmp_path, "a", (4,)):
        pass
    (tmp_path / "b.answers").write_bytes(b"something else")
    with pytest.raises(DataError), answers(Counting(), tmp_path, "b", (3,)):
        pass


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    with answers(Counting(), tmp_path, "a", (3,)), pytest.raises(ResourceError), answers(Counting(), tmp_path, "a", (3,)):
        pass


def test_a_training_with_a_cache_is_the_same_training(model: nn.Module, data: Data, tmp_path: Path) -> None:
    torch.manual_seed(1)
    student = type(model)().eval()
    step = {"epochs": 3, "batch": 16, "shift": 1, "views": 2}
    plain, kept, again = (Distill(**said)(Network(student), data) for said in (step, *[step | {"cache": str(tmp_path)}] * 2))  # type: ignore[arg-type]
    assert torch.allclose(plain.module.fc.weight, kept.module.fc.weight, atol=1e-6)
    assert torch.equal(kept.module.fc.weight, again.module.fc.weight)
    (path,) = tmp_path.glob("*.answers")
    assert len(data.train) < path.stat().st_size // (16 + 4 * 4) <= 2 * len(data.train) + 3  # two views, of which few are the same


def test_a_function_has_no_name_to_keep_its_answers_under(model: nn.Module, data: Data, tmp_path: Path) -> None:
    step = Distill(teacher=lambda x: x[:, 0, 0, :4], cache=str(tmp_path))
    with pytest.raises(RecipeError, match="nothing tells the answers of one function from those of another"):
        step.check(Network(model), Context(data, model))


def test_two_teachers_who_are_the_same_share_their_answers(model: nn.Module, data: Data, tmp_path: Path) -> None:
    Distill(epochs=1, batch=32, teacher=("original", "self"), cache=str(tmp_path))(model, data)
    assert len(list(tmp_path.glob("*.answers"))) == 1


class Signed(nn.Module):
    """Prints and weighs the same whatever its sign."""

    def __init__(self, sign: int) -> None:
        super().__init__()
        self.sign, self.fc = sign, nn.Linear(64, 4)
        with torch.no_grad():
            self.fc.weight.copy_(torch.linspace(-1, 1, 256).reshape(4, 64))
            self.fc.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        return self.sign * self.fc(x.flatten(1))


def test_teachers_of_the_same_weights_that_say_something_else_do_not_share(data: Data, tmp_path: Path) -> None:
    student = nn.Sequential(nn.Flatten(), nn.Linear(64, 4))
    first, second = (Distill(epochs=1, teacher=Signed(sign), labels=False, cache=str(tmp_path))(student, data).module for sign in (1, -1))
    assert not torch.allclose(first[1].weight, second[1].weight)
    assert len(list(tmp_path.glob("*.answers"))) == 2
