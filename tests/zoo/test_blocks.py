"""The blocks that papers share, against their definitions."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from laconic.base.errors import ModelError
from laconic.nn.shuffle import ChannelShuffle
from laconic.profile import count
from laconic.zoo.alexnet import GROUPED, AlexNet
from laconic.zoo.blocks.conv import ConvNormAct
from laconic.zoo.blocks.fire import Fire, FireStage
from laconic.zoo.blocks.inverted_residual import InvertedResidual, InvertedStage
from laconic.zoo.blocks.plain import PlainStage, averaged, plain_conv
from laconic.zoo.blocks.separable import DepthwiseSeparable, SeparableConv
from laconic.zoo.blocks.squeeze_excite import SqueezeExcite
from laconic.zoo.shufflenet_v1 import ShuffleStage
from laconic.zoo.shufflenet_v1 import Unit as UnitV1
from laconic.zoo.shufflenet_v2 import Unit as UnitV2
from laconic.zoo.stages import Stage
from laconic.zoo.xception import Xception

INVERTED = InvertedStage(width=8, activation=nn.ReLU6, block=InvertedResidual)
FIRE = FireStage(width=16, squeeze=4, block=Fire)


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("side", [7, 8])
def test_padding_leaves_the_division_to_the_stride(kernel, side):
    assert ConvNormAct(2, 4, kernel, 2)(torch.zeros(2, 2, side, side)).shape == (2, 4, 4, 4)


def test_a_shuffle_sends_each_group_to_all():
    shuffled = ChannelShuffle(3)(torch.arange(12.0).reshape(1, 12, 1, 1)).reshape(4, 3)
    assert [set((row // 4).tolist()) for row in shuffled] == [{0, 1, 2}] * 4


def test_shuffles_of_both_factors_undo_each_other():
    x = torch.randn(2, 12, 3, 3)
    assert torch.equal(ChannelShuffle(4)(ChannelShuffle(3)(x)), x)


def test_squeeze_and_excite_scales_whole_channels():
    x = torch.rand(2, 8, 4, 4) + 1
    ratio = SqueezeExcite(8, 2)(x) / x
    torch.testing.assert_close(ratio, ratio[:, :, :1, :1].expand_as(ratio))
    assert ratio.min() >= 0
    assert ratio.max() <= 1


def test_separable_weights_and_share():
    block, full = (DepthwiseSeparable(32, Stage(width=64, block=DepthwiseSeparable), 1), ConvNormAct(32, 64))
    ours, theirs = (count(m, (32, 10, 10)).macs for m in (block, full))
    assert ours / theirs == pytest.approx(1 / 64 + 1 / 9)


@pytest.mark.parametrize("groups", [1, 2, 4, 8])
def test_the_spectrum_divides_the_spatial_weights(groups):
    assert SeparableConv(8, 16, groups=groups)[0].weight.numel() == 9 * 64 // groups


def test_one_group_with_a_pointwise_identity_is_a_full_convolution():
    block, x = SeparableConv(4, 4, groups=1).eval(), torch.randn(1, 4, 5, 5)
    with torch.no_grad():
        block[1].weight.copy_(torch.eye(4)[:, :, None, None])
        torch.testing.assert_close(block(x), block[2](nn.functional.conv2d(x, block[0].weight, padding=1)))


def test_the_bottleneck_is_linear_unless_it_is_told():
    x = torch.randn(2, 4, 6, 6)
    assert (InvertedResidual(4, INVERTED, 1)(x) < 0).any()
    assert (InvertedResidual(4, replace(INVERTED, bottleneck=nn.ReLU), 1)(x) >= 0).all()


@pytest.mark.parametrize(("inputs", "stride", "adds"), [(8, 1, True), (8, 2, False), (4, 1, False)])
def test_a_block_is_added_where_shapes_agree(inputs, stride, adds):
    block, x = InvertedResidual(inputs, INVERTED, stride).eval(), torch.randn(2, inputs, 6, 6)
    nn.init.zeros_(block.block[-1][1].weight)
    torch.testing.assert_close(block(x), x if adds else torch.zeros_like(block(x)))


def test_expansion_comes_first_and_compression_below_one():
    wide = InvertedResidual(24, replace(INVERTED, width=24), 1)
    assert [m.out_channels for m in wide.modules() if isinstance(m, nn.Conv2d)] == [144, 144, 24]
    narrow = InvertedResidual(48, replace(INVERTED, width=48, expand=1 / 6), 1)
    assert [m.out_channels for m in narrow.modules() if isinstance(m, nn.Conv2d)] == [8, 8, 48]
    assert len(InvertedResidual(8, replace(INVERTED, expand=1), 1).block) == 2


def test_squeeze_and_excite_stands_behind_the_depthwise_filters():
    kinds = [type(part).__name__ for part in InvertedResidual(8, replace(INVERTED, squeeze=0.25), 1).block]
    assert kinds == ["ConvNormAct", "ConvNormAct", "SqueezeExcite", "ConvNormAct"]


@pytest.mark.parametrize(
    ("bypass", "inputs", "kind"),
    [
        ("none", 16, type(None)),
        ("simple", 16, nn.Identity),
        ("simple", 8, type(None)),
        ("complex", 16, nn.Identity),
        ("complex", 8, nn.Conv2d),
    ],
)
def test_fire_and_its_bypasses(bypass, inputs, kind):
    fire, x = Fire(inputs, replace(FIRE, bypass=bypass)), torch.randn(2, inputs, 5, 5)
    assert isinstance(fire.bypass, kind)
    squeezed = fire.squeeze(x).relu()
    wanted = torch.cat([fire.expand1x1(squeezed), fire.expand3x3(squeezed)], 1).relu()
    torch.testing.assert_close(fire(x), wanted if fire.bypass is None else wanted + fire.bypass(x))


@pytest.mark.parametrize(("inputs", "stride", "side"), [(24, 1, 7), (24, 2, 4), (12, 2, 4), (12, 1, 7)])
def test_units_of_both_shufflenets_give_the_width(inputs, stride, side):
    first = UnitV1(inputs, ShuffleStage(width=24, groups=3, first_groups=1, block=UnitV1), stride)
    second = UnitV2(inputs, Stage(width=24, block=UnitV2), stride)
    for unit in (first, second):
        assert unit(torch.randn(2, inputs, 7, 7)).shape == (2, 24, side, side)


def test_half_of_the_channels_pass_a_unit_of_the_second_shufflenet():
    unit, x = UnitV2(24, Stage(width=24, block=UnitV2), 1).eval(), torch.randn(2, 24, 5, 5)
    assert torch.equal(unit(x)[:, ::2], x[:, :12])


def test_responses_are_normalised_as_krizhevsky_writes_it():
    block = plain_conv(1, PlainStage(width=6, kernel=1, responses=True, block=plain_conv), 1)
    x = torch.rand(1, 1, 2, 2)
    a = block[1](block[0](x))[0]
    wanted = torch.stack([a[i] / (2 + 1e-4 * (a[max(0, i - 2) : i + 3] ** 2).sum(0)) ** 0.75 for i in range(6)])
    torch.testing.assert_close(block(x)[0], wanted)


@pytest.mark.parametrize(("sides", "pixels"), [((6, 6), 36), ((3, 2), 6), ((7, 4), 24), ((9, 9), 36)])
def test_a_map_is_averaged_down_and_never_up(sides, pixels):
    layer, left = averaged(*sides, 6)
    assert left == pixels
    assert layer(torch.zeros(1, 2, *sides)).flatten(1).shape == (1, 2 * pixels)


@pytest.mark.parametrize("build", [lambda: Xception(groups=3), lambda: AlexNet(rows=[replace(GROUPED[0], groups=7), *GROUPED[1:]])])
def test_channels_that_cannot_be_shared_out_are_refused(build):
    with torch.device("meta"), pytest.raises(ModelError, match="channels make no"):
        build()
