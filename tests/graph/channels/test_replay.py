"""Channels that were taken out are noted in the file; the class comes back narrow in a run, and whole for its user."""

from pathlib import Path

import pytest
import torch
from torch import nn

from laconic import build_model
from laconic.artifact import Artifact, unpack, write
from laconic.artifact.pack import pack
from laconic.base.edits import Edit, Narrowed
from laconic.base.errors import ModelError
from laconic.graph.channels import channel_groups
from laconic.graph.fold import foldable
from laconic.graph.network import Network
from laconic.graph.persist import preserve, revive
from laconic.graph.replay import edits_in, noted, replayed
from laconic.graph.restore import load_into

SHAPE = (3, 32, 32)


@pytest.fixture(scope="module")
def model() -> nn.Module:
    torch.manual_seed(0)
    built = build_model("zoo:resnet20")
    with torch.no_grad():
        for module in built.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
                module.weight.normal_()
                module.bias.normal_()
    return built.eval()


def a_third(model: nn.Module, every: int = 3) -> Narrowed:
    """Every third channel of each group goes."""
    return Narrowed.of(SHAPE, "float32", {group.name: range(0, group.size - 1, every) for group in channel_groups(model, SHAPE)})


def outputs(model: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(0)))


@pytest.fixture(scope="module")
def edits(model: nn.Module) -> tuple[Edit, ...]:
    """Two cuts, one after the other, then a fold."""
    first = a_third(model)
    second = a_third(replayed(model, [first]).module, 4)
    twice = replayed(model, [first, second]).module
    return (first, second, *foldable(twice, SHAPE))


def test_a_file_notes_every_edit(model: nn.Module, edits: tuple[Edit, ...]) -> None:
    network = replayed(model, edits)
    for weights_only in (False, True):
        content = pack(Artifact(network.tensors(), notes=noted(edits)), weights_only=weights_only, profile="fast")
        assert edits_in(unpack(content).notes) == edits


def test_a_run_goes_on_from_the_narrow_network(model: nn.Module, edits: tuple[Edit, ...]) -> None:
    network = replayed(model, edits)
    back = revive(preserve(network), model)
    assert back.edits == edits
    assert list(back.module.state_dict()) == list(network.module.state_dict())
    assert torch.equal(outputs(back.module), outputs(network.module))


def test_in_which_order_folds_and_cuts_came_does_not_show(model: nn.Module) -> None:
    pairs, cut = foldable(model, SHAPE), a_third(model)
    folded = replayed(model, pairs).module
    one, other = replayed(folded, [cut]).module, replayed(model, [cut, *pairs]).module
    assert list(one.state_dict()) == list(other.state_dict())
    assert torch.allclose(outputs(one), outputs(other), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("weights_only", [False, True], ids=["with names", "weights only"])
def test_the_class_of_the_user_gets_its_channels_back_as_zeros(
    model: nn.Module, edits: tuple[Edit, ...], tmp_path: Path, weights_only: bool
) -> None:
    network = replayed(model, edits)
    write(tmp_path / "f.lac", Artifact(network.tensors(), notes=noted(edits)), weights_only)
    loaded = load_into(build_model("zoo:resnet20"), tmp_path / "f.lac")
    assert type(loaded) is type(model)
    assert torch.allclose(outputs(loaded), outputs(network.module), rtol=1e-4, atol=1e-4)
    assert not loaded.conv1.weight[0].any()


def test_cuts_of_another_class_are_refused(model: nn.Module, tmp_path: Path) -> None:
    cut = Narrowed.of(SHAPE, "float32", {"nowhere.weight": [0]})
    write(tmp_path / "f.lac", Artifact(Network(model).tensors(), notes=noted([cut])))
    with pytest.raises(ModelError, match="nowhere"):
        load_into(model, tmp_path / "f.lac")
