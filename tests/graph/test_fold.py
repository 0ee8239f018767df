"""Folding changes no output, revives no pruned weight, and happens only where it may."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from laconic.base.edits import Folded
from laconic.base.errors import ModelError
from laconic.forms import Codebook, Masked
from laconic.graph.fold import fold, foldable
from laconic.graph.network import Network
from laconic.nn.weights import to_numpy

History = Callable[[nn.Module], nn.Module]


def outputs(model: nn.Module, shape: tuple[int, ...]) -> Tensor:
    with torch.no_grad():
        return model.eval()(torch.randn(5, *shape, generator=torch.Generator().manual_seed(0)))


FOLDABLE = {
    "convolution": (nn.Sequential(nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4)), (2, 5, 5)),
    "with a bias": (nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4)), (2, 5, 5)),
    "grouped": (nn.Sequential(nn.Conv2d(4, 8, 3, groups=2), nn.BatchNorm2d(8)), (4, 5, 5)),
    "depthwise, padding same": (nn.Sequential(nn.Conv2d(4, 4, 3, padding="same", groups=4), nn.BatchNorm2d(4)), (4, 5, 5)),
    "reflected padding": (nn.Sequential(nn.Conv2d(2, 4, 3, padding=1, padding_mode="reflect"), nn.BatchNorm2d(4)), (2, 5, 5)),
    "without gains": (nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4, affine=False)), (2, 5, 5)),
    "large epsilon": (nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4, eps=0.5)), (2, 5, 5)),
    "linear": (nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4)), (6,)),
    "one dimension": (nn.Sequential(nn.Conv1d(2, 4, 3), nn.BatchNorm1d(4)), (2, 9)),
    "three dimensions": (nn.Sequential(nn.Conv3d(2, 4, 2, bias=False), nn.BatchNorm3d(4)), (2, 3, 3, 3)),
}


@pytest.mark.parametrize(("model", "shape"), FOLDABLE.values(), ids=FOLDABLE.keys())
def test_outputs_stay_and_the_normalisation_goes(model: nn.Module, shape: tuple[int, ...], history: History) -> None:
    before = outputs(history(model), shape)
    pairs = foldable(model, shape)
    assert pairs == [Folded("0", "1")]
    folded = fold(Network(model), pairs)
    assert isinstance(folded.module[1], nn.Identity)
    assert folded.edits == (Folded("0", "1"),)
    assert torch.allclose(outputs(folded.module, shape), before, rtol=1e-5, atol=1e-5)
    assert torch.equal(outputs(model, shape), before), "the model that was given stays as it is"


def test_a_residual_network_folds_whole(model: nn.Module) -> None:
    pairs = foldable(model, (1, 8, 8))
    assert [(pair.layer, pair.norm) for pair in pairs] == [("stem", "norm"), ("block.conv1", "block.bn1"), ("block.conv2", "block.bn2")]
    folded = fold(Network(model), pairs)
    assert torch.allclose(outputs(folded.module, (1, 8, 8)), outputs(model, (1, 8, 8)), rtol=1e-5, atol=1e-5)
    assert foldable(folded.module, (1, 8, 8)) == []


def test_pruned_weights_stay_zero_under_negative_gains(model: nn.Module) -> None:
    mask = np.random.default_rng(0).random(tuple(model.stem.weight.shape)) < 0.4
    network = Network(model).reformed({"stem.weight": Masked.of(to_numpy(model.stem.weight), mask)})
    assert (model.norm.weight < 0).any()
    folded = fold(network, [Folded("stem", "norm")])
    form, weight = folded.forms["stem.weight"], to_numpy(folded.module.stem.weight)
    assert isinstance(form, Masked)
    assert np.array_equal(form.mask, mask)
    assert weight.tobytes() == form.array().tobytes()
    assert not weight[~mask].any()
    assert torch.allclose(outputs(folded.module, (1, 8, 8)), outputs(network.module, (1, 8, 8)), rtol=1e-5, atol=1e-5)


def test_half_precision_is_folded_in_double_and_rounded_once() -> None:
    generator = torch.Generator().manual_seed(0)
    layer, norm = nn.Linear(1, 500), nn.BatchNorm1d(500)
    norm.running_var.uniform_(1e-5, 1e-4, generator=generator)
    norm.running_mean.normal_(generator=generator)
    model = nn.Sequential(layer, norm).half()
    folded = fold(Network(model), [Folded("0", "1")]).module[0]
    gain = 1 / np.sqrt(to_numpy(norm.running_var).astype(np.float64) + norm.eps)
    weight, bias, mean = (to_numpy(t).astype(np.float64) for t in (layer.weight, layer.bias, norm.running_mean))
    assert to_numpy(folded.weight).tobytes() == (weight * gain[:, None]).astype(np.float16).tobytes()
    assert to_numpy(folded.bias).tobytes() == ((bias - mean) * gain).astype(np.float16).tobytes()


class ActivatedNorm(nn.BatchNorm2d):
    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(super().forward(x))


class Parts(nn.Module):
    """A convolution, a normalisation, and another convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.other = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x)) + self.other(x)


class Computing(Parts):
    """The same parts, put together in another way."""

    def __init__(self, how: Callable[[Parts, Tensor], Tensor]) -> None:
        super().__init__()
        self.how = how

    def forward(self, x: Tensor) -> Tensor:
        return self.how(self, x)


def twice(parts: Parts, x: Tensor) -> Tensor:
    y = parts.conv(x)
    return parts.norm(y) + y


WAYS: dict[str, Callable[[Parts, Tensor], Tensor]] = {
    "output read twice": twice,
    "called twice": lambda m, x: m.norm(m.conv(m.conv(x))),
    "norm called twice": lambda m, x: m.norm(m.conv(x)) + m.norm(m.other(x)),
    "weight read elsewhere": lambda m, x: m.norm(m.conv(x)) * m.conv.weight.mean(),
    "statistics read elsewhere": lambda m, x: m.norm(m.conv(x)) * m.norm.running_var.mean(),
    "something between": lambda m, x: m.norm(torch.relu(m.conv(x))),
    "borrowed bias": lambda m, x: m.norm(functional.conv2d(x, m.conv.weight, m.other.bias)),
    "bias left out": lambda m, x: m.norm(functional.conv2d(x, m.conv.weight)),
    "norm of the input": lambda m, x: m.conv(m.norm(x)),
}
CHANGES: dict[str, Callable[[Parts], None]] = {
    "tied weight": lambda m: setattr(m.other, "weight", m.conv.weight),
    "tied bias": lambda m: setattr(m.other, "bias", m.conv.bias),
    "second name": lambda m: setattr(m, "again", m.conv),
    "no statistics": lambda m: setattr(m, "norm", nn.BatchNorm2d(3, track_running_stats=False)),
    "an activation inside": lambda m: setattr(m, "norm", ActivatedNorm(3)),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_parts_that_are_used_otherwise_are_left_alone(way: Callable[[Parts, Tensor], Tensor]) -> None:
    assert foldable(Computing(way), (3, 4, 4)) == []


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_parts_that_are_tied_or_of_another_kind_are_left_alone(change: Callable[[Parts], None]) -> None:
    parts = Parts()
    change(parts)
    assert foldable(parts, (3, 4, 4)) == []


def test_the_same_parts_without_any_of_these_fold() -> None:
    assert foldable(Parts(), (3, 4, 4)) == [Folded("conv", "norm")]


class OnSequences(nn.Module):
    """Square, so that the wrong axis would fit."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.norm = nn.Linear(4, 4), nn.BatchNorm1d(4)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.fc(x))


def test_a_linear_layer_on_sequences_is_left_alone() -> None:
    assert foldable(OnSequences(), (4, 4)) == []


@pytest.mark.parametrize("pair", [Folded("0", "0"), Folded("1", "1"), Folded("0", "2")], ids=str)
def test_a_pair_that_does_not_fold_is_refused(pair: Folded) -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.BatchNorm2d(2, track_running_stats=False))
    with pytest.raises(ModelError, match="batch normalisation"):
        fold(Network(model), [pair])


def test_a_shared_weight_is_refused_rather_than_changed_behind_its_form() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    network = Network(model).reformed({"0.weight": Codebook.of(np.zeros((2, 1, 1, 1), int), np.float32([0.5]))})
    with pytest.raises(ModelError, match="codebook"):
        fold(network, [Folded("0", "1")])
