"""The residual networks against their definition."""

from dataclasses import replace

import pytest
import torch

from laconic.base.errors import ModelError
from laconic.zoo.resnet_cifar import STAGES, Block, ResidualStage, ResNetCifar, SubsampleAndPad


def test_names_are_those_of_the_public_checkpoints():
    expected = {"conv1.weight", "linear.weight", "linear.bias"}
    for norm in ("bn1", *(f"layer{s}.{i}.bn{k}" for s in (1, 2, 3) for i in range(3) for k in (1, 2))):
        expected |= {f"{norm}.{part}" for part in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")}
    expected |= {f"layer{s}.{i}.conv{k}.weight" for s in (1, 2, 3) for i in range(3) for k in (1, 2)}
    assert set(ResNetCifar(20).state_dict()) == expected


@pytest.mark.parametrize("depth", [20, 32, 44, 56, 110])
def test_depth_counts_the_layers_with_weights(depth):
    layers = [name for name, p in ResNetCifar(depth).named_parameters() if p.ndim > 1]
    assert len(layers) == depth


def test_option_a_subsamples_and_centres_the_channels():
    x = torch.randn(2, 16, 8, 6)
    y = SubsampleAndPad(16, 32, 2)(x)
    assert y.shape == (2, 32, 4, 3)
    for i in range(32):
        inside = 8 <= i < 24
        torch.testing.assert_close(y[:, i], x[:, i - 8, ::2, ::2] if inside else torch.zeros(2, 4, 3), rtol=0, atol=0)


def test_an_odd_number_of_new_channels_is_filled_up():
    assert SubsampleAndPad(3, 6, 2)(torch.ones(1, 3, 5, 5)).shape == (1, 6, 3, 3)


def test_option_b_projects():
    a, b = ResNetCifar(20), ResNetCifar(20, shortcut="B")
    extra = sum(p.numel() for p in b.parameters()) - sum(p.numel() for p in a.parameters())
    assert extra == 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64
    assert b(torch.randn(2, 3, 32, 32)).shape == (2, 10)


def test_a_block_without_a_residual_is_its_shortcut():
    block = Block(8, ResidualStage(width=16, block=Block), 2).eval()
    torch.nn.init.zeros_(block.bn2.weight)
    x = torch.randn(2, 8, 6, 6)
    torch.testing.assert_close(block(x), block.shortcut(x).relu(), rtol=0, atol=0)


def test_stages_halve_the_image():
    network, seen = ResNetCifar(20).eval(), []
    for stage in (network.layer1, network.layer2, network.layer3):
        stage.register_forward_hook(lambda module, inputs, output: seen.append(tuple(output.shape[1:])))
    network(torch.zeros(1, 3, 32, 32))
    assert seen == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]


def test_its_table_can_be_changed():
    wider = [replace(row, width=2 * row.width, activation=torch.nn.SiLU) for row in STAGES]
    network = ResNetCifar(8, 7, rows=wider).eval()
    assert (network.conv1.out_channels, network.linear.in_features) == (32, 128)
    assert not any(isinstance(part, torch.nn.ReLU) for part in network.modules())
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 7)


def test_weights_start_with_the_variance_of_he():
    torch.manual_seed(0)
    weight = ResNetCifar(20).layer3[1].conv1.weight
    assert weight.var().item() == pytest.approx(2 / (64 * 9), rel=0.03)
    assert weight.mean().item() == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("depth", [2, 18, 21])
def test_other_depths_are_refused(depth):
    with pytest.raises(ModelError, match="6n"):
        ResNetCifar(depth)
