"""Layers that read the same value are one, and compute the same."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from laconic import Fuse, Prune, compress, load, load_into
from laconic.artifact import Artifact, pack
from laconic.base.edits import Folded, Merged
from laconic.base.errors import ModelError
from laconic.datasets.data import Data
from laconic.graph.export import export
from laconic.graph.merge import mergeable, merged
from laconic.graph.network import Network
from laconic.graph.persist import preserve, revive
from laconic.graph.replay import noted
from laconic.methods.context import Context
from laconic.recipe import parse

IMAGE = (1, 8, 8)


class Inception(nn.Module):
    """Branches that begin with 1 × 1 convolutions of one input; one of another stride, one without bias."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 6, 3, padding=1)
        self.a, self.b, self.c = nn.Conv2d(6, 4, 1), nn.Conv2d(6, 2, 1, bias=False), nn.Conv2d(6, 3, 1)
        self.norm = nn.BatchNorm2d(2)
        self.wide = nn.Conv2d(2, 4, 3, padding=1)
        self.other = nn.Conv2d(6, 3, 1, stride=2)
        self.fc = nn.Linear(4 + 4 + 3, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).relu()
        branches = [self.a(x).relu(), self.wide(self.norm(self.b(x)).relu()), self.c(x)]
        return self.fc(torch.cat(branches, 1).mean((2, 3))) + self.other(x).mean((1, 2, 3))[:, None]


class Attention(nn.Module):
    """Queries, keys and values of one input."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v, self.out = (nn.Linear(8, 8) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, 0]
        return self.out(nn.functional.scaled_dot_product_attention(self.q(x), self.k(x), self.v(x))).mean(1)


class Fire(nn.Module):
    """Kernels of 1 × 1, 3 × 3, 1 × 5 and 5 × 5 of one input with their middles in one place; others a pixel off, dilated, mirroring."""

    def __init__(self) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(1, 4, 1)
        self.one, self.three = nn.Conv2d(4, 3, 1, bias=False), nn.Conv2d(4, 5, 3, padding=1)
        self.flat, self.five = nn.Conv2d(4, 2, (1, 5), padding=(0, 2)), nn.Conv2d(4, 1, 5, padding=2)
        self.off, self.far = nn.Conv2d(4, 2, 3, padding=(0, 1)), nn.Conv2d(4, 2, 3, padding=2, dilation=2)
        self.mirror, self.glass = (nn.Conv2d(4, 2, 1 + 2 * margin, padding=margin, padding_mode="reflect") for margin in (1, 0))
        self.fc = nn.Linear(19, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze(x).relu()
        branches = [self.one(x), self.three(x).relu(), self.flat(x), self.five(x), self.far(x), self.mirror(x), self.glass(x)]
        return self.fc(torch.cat([*(branch.mean((2, 3)) for branch in branches), self.off(x).mean((2, 3))], 1))


class Beside(nn.Module):
    """Convolutions of one input, side by side."""

    def __init__(self, **layers: nn.Module) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([layer(x) for layer in self.children()], 1).mean((2, 3))


@pytest.fixture
def fire(history: object) -> nn.Module:
    torch.manual_seed(0)
    return history(Fire()).eval()  # type: ignore[operator, no-any-return]


@pytest.fixture
def inception(history: object) -> nn.Module:
    torch.manual_seed(0)
    return history(Inception()).eval()  # type: ignore[operator, no-any-return]


def images(count: int = 3) -> Tensor:
    return torch.randn(count, *IMAGE, generator=torch.Generator().manual_seed(0))


def same(one: nn.Module, other: nn.Module) -> None:
    with torch.no_grad():
        torch.testing.assert_close(one.eval()(images()), other.eval()(images()), atol=1e-5, rtol=1e-5)


def test_what_reads_the_same_value_in_the_same_way_could_be_one(inception: nn.Module) -> None:
    assert mergeable(inception, IMAGE) == [("a", "b", "c")]
    assert mergeable(Attention(), IMAGE) == [("q", "k", "v")]


@pytest.mark.parametrize("group", [("a", "b", "c"), ("a", "c"), ("b", "c")])
def test_the_law_outputs_stay(inception: nn.Module, group: tuple[str, ...]) -> None:
    network = merged(Network(inception), Merged(IMAGE, "float32", (group,)))
    same(network.module, inception)
    names = set(network.module.state_dict())
    assert f"{group[0]}.weight" in names
    assert not any(f"{path}.weight" in names for path in group[1:])


def test_the_law_holds_for_attention() -> None:
    torch.manual_seed(0)
    model = Attention()
    network = merged(Network(model), Merged(IMAGE, "float32", (("q", "k", "v"),)))
    same(network.module, model)
    assert tuple(network.module.get_parameter("q.weight").shape) == (24, 8)


MIDDLES = ("one", "three", "flat", "five")


def test_kernels_with_their_middles_in_one_place_could_be_one_where_that_is_asked_for(fire: nn.Module) -> None:
    assert mergeable(fire, IMAGE) == []
    assert mergeable(fire, IMAGE, padded=True) == [MIDDLES]


@pytest.mark.parametrize("group", [MIDDLES, ("one", "three"), ("five", "one"), ("three", "flat")])
def test_the_law_holds_for_padded_kernels_whose_zeros_stay(fire: nn.Module, group: tuple[str, ...]) -> None:
    network = merged(Network(fire), Merged(IMAGE, "float32", (group,)))
    same(network.module, fire)
    form = network.form(f"{group[0]}.weight")
    assert form.kind == "masked"
    assert form.mask.sum() == sum(fire.get_parameter(f"{path}.weight").numel() for path in group)  # type: ignore[attr-defined]


def test_even_kernels_and_strides_are_padded_too() -> None:
    torch.manual_seed(0)
    model = Beside(
        two=nn.Conv2d(1, 2, 2, stride=2), four=nn.Conv2d(1, 2, 4, stride=2, padding=1), three=nn.Conv2d(1, 2, 3, stride=2, padding=1)
    )
    assert mergeable(model, IMAGE, padded=True) == [("two", "four")]
    same(merged(Network(model), Merged(IMAGE, "float32", (("two", "four"),))).module, model)


def test_kernels_whose_places_lie_between_each_other_stay_two() -> None:
    torch.manual_seed(0)
    model = Beside(
        two=nn.Conv2d(1, 2, 2, dilation=2),  # reads at -1 and 1 of its middle
        three=nn.Conv2d(1, 2, 3, dilation=2, padding=1),  # at -2, 0 and 2 of the same
        five=nn.Conv2d(1, 2, 5, dilation=2, padding=3),  # at -4, -2, 0, 2 and 4
    )
    assert mergeable(model, IMAGE, padded=True) == [("three", "five")]
    same(merged(Network(model), Merged(IMAGE, "float32", (("three", "five"),))).module, model)


def test_what_is_padded_counts_as_masked() -> None:
    assert Fuse().takes() == {"dense": "dense", "masked": "masked"}
    assert Fuse(padded=True).takes() == {"dense": "masked", "masked": "masked"}


@pytest.mark.parametrize("weights_only", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_class_gets_padded_kernels_back_as_they_were(fire: nn.Module, data: Data, tmp_path: Path, weights_only: bool) -> None:
    result = compress(fire, data, parse("steps:\n- prune: {sparsity: {one: 0.5}}\n- fuse: {measured: false, padded: true}"))
    (tmp_path / "f.lac").write_bytes(pack(result.run.artifact, weights_only=weights_only))
    back = load_into(Fire(), tmp_path / "f.lac")
    kept = sum(fire.get_parameter(f"{path}.weight").numel() for path in MIDDLES) - 6
    assert result.run.network.form("one.weight").mask.sum() == kept  # type: ignore[attr-defined]
    assert back.get_parameter("one.weight").count_nonzero() == 6
    assert torch.equal(back.get_parameter("flat.weight"), fire.get_parameter("flat.weight"))
    if not weights_only:
        with torch.no_grad():
            np.testing.assert_allclose(load(tmp_path / "f.lac")(images().numpy()), back.eval()(images()).numpy(), atol=1e-5)


def test_masks_go_along_and_layers_of_another_stride_do_not(inception: nn.Module, data: Data) -> None:
    pruned = Prune(sparsity={"a": 0.5})(inception, data)
    network = merged(pruned, Merged(IMAGE, "float32", (("a", "b"),)))
    assert network.form("a.weight").kind == "masked"
    assert np.count_nonzero(network.array("a.weight")) == 12 + 12
    with pytest.raises(ModelError, match="cannot be one layer"):
        merged(pruned, Merged(IMAGE, "float32", (("a", "other"),)))


def test_a_network_with_folds_and_merges_is_revived(inception: nn.Module, data: Data) -> None:
    context = Context(data, inception)
    step, network = Fuse(measured=False), Network(inception)
    fused = step.apply(network, step.plan(network, context), context)
    assert fused.edits == (Folded("b", "norm"), Merged(IMAGE, "float32", (("a", "b", "c"),)))
    same(fused.module, inception)
    again = revive(preserve(fused), inception)
    assert again.edits == fused.edits
    with torch.no_grad():
        assert torch.equal(again.module.eval()(images()), fused.module.eval()(images()))


@pytest.mark.parametrize("weights_only", [False, True])
def test_the_class_gets_its_layers_back(inception: nn.Module, data: Data, tmp_path: Path, weights_only: bool) -> None:
    context = Context(data, inception)
    step, network = Fuse(measured=False), Network(inception)
    fused = step.apply(network, step.plan(network, context), context)
    artifact = Artifact(fused.tensors(), export(fused.module, IMAGE), noted(fused.edits))
    (tmp_path / "f.lac").write_bytes(pack(artifact, weights_only=weights_only))
    same(load_into(Inception(), tmp_path / "f.lac"), inception)
    if not weights_only:
        with torch.no_grad():
            np.testing.assert_allclose(load(tmp_path / "f.lac")(images().numpy()), inception(images()).numpy(), atol=1e-5)


@pytest.mark.parametrize(("time", "groups"), [(0.9, 1), (1.1, 0)])
def test_only_what_is_measured_to_be_faster_is_merged(inception: nn.Module, data: Data, time: float, groups: int) -> None:
    context = Context(data, inception, clock=lambda *_: time)
    plan = Fuse().plan(Network(inception), context)
    assert [row["layers"] for row in plan.rows] == ["a, b, c"]
    network = Fuse().apply(Network(inception), plan, context)
    assert len([edit for edit in network.edits if isinstance(edit, Merged)]) == groups


def test_it_combines_with_what_comes_before_and_after(inception: nn.Module, data: Data) -> None:
    result = compress(
        inception, data, parse("steps:\n- prune-channels: {ratio: 0.3, criterion: l2}\n- fuse: {measured: false}\n- int8: {samples: 32}")
    )
    assert [type(edit).__name__ for edit in result.run.network.edits] == ["Narrowed", "Folded", "Merged", "Rounded"]
    assert result.run.artifact.graph is not None
