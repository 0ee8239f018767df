"""Tables of stages: what varies them, and what stays."""

import pytest
import torch
from torch import nn

from laconic.profile import count
from laconic.zoo import alexnet, mobilenet_v2, resnet, squeezenet, vgg
from laconic.zoo.alexnet import AlexNet
from laconic.zoo.blocks.conv import full_conv
from laconic.zoo.mobilenet_v2 import MobileNetV2
from laconic.zoo.squeezenet import SqueezeNet
from laconic.zoo.stages import Pool, Stage, build_flat, delayed, divisible, fitted, scaled

TABLES = {
    "alexnet": alexnet.PLAIN,
    "mobilenet_v2": mobilenet_v2.STAGES,
    "resnet50": resnet.TABLES[50],
    "squeezenet": squeezenet.SQUEEZENET_1_0,
    "vgg": vgg.table(1, 1, 1, 1, 1),
}


def strides(rows):
    return [row.stride for row in rows if row.stride > 1]


def test_a_pool_without_a_stride_pools_nothing():
    x = torch.randn(1, 2, 5, 5)
    assert torch.equal(Pool(3, 1).build()(x), x)
    assert Pool(3, 2, ceil=True).build()(x).shape == (1, 2, 2, 2)


def test_only_the_first_block_of_a_stage_has_its_stride():
    network = build_flat(3, [Stage(width=8, depth=3, stride=2, block=full_conv)])
    assert [(block[0].in_channels, block[0].out_channels, block[0].stride) for block in network] == [
        (3, 8, (2, 2)),
        (8, 8, (1, 1)),
        (8, 8, (1, 1)),
    ]


@pytest.mark.parametrize("width", range(1, 400, 7))
def test_divisible_is_near_and_not_much_below(width):
    found = divisible(width)
    assert found % 8 == 0
    assert found >= max(8, 0.9 * width)
    assert abs(found - width) <= 8


def test_at_width_one_no_channel_is_rounded():
    rows = (Stage(width=18, block=full_conv),)
    assert scaled(rows, 1) == rows
    assert scaled(rows, 0.5)[0].width == 16  # 9 is nearer to 8, but that is more than a tenth less


@pytest.mark.parametrize("rows", TABLES.values(), ids=TABLES)
def test_the_papers_images_keep_the_papers_table(rows):
    assert fitted(rows, 224) == tuple(rows)
    assert fitted(rows, 8, skip=0) == tuple(rows)


@pytest.mark.parametrize("side", [8, 16, 28, 32, 64, 96])
@pytest.mark.parametrize("rows", TABLES.values(), ids=TABLES)
def test_no_more_strides_go_than_it_takes(rows, side):
    left = strides(fitted(rows, side))
    assert side >= 4 * torch.tensor(left).prod()
    assert left == strides(rows)[len(strides(rows)) - len(left) :]
    if len(left) < len(strides(rows)):
        assert side < 4 * torch.tensor(strides(rows)[-len(left) - 1 :]).prod()


def test_wide_windows_go_with_their_stride():
    stem, pool, *_ = fitted(resnet.TABLES[18], 32)
    assert (stem.kernel, stem.stride, pool.stride) == (3, 1, 1)


@pytest.mark.parametrize("by", [1, 2, 5])
@pytest.mark.parametrize("rows", TABLES.values(), ids=TABLES)
def test_a_delay_keeps_the_downsampling_and_its_order(rows, by):
    late = delayed(rows, by)
    assert strides(late) == strides(rows)
    assert [isinstance(row, Pool) for row in late if row.stride > 1] == [isinstance(row, Pool) for row in rows if row.stride > 1]
    assert [row.width for row in late if isinstance(row, Stage)] == [row.width for row in rows if isinstance(row, Stage)]
    assert delayed(rows, 0) == tuple(rows)


@pytest.mark.parametrize(
    ("network", "rows"), [(MobileNetV2, mobilenet_v2.STAGES), (AlexNet, alexnet.PLAIN), (SqueezeNet, squeezenet.SQUEEZENET_1_1)]
)
def test_later_downsampling_costs_macs_and_not_parameters(network, rows):
    with torch.device("meta"):
        early, late = (count(network(sample_shape=(3, 64, 64), rows=table, skip=0), (3, 64, 64)) for table in (rows, delayed(rows)))
    assert late.conv.macs * late.macs > 1.3 * early.conv.macs * early.macs  # of the convolutions alone
    assert _conv_weights(late) == _conv_weights(early)


def _conv_weights(found):
    return sum(layer.params for layer in found.layers if layer.family == "conv")


def test_a_table_that_divides_at_every_stage_has_no_room():
    assert delayed(resnet.TABLES[18]) == resnet.TABLES[18]


def test_blocks_of_one_network_work_in_another():
    rows = tuple(Stage(width=row.width, stride=row.stride, block=resnet.BasicBlock) for row in mobilenet_v2.STAGES)
    network = MobileNetV2(5, (1, 32, 32), rows=rows)
    assert isinstance(network.features[3], resnet.BasicBlock)
    assert network(torch.zeros(2, 1, 32, 32)).shape == (2, 5)
    assert not any(isinstance(m, nn.ReLU6) for m in network.modules())
