"""A file goes back into the user's own class, folded or not, with names or without."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from laconic.artifact import Artifact, Notes, write
from laconic.base.errors import ModelError
from laconic.forms import Dense
from laconic.graph.fold import fold, foldable
from laconic.graph.network import Network
from laconic.graph.restore import load_into


def artifact(network: Network) -> Artifact:
    return Artifact(network.tensors(), notes=Notes(folds=tuple((edit.layer, edit.norm) for edit in network.edits)))


def outputs(model: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(0)))


@pytest.fixture
def other(model: nn.Module) -> nn.Module:
    """The same class with other weights, in training mode."""
    return type(model)().train()


@pytest.mark.parametrize("weights_only", [False, True], ids=["with names", "weights only"])
def test_every_bit_comes_back(model: nn.Module, other: nn.Module, digest, tmp_path: Path, weights_only: bool) -> None:  # type: ignore[no-untyped-def]
    write(tmp_path / "f.lac", artifact(Network(model)), weights_only)
    before = digest(other)
    loaded = load_into(other, tmp_path / "f.lac")
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    assert digest(other) == before
    assert loaded.training


@pytest.mark.parametrize("weights_only", [False, True], ids=["with names", "weights only"])
def test_what_was_folded_is_a_normalisation_again(model: nn.Module, other: nn.Module, tmp_path: Path, weights_only: bool) -> None:
    folded = fold(Network(model), foldable(model, (1, 8, 8)))
    write(tmp_path / "f.lac", artifact(folded), weights_only)
    loaded = load_into(other, tmp_path / "f.lac")
    assert loaded.block.conv2.bias is not None
    assert not loaded.block.conv2.bias.any()
    assert loaded.stem.bias is None
    assert torch.allclose(outputs(loaded), outputs(model), rtol=1e-5, atol=1e-5)
    assert torch.allclose(outputs(loaded), outputs(folded.module), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_folding_and_unfolding_again_changes_nothing(history, affine: bool, bias: bool, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    def build() -> nn.Sequential:
        return history(nn.Sequential(nn.Conv2d(1, 3, 3, bias=bias), nn.BatchNorm2d(3, affine=affine, eps=0.1)))

    model = build()
    folded = fold(Network(model), foldable(model, (1, 8, 8)))
    write(tmp_path / "f.lac", artifact(folded))
    assert torch.allclose(outputs(load_into(build(), tmp_path / "f.lac")), outputs(model), rtol=1e-5, atol=1e-5)


def test_tied_weights_come_back_tied(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    write(tmp_path / "f.lac", artifact(Network(model)))
    fresh = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    fresh[1].weight = fresh[0].weight
    loaded = load_into(fresh, tmp_path / "f.lac")
    assert loaded[1].weight is loaded[0].weight
    assert torch.equal(loaded[0].weight, model[0].weight)


STRANGERS = {
    "a layer more": (lambda m: m.add_module("more", nn.Linear(1, 1)), r"'more\.bias' is in the model only"),
    "a layer less": (lambda m: m.__delattr__("fc"), r"'fc\.bias' is in the file only"),
    "another width": (lambda m: setattr(m, "fc", nn.Linear(96, 5)), r"'fc\.\w+' has shape"),
}


@pytest.mark.parametrize(("change", "words"), STRANGERS.values(), ids=STRANGERS.keys())
def test_another_class_is_refused_by_name(model: nn.Module, other: nn.Module, change, words: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    write(tmp_path / "f.lac", artifact(Network(model)))
    change(other)
    with pytest.raises(ModelError, match=words):
        load_into(other, tmp_path / "f.lac")


def test_without_names_the_number_of_tensors_must_fit(model: nn.Module, other: nn.Module, tmp_path: Path) -> None:
    write(tmp_path / "f.lac", artifact(Network(model)), weights_only=True)
    other.add_module("more", nn.Linear(1, 1))
    with pytest.raises(ModelError, match="the file holds 21 tensors, the model 23"):
        load_into(other, tmp_path / "f.lac")


@pytest.mark.parametrize(
    ("folds", "words"),
    [
        ((("stem", "gone"),), "no layer 'gone'"),
        ((("stem", "fc"),), "batch normalisation"),
        ((("norm", "norm"),), "batch normalisation"),
        ((("stem", "norm"),), "no bias"),
    ],
    ids=["unknown", "no norm", "no layer", "no bias"],
)
def test_folds_that_are_not_of_this_class_are_refused(model: nn.Module, other: nn.Module, folds, words: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    write(tmp_path / "f.lac", Artifact(Network(model).tensors(), notes=Notes(folds=folds)))
    with pytest.raises(ModelError, match=words):
        load_into(other, tmp_path / "f.lac")


def test_the_file_s_type_gives_way_to_the_class_s(tmp_path: Path) -> None:
    write(tmp_path / "f.lac", Artifact({"weight": Dense.of(np.float16([[0.1]])), "bias": Dense.of(np.float64([0.1]))}))
    loaded = load_into(nn.Linear(1, 1), tmp_path / "f.lac")
    assert (loaded.weight.dtype, loaded.bias.dtype) == (torch.float32, torch.float32)
