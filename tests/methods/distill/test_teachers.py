"""Who may teach, and what several say with one voice."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import laconic
from laconic.artifact import pack
from laconic.base.errors import ModelError
from laconic.datasets.data import Data
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.methods.distill.teachers import LEAST, Called, averaged, build_teacher, together
from laconic.runtime import to_onnx

LOGITS = [torch.tensor([[2.0, 0.0, -1.0]]), torch.tensor([[0.0, 3.0, 1.0]]), torch.tensor([[1.0, 0.5, 0.0]])]


def said(combine: str, temperature: float = 2.0, shares: tuple[float, ...] = (1, 1, 1)) -> torch.Tensor:
    return (together(LOGITS, shares, combine, temperature) / temperature).softmax(1)  # type: ignore[arg-type]


def test_the_mean_is_that_of_probabilities() -> None:
    assert torch.allclose(said("mean"), sum((z / 2).softmax(1) for z in LOGITS) / 3, atol=1e-6)


def test_the_geometric_mean_is_that_of_probabilities_made_to_add_up_to_one() -> None:
    product = torch.stack([(z / 2).softmax(1) for z in LOGITS]).log().mean(0).exp()
    assert torch.allclose(said("geometric"), product / product.sum(), atol=1e-6)


def test_in_a_vote_each_has_one_class() -> None:
    assert torch.allclose(said("vote", temperature=1.0), torch.tensor([[2 / 3, 1 / 3, 0.0]]), atol=1e-6)


def test_a_vote_is_softened_as_any_probabilities_are() -> None:
    softened = torch.tensor([[2 / 3, 1 / 3, LEAST]]) ** (1 / 4)
    assert torch.allclose(said("vote", temperature=4.0), softened / softened.sum(), atol=1e-6)


def test_shares_count_in_proportion() -> None:
    assert torch.allclose(
        said("mean", shares=(2, 0.5, 0.5)), sum(w * (z / 2).softmax(1) for w, z in zip((4, 1, 1), LOGITS, strict=True)) / 6
    )
    assert torch.allclose(averaged(LOGITS, (2, 1, 1)), (2 * LOGITS[0] + LOGITS[1] + LOGITS[2]) / 4)


@pytest.mark.parametrize("combine", ["mean", "geometric", "vote"])
def test_one_teacher_alone_keeps_its_logits(combine: str) -> None:
    assert torch.equal(together(LOGITS[:1], (5.0,), combine, 3.0), LOGITS[0])  # type: ignore[arg-type]


def found(teacher: object, model: nn.Module, data: Data, weights: str = "") -> nn.Module:
    return build_teacher(teacher, weights, Network(model), Context(data, model))  # type: ignore[arg-type]


def test_a_model_teaches_as_a_copy(model: nn.Module, data: Data) -> None:
    for teacher in (model, "original", "self"):
        built = found(teacher, model.train(), data)
        assert built is not model
        assert not built.training
        assert torch.equal(built.fc.weight, model.fc.weight)
        assert model.training


def test_self_is_the_student_as_it_is_now_and_original_the_model_as_it_came(model: nn.Module, data: Data) -> None:
    student = Network(type(model)().eval())
    teachers = (build_teacher(who, "", student, Context(data, model)) for who in ("self", "original"))
    for teacher, owner in zip(teachers, (student.module, model), strict=True):
        assert torch.equal(teacher.fc.weight, owner.fc.weight)


def test_a_function_of_arrays_teaches(data: Data, model: nn.Module) -> None:
    built = found(lambda inputs: inputs.reshape(len(inputs), -1)[:, :4] * 2, model, data)
    inputs = torch.randn(3, 1, 8, 8)
    assert torch.equal(built(inputs), 2 * inputs.flatten(1)[:, :4])


def test_a_function_in_a_file_teaches(data: Data, model: nn.Module, tmp_path: Path) -> None:
    (tmp_path / "who.py").write_text(
        "import numpy as np\ndef make():\n    return lambda x: np.full((len(x), 4), 2.5, np.float32)\nnone = list\n"
    )
    assert found(f"{tmp_path / 'who.py'}:make", model, data)(torch.zeros(2, 1, 8, 8)).tolist() == [[2.5] * 4] * 2
    with pytest.raises(ModelError, match="returned a list, which cannot teach"):
        found(f"{tmp_path / 'who.py'}:none", model, data)


@pytest.mark.parametrize("suffix", ["lac", "onnx"])
def test_a_file_teaches(suffix: str, model: nn.Module, data: Data, tmp_path: Path) -> None:
    result = laconic.compress(model, data, [laconic.Quantize(bits=6)])
    path = tmp_path / f"big.{suffix}"
    path.write_bytes(to_onnx(result.run.artifact) if suffix == "onnx" else pack(result.run.artifact))
    inputs = torch.from_numpy(data.preprocessing.apply(data.test.inputs))
    wanted = result.model(inputs).detach()
    assert torch.allclose(found(str(path), model, data)(inputs).detach(), wanted, atol=1e-4)


def test_it_comes_to_where_the_student_is(model: nn.Module, data: Data) -> None:
    assert found("original", model.double(), data)(torch.zeros(1, 1, 8, 8, dtype=torch.float64)).dtype == torch.float64
    assert isinstance(found(np.sin, model, data), Called)
