"""Whatever a layer is called: its matrix times the patches of its inputs is what it puts out."""

import copy
import itertools
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from laconic.nn.maps import ConvMap, LinearMap, Use, Uses

ALL = 1 << 30  # positions


def uses(model: nn.Module, *inputs: Tensor) -> tuple[list[tuple[Use, Tensor]], Tensor]:
    """Every use of a parameter with what it put out, in order, and the outputs of the model."""
    found = []

    def visit(use: Use) -> Tensor:
        outputs = use.call(use.operands.inputs, use.operands.weight, use.operands.bias)
        found.append((use, outputs))
        return outputs

    with torch.no_grad(), Uses(model, visit):
        return found, model(*inputs)


def patches(use: Use, inputs: Tensor, most: int = ALL) -> Tensor:
    found = use.operands.map.patches(inputs, most)
    assert found is not None
    return found


def columns_of_words(words: Tensor, count: int) -> Tensor:
    return F.one_hot(words.reshape(-1), count).T[None].float()


class Attention(nn.Module):
    def __init__(self, **options: bool) -> None:
        super().__init__()
        self.inner = nn.MultiheadAttention(12, 3, **options)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x, x, x, need_weights=False)[0]


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.taps = nn.Parameter(torch.randn(6, 2, 2, 3))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.taps, stride=2, padding=1, groups=2)


LAYERS: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "linear": (nn.Linear(7, 5), (4, 7)),
    "linear along a sequence": (nn.Linear(7, 5, bias=False), (4, 3, 2, 7)),
    "conv1d": (nn.Conv1d(3, 6, 5, padding=2), (4, 3, 11)),
    "conv2d": (nn.Conv2d(3, 6, 3), (4, 3, 8, 9)),
    "conv2d of one tap": (nn.Conv2d(3, 6, 1, stride=2), (4, 3, 8, 9)),
    "conv2d, crooked": (nn.Conv2d(3, 6, (3, 2), stride=(2, 1), padding=(0, 3), dilation=(1, 2)), (4, 3, 8, 9)),
    "conv3d": (nn.Conv3d(2, 4, (1, 2, 3), padding=1, stride=(1, 2, 1)), (3, 2, 4, 5, 6)),
    "grouped": (nn.Conv2d(6, 4, 3, groups=2, padding=1), (4, 6, 5, 5)),
    "depthwise": (nn.Conv2d(6, 12, 3, groups=6, stride=2), (4, 6, 9, 9)),
    "dilated": (nn.Conv2d(3, 5, 3, dilation=3, padding=2), (4, 3, 12, 10)),
    "strided": (nn.Conv1d(3, 5, 4, stride=3), (4, 3, 20)),
    "same padding": (nn.Conv2d(3, 5, (3, 5), padding="same"), (4, 3, 7, 8)),
    "same padding of an even kernel": (nn.Conv1d(3, 5, 4, padding="same", dilation=3), (4, 3, 17)),
    "valid padding": (nn.Conv1d(3, 5, 4, padding="valid"), (4, 3, 9)),
    "padded in circles": (nn.Conv2d(3, 5, 3, padding=1, padding_mode="circular"), (4, 3, 6, 6)),
    "a call with one number for all axes": (Functional(), (3, 4, 7, 8)),
    "attention": (Attention(), (5, 4, 12)),
    "attention, samples first, no biases": (Attention(batch_first=True, bias=False), (4, 5, 12)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_the_matrix_times_the_patches_is_what_the_layer_puts_out(name: str) -> None:
    layer, shape = copy.deepcopy(LAYERS[name])
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = layer(x)
    found, outputs = uses(layer, x)
    torch.testing.assert_close(outputs, expected)
    assert {use.name for use, _ in found} == {name for name, p in layer.named_parameters() if p.ndim >= 2}
    for use, own in found:
        operands = use.operands
        assert operands.weight is layer.get_parameter(use.name)
        assert (use.bias == "") == (operands.bias is None)
        product = operands.map.matrix(operands.weight) @ patches(use, operands.inputs)
        without_bias = use.call(operands.inputs, operands.weight, None)
        torch.testing.assert_close(product, operands.map.outputs(without_bias), rtol=1e-4, atol=1e-5)
        if operands.bias is not None:
            rows = operands.bias.reshape(len(product), -1, 1)
            torch.testing.assert_close(product + rows, operands.map.outputs(own), rtol=1e-4, atol=1e-5)


def test_an_embedding_is_its_transpose_times_single_words() -> None:
    layer, words = nn.Embedding(11, 6, padding_idx=2), torch.tensor([[1, 2, 10], [0, 1, 1]])
    found, outputs = uses(layer, words)
    ((use, own),) = found
    assert use.operands.map.patches(words, ALL) is None
    torch.testing.assert_close(own, layer(words))
    torch.testing.assert_close(outputs, own)
    product = use.operands.map.matrix(use.operands.weight) @ columns_of_words(words, 11)
    torch.testing.assert_close(product, use.operands.map.outputs(own))


@pytest.mark.parametrize("name", LAYERS)
def test_matrix_and_weight_are_inverse(name: str) -> None:
    layer, shape = copy.deepcopy(LAYERS[name])
    for use, _ in uses(layer, torch.randn(shape))[0]:
        view, weight = use.operands.map, use.operands.weight
        matrix = view.matrix(weight)
        assert matrix.ndim == 3
        assert torch.equal(view.weight(matrix, tuple(weight.shape)), weight)
    words = nn.Embedding(5, 3)
    ((use, _),) = uses(words, torch.tensor([0]))[0]
    assert torch.equal(use.operands.map.weight(use.operands.map.matrix(words.weight), (5, 3)), words.weight)


def positions_of(view: ConvMap | LinearMap, space: tuple[int, ...], samples: int, most: int) -> list[tuple[int, ...]]:
    """Which positions are taken: every value of the input says where it stands."""
    sites = torch.arange(samples * math.prod(space)).double()
    inputs = sites.reshape(samples, 1, *space) if isinstance(view, ConvMap) else sites[:, None]
    taken = view.patches(inputs, most)
    assert taken is not None
    return [tuple(place.tolist()) for place in torch.stack(torch.unravel_index(taken[0, 0].long(), (samples, *space)), 1)]


@pytest.mark.parametrize(("space", "most", "stride"), [((12,), 12, 3), ((16, 16), 48, 4), ((8, 8, 8), 192, 2), ((16, 16), 1024, 1)])
def test_a_convolution_is_thinned_evenly_and_alike_in_every_sample(space: tuple[int, ...], most: int, stride: int) -> None:
    ones, samples = (1,) * len(space), 3
    view = ConvMap(ones, ones, ((0, 0),) * len(space), ones, 1)
    wanted = itertools.product(range(samples), *(range(stride // 2, size, stride) for size in space))
    assert sorted(positions_of(view, space, samples, most)) == list(wanted)


def test_a_linear_layer_is_thinned_evenly() -> None:
    assert positions_of(LinearMap(), (), 100, 30) == [(place,) for place in range(0, 100, 3)]
    assert len(positions_of(LinearMap(), (), 59, 30)) == 59


@pytest.mark.parametrize("name", ["linear along a sequence", "conv1d", "conv2d, crooked", "conv3d", "depthwise"])
def test_inputs_of_one_shape_are_thinned_at_the_same_places(name: str) -> None:
    layer, shape = copy.deepcopy(LAYERS[name])
    x = torch.randn(shape)
    ((use, _),) = uses(layer, x)[0]
    whole, some, other, some_other = (patches(use, inputs, most) for inputs in (x, x + 1) for most in (ALL, 5))
    assert some.shape[-1] < whole.shape[-1]
    at = [int((whole[0] - column[:, None]).abs().sum(0).argmin()) for column in some[0].T]
    assert torch.equal(whole[:, :, at], some)
    assert torch.equal(other[:, :, at], some_other)


class Twice(nn.Module):
    """One weight in two calls, one weight under two names, a call that is no layer, and one that hides its weight."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.hidden = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4, bias=False)
        self.b.weight = self.a.weight
        self.free = nn.Parameter(torch.randn(2, 4))

    def forward(self, x: Tensor) -> Tensor:
        y = F.linear(self.b(self.a(self.a(x))), self.free)
        return y + F.linear(x, 2 * self.hidden.weight)[:, :2]


def test_uses_are_found_where_torch_is_called() -> None:
    found, _ = uses(Twice(), torch.randn(3, 4))
    seen = [(use.name, use.bias) for use, _ in found]
    assert seen == [("a.weight", "a.bias"), ("a.weight", "a.bias"), ("a.weight", "b.bias"), ("free", "")]


def test_what_the_visitor_returns_goes_on() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    x = torch.randn(5, 3)
    outside = model(x)
    with Uses(model, lambda _: torch.full((5, 2), 7.0)):
        assert torch.equal(model(x), torch.full((5, 2), 7.0))
    assert torch.equal(model(x), outside)


@pytest.mark.parametrize(("layer", "shape"), [(nn.Linear(3, 2), (3,)), (nn.Conv1d(2, 3, 3), (2, 8)), (nn.Conv2d(2, 3, 3), (2, 8, 8))])
def test_a_sample_without_its_batch_is_no_use(layer: nn.Module, shape: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    found, outputs = uses(layer, x)
    assert found == []
    torch.testing.assert_close(outputs, layer(x))


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        (nn.Linear(4, 4), nn.Linear(4, 4), True),
        (nn.Conv1d(4, 4, 3), nn.Conv1d(4, 4, 3, stride=2), True),
        (nn.Conv1d(4, 4, 3), nn.Conv1d(4, 4, 3, groups=2), False),
        (nn.Conv1d(4, 4, 3), nn.Linear(4, 4), False),
        (nn.Linear(4, 4), nn.Embedding(4, 4), False),
        (nn.Embedding(4, 4), nn.Linear(4, 4), False),
    ],
)
def test_maps_are_alike_where_they_make_the_same_matrix(one: nn.Module, other: nn.Module, alike: bool) -> None:
    inputs = {nn.Linear: torch.zeros(2, 4), nn.Conv1d: torch.zeros(2, 4, 5), nn.Embedding: torch.zeros(1, dtype=torch.long)}
    maps = [uses(layer, inputs[layer.__class__])[0][0][0].operands.map for layer in (one, other)]
    assert maps[0].alike(maps[1]) == alike


@pytest.mark.parametrize("padded", [False, True])
def test_an_encoder_of_torch_is_seen_whole(padded: bool) -> None:
    """In evaluation mode without gradients torch would take a fused call, and see nothing of padded samples."""
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(12, 4, 20, batch_first=True), 2).eval()
    padding = torch.arange(5) >= 3 if padded else torch.zeros(5, dtype=torch.bool)
    x = torch.randn(2, 5, 12)
    found, outputs = uses(encoder, x, None, padding.repeat(2, 1) if padded else None)
    names = ("self_attn.in_proj_weight", "self_attn.out_proj.weight", "linear1.weight", "linear2.weight")
    assert [use.name for use, _ in found] == [f"layers.{layer}.{name}" for layer in range(2) for name in names]
    expected = encoder(x, None, padding.repeat(2, 1) if padded else None)  # with gradients: never fused
    torch.testing.assert_close(outputs[:, ~padding], expected[:, ~padding].detach())
