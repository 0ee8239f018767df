"""Channels that were taken out are noted in the file; the class comes back narrow in a run, and whole for its user."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from laconic import build_model
from laconic.artifact import Artifact, unpack, write
from laconic.artifact.pack import pack
from laconic.base.edits import Cut, Edit, Factored, Narrowed, Shortened, Transferred
from laconic.base.errors import ExportError, ModelError
from laconic.graph.channels import channel_groups
from laconic.graph.fold import foldable
from laconic.graph.network import Network
from laconic.graph.persist import preserve, revive
from laconic.graph.replay import edits_in, noted, replayed
from laconic.graph.restore import load_into

SHAPE = (3, 32, 32)


def a_third(resnet: nn.Module, every: int = 3) -> Narrowed:
    """Every third channel of each group goes."""
    return Narrowed.of(SHAPE, "float32", {group.name: range(0, group.size - 1, every) for group in channel_groups(resnet, SHAPE)})


@pytest.fixture(scope="module")
def edits(resnet: nn.Module) -> tuple[Edit, ...]:
    """Two cuts, one after the other, then a fold."""
    first = a_third(resnet)
    second = a_third(replayed(resnet, [first]).module, 4)
    twice = replayed(resnet, [first, second]).module
    return (first, second, *foldable(twice, SHAPE))


def test_a_file_notes_every_edit(resnet: nn.Module, edits: tuple[Edit, ...]) -> None:
    network = replayed(resnet, edits)
    for weights_only in (False, True):
        content = pack(Artifact(network.tensors(), notes=noted(edits)), weights_only=weights_only, profile="fast")
        assert edits_in(unpack(content).notes) == edits


def test_a_run_goes_on_from_the_narrow_network(
    resnet: nn.Module, edits: tuple[Edit, ...], on_images: Callable[[nn.Module], Tensor]
) -> None:
    network = replayed(resnet, edits)
    back = revive(preserve(network), resnet)
    assert back.edits == edits
    assert list(back.module.state_dict()) == list(network.module.state_dict())
    assert torch.equal(on_images(back.module), on_images(network.module))


def test_in_which_order_folds_and_cuts_came_does_not_show(resnet: nn.Module, on_images: Callable[[nn.Module], Tensor]) -> None:
    pairs, cut = foldable(resnet, SHAPE), a_third(resnet)
    folded = replayed(resnet, pairs).module
    one, other = replayed(folded, [cut]).module, replayed(resnet, [cut, *pairs]).module
    assert list(one.state_dict()) == list(other.state_dict())
    assert torch.allclose(on_images(one), on_images(other), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("weights_only", [False, True], ids=["with names", "weights only"])
def test_the_class_of_the_user_gets_its_channels_back_as_zeros(
    resnet: nn.Module, edits: tuple[Edit, ...], tmp_path: Path, weights_only: bool, on_images: Callable[[nn.Module], Tensor]
) -> None:
    network = replayed(resnet, edits)
    write(tmp_path / "f.lac", Artifact(network.tensors(), notes=noted(edits)), weights_only)
    loaded = load_into(build_model("zoo:resnet20"), tmp_path / "f.lac")
    assert type(loaded) is type(resnet)
    assert torch.allclose(on_images(loaded), on_images(network.module), rtol=1e-4, atol=1e-4)
    assert not loaded.conv1.weight[0].any()


def test_cuts_of_another_class_are_refused(resnet: nn.Module, tmp_path: Path) -> None:
    cut = Narrowed.of(SHAPE, "float32", {"nowhere.weight": [0]})
    write(tmp_path / "f.lac", Artifact(Network(resnet).tensors(), notes=noted([cut])))
    with pytest.raises(ModelError, match="nowhere"):
        load_into(resnet, tmp_path / "f.lac")


@pytest.mark.parametrize(
    ("cut", "words"),
    [
        (Factored("nowhere", "svd", (2,)), "no layer 'nowhere'"),
        (Factored("", "svd", (2,)), "no layer ''"),
        (Factored("conv1", "hosvd", (2,)), "cannot be factored as 'hosvd'"),
        (Factored("bn1", "svd", (2,)), "cannot be factored"),
        (Factored("conv1", "svd", (10**12,)), "makes no sense"),
        (Factored("conv1", "tucker", (2,)), "makes no sense"),
        (Factored("conv1", "svd", (0,)), "makes no sense"),
        (Factored("conv1", "fire", (10**12,)), "makes no sense"),
        (Factored("conv1", "fire", (2, 2)), "has one size, not 2"),
        (Factored("conv1", "grouped", (2,)), "no 2 groups"),
        (Factored("bn1", "depthwise", (1,)), "cannot be a block"),
        (Transferred("nowhere", "c4"), "no layer 'nowhere'"),
        (Transferred("conv1", "c8"), "known kinds are"),
        (Transferred("conv1", "circulant"), "3 inputs are not"),
        (Transferred("conv1", "c4"), "'conv1.order' is in the model only"),
        (Factored("conv1", "svd", (2,)), "'conv1.0.weight' is in the model only"),
        (Shortened(SHAPE, "float32", ("nowhere",)), "no branch ends with 'nowhere'"),
        (Narrowed(SHAPE, "float32", (("conv1.weight", 1 << 10**5),)), "cannot all go"),
    ],
)
def test_notes_of_a_stranger_are_held_to_what_makes_sense(resnet: nn.Module, tmp_path: Path, cut: Cut, words: str) -> None:
    write(tmp_path / "f.lac", Artifact(Network(resnet).tensors(), notes=noted([cut])))
    with pytest.raises(ModelError, match=words):
        load_into(resnet, tmp_path / "f.lac")


def test_a_sample_that_the_class_does_not_take_is_refused(resnet: nn.Module, tmp_path: Path) -> None:
    write(tmp_path / "f.lac", Artifact(Network(resnet).tensors(), notes=noted([Narrowed((7,), "float32", (("conv1.weight", 1),))])))
    with pytest.raises(ExportError, match="cannot be exported"):
        load_into(resnet, tmp_path / "f.lac")
