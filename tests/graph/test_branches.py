"""A model without a branch computes what it computes with that branch at zero."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from laconic import build_model
from laconic.artifact import Artifact, unpack, write
from laconic.artifact.pack import pack
from laconic.base.edits import Shortened
from laconic.base.errors import ModelError
from laconic.graph.branches import Branches
from laconic.graph.fold import foldable
from laconic.graph.network import Network
from laconic.graph.persist import preserve, revive
from laconic.graph.replay import edits_in, noted, replayed, shortened
from laconic.graph.restore import load_into

SHAPE = (3, 32, 32)
GONE = ("layer1.1.conv2", "layer3.0.conv2")


@pytest.fixture(scope="module")
def short(resnet: nn.Module) -> Network:
    return shortened(Network(resnet), Shortened(SHAPE, "float32", GONE))


def test_a_residual_network_has_a_branch_a_block(resnet: nn.Module) -> None:
    names = [branch.name for branch in Branches(resnet, SHAPE).found]
    assert names == [f"layer{stage}.{block}.conv2" for stage in (1, 2, 3) for block in (0, 1, 2)]


def test_without_a_branch_is_with_it_at_zero(
    resnet: nn.Module, short: Network, tmp_path: Path, on_images: Callable[[nn.Module], Tensor]
) -> None:
    """Where channels double, too: there what goes past is padded. The zeros are written by `load_into`."""
    assert sum(p.numel() for p in short.module.parameters()) < sum(p.numel() for p in resnet.parameters())
    for weights_only in (False, True):
        write(tmp_path / "f.lac", Artifact(short.tensors(), notes=noted(short.edits)), weights_only)
        loaded = load_into(build_model("zoo:resnet20"), tmp_path / "f.lac")
        assert not loaded.layer1[1].bn2.weight.any()
        assert torch.equal(on_images(loaded), on_images(short.module))


def test_file_and_run_know_the_edit(resnet: nn.Module, short: Network, on_images: Callable[[nn.Module], Tensor]) -> None:
    content = pack(Artifact(short.tensors(), notes=noted(short.edits)), profile="fast")
    assert edits_in(unpack(content).notes) == short.edits
    assert torch.equal(on_images(revive(preserve(short), resnet).module), on_images(short.module))


def test_what_was_folded_in_a_branch_is_forgotten_with_it(resnet: nn.Module, on_images: Callable[[nn.Module], Tensor]) -> None:
    folded = replayed(resnet, foldable(resnet, SHAPE))
    both = shortened(folded, Shortened(SHAPE, "float32", GONE))
    assert len(both.edits) == len(folded.edits) - 2 * len(GONE) + 1
    again = replayed(resnet, both.edits).module
    assert list(again.state_dict()) == list(both.module.state_dict())
    assert torch.allclose(on_images(again), on_images(both.module), rtol=1e-4, atol=1e-4)


class Shortcut(nn.Module):
    """The path past the branch has a convolution of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.past = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(3, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.a(x).relu()) + self.past(x)


class Twins(nn.Module):
    """Neither of two equal paths goes past the other."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.a(x) + self.b(x)


class Read(nn.Module):
    """What the branch computes on its way is needed elsewhere, so only its end is its own."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.a(x)
        return (x + self.b(inner)) * inner


@pytest.mark.parametrize(("net", "names"), [(Shortcut(), ["b"]), (Twins(), []), (Read(), ["b"])])
def test_only_the_longer_way_is_a_branch_and_only_what_is_its_own(net: nn.Module, names: list[str]) -> None:
    found = Branches(net, (3, 8, 8)).found
    assert [branch.name for branch in found] == names
    assert all("past" not in tensor for branch in found for tensor in branch.tensors)
    assert not isinstance(net, Read) or found[0].tensors == ("b.bias", "b.weight")


def test_an_unknown_branch_is_refused_by_name(resnet: nn.Module) -> None:
    with pytest.raises(ModelError, match="no branch ends with 'nowhere'"):
        Branches(resnet, SHAPE).without(["nowhere"])


class Scaled(nn.Module):
    """What goes past is doubled."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.branch = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return torch.add(self.branch(x), x, alpha=2.0)


def test_a_sum_that_scales_is_no_branch() -> None:
    assert Branches(Scaled(), (4,)).found == []
