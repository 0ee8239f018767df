"""Compact blocks against their table of weights, torch's own convolution, and the shapes of the convolution that they stand for."""

import numpy as np
import pytest
import torch
from torch import nn

from laconic.base.errors import ModelError
from laconic.nn.compact import BLOCKS, compact, convolutions, linear, most, obstacle, product
from laconic.nn.shuffle import ChannelShuffle
from laconic.profile import count

SIZES = {"depthwise": 1, "grouped": 2, "fire": 4, "inverted": 2, "bottleneck": 4}
GEOMETRIES = {
    "plain": {"kernel_size": 3, "padding": 1},
    "stride": {"kernel_size": 3, "padding": 1, "stride": 2},
    "unpadded": {"kernel_size": 3},
    "even": {"kernel_size": 2, "stride": 2},
    "dilated": {"kernel_size": 3, "padding": 2, "dilation": 2},
    "oblong": {"kernel_size": (1, 5), "padding": (0, 2), "stride": (2, 1)},
}


@pytest.mark.parametrize("kind", BLOCKS)
@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("bias", [True, False])
def test_a_block_has_the_shape_of_its_convolution(kind: str, geometry: str, bias: bool) -> None:
    layer = nn.Conv2d(8, 6, **GEOMETRIES[geometry], bias=bias)  # type: ignore[arg-type]
    if obstacle(layer, kind, SIZES[kind]):
        assert (kind, geometry) in {("fire", "unpadded"), ("fire", "even")}
        return
    block = compact(layer, kind, SIZES[kind])
    for sides in ((9, 7), (8, 8)):
        assert block(torch.randn(2, 8, *sides)).shape == layer(torch.randn(2, 8, *sides)).shape
    assert all((one.bias is not None) == bias for one in convolutions(block)[-1 - (kind == "fire") :])


@pytest.mark.parametrize(
    ("kind", "size", "weights"),
    [
        ("depthwise", 1, 16 * (9 + 32)),
        ("grouped", 4, 32 * (16 * 9 + 32) // 4),
        ("fire", 8, 8 * (16 + 16 + 16 * 9)),
        ("inverted", 2, 32 * (16 + 9 + 32)),
        ("bottleneck", 8, 8 * (16 + 8 * 9 + 32)),
    ],
)
def test_weights_and_multiplications_are_those_of_the_table(kind: str, size: int, weights: int) -> None:
    block = compact(nn.Conv2d(16, 32, 3, padding=1, bias=False), kind, size)
    assert sum(one.weight.numel() for one in convolutions(block)) == weights
    assert count(block, (16, 7, 5)).macs == weights * 35


@pytest.mark.parametrize(("outputs", "kernel"), [(32, 3), (256, 5), (8, 7)])
def test_a_depthwise_separable_block_has_one_over_t_plus_one_over_k_squared_of_the_cost(outputs: int, kernel: int) -> None:
    """Howard et al. 2017, §3.1: 1/N + 1/D_K², of the weights and of the multiply-adds."""
    layer = nn.Conv2d(16, outputs, kernel, padding=kernel // 2, bias=False)
    block, sample = compact(layer, "depthwise", 1), (16, 12, 12)
    for cost in (lambda one: count(one, sample).macs, lambda one: count(one, sample).params):
        assert cost(block) / cost(layer) == pytest.approx(1 / outputs + 1 / kernel**2, rel=1e-12)


@pytest.mark.parametrize("kind", [kind for kind in BLOCKS if linear(kind)])
@pytest.mark.parametrize("groups", [2, 3])
def test_a_linear_block_is_the_convolution_of_its_product(kind: str, groups: int) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(6, 12, 3, stride=2, padding=1)
    block, x = compact(layer, kind, groups if kind == "grouped" else 1), torch.randn(2, 6, 9, 8)
    weight = product(kind, groups, *(one.weight.detach().numpy() for one in convolutions(block)))
    wanted = nn.functional.conv2d(x, torch.from_numpy(weight), convolutions(block)[-1].bias, 2, 1)
    assert weight.shape == layer.weight.shape
    assert torch.allclose(block(x), wanted, atol=1e-5)


def test_in_a_grouped_block_every_input_reaches_every_output() -> None:
    block = compact(nn.Conv2d(16, 16, 3), "grouped", 4)
    assert np.all(np.abs(product("grouped", 4, *(one.weight.detach().numpy() for one in convolutions(block)))).max((2, 3)) > 0)


def test_channels_are_shuffled_as_torch_shuffles_them() -> None:
    x = torch.randn(2, 12, 3, 5)
    assert torch.equal(ChannelShuffle(3)(x), nn.functional.channel_shuffle(x, 3))


@pytest.mark.parametrize(
    ("layer", "kind", "size", "words"),
    [
        (nn.Conv2d(8, 8, 1), "depthwise", 1, "1 × 1"),
        (nn.Conv2d(8, 8, 3, groups=2), "bottleneck", 4, "grouped already"),
        (nn.Conv2d(8, 8, 3, padding="same"), "depthwise", 1, "'same'"),
        (nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect"), "depthwise", 1, "'reflect'"),
        (nn.Conv2d(8, 6, 3), "grouped", 4, "no 4 groups"),
        (nn.Conv2d(8, 8, 3), "fire", 4, "does not centre"),
        (nn.Conv2d(8, 1, 3, padding=1), "fire", 4, "one output"),
        (nn.Conv2d(8, 8, 3), "bottleneck", 10**12, "makes no sense"),
        (nn.Conv2d(8, 8, 3), "inverted", 19, "makes no sense"),
        (nn.Conv2d(8, 8, 3), "depthwise", 0, "makes no sense"),
        (nn.Conv2d(8, 8, 3), "shift", 1, "cannot be a block 'shift'"),
        (nn.Linear(8, 8), "depthwise", 1, "Linear cannot be"),
        (nn.Conv1d(8, 8, 3), "depthwise", 1, "Conv1d cannot be"),
    ],
)
def test_what_cannot_be_a_block_is_refused(layer: nn.Module, kind: str, size: int, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        compact(layer, kind, size)


@pytest.mark.parametrize("kind", BLOCKS)
def test_the_greatest_size_that_makes_sense_can_be_had(kind: str) -> None:
    layer = nn.Conv2d(4, 8, 3, padding=1)
    assert compact(layer, kind, most(layer, kind))(torch.zeros(1, 4, 5, 5)).shape == (1, 8, 5, 5)


def test_a_block_is_of_the_layer_s_type_and_mode() -> None:
    block = compact(nn.Conv2d(4, 8, 3).double().eval(), "bottleneck", 2)
    assert not block.training
    assert {p.dtype for p in block.parameters()} == {torch.float64}
