"""What every architecture in the zoo must do, and what its paper says of it."""

import pytest
import torch
from torch import nn

from laconic.zoo import ZOO

# Published: LeNet-300-100 and Caffe's LeNet-5 in Han et al. 2016 (266 K, 431 K), exact by arithmetic; ResNets: He et al. 2016,
# table 6 (0.27, 0.46, 0.66, 0.85, 1.7 M), exact as their public re-implementation counts them.
PARAMETERS = {
    "lenet-300-100": 266_610,
    "lenet5": 431_080,
    "lenet5-classic": 61_706,
    "resnet20": 269_722,
    "resnet32": 464_154,
    "resnet44": 658_586,
    "resnet56": 853_018,
    "resnet110": 1_727_962,
}
PROJECTIONS = 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64  # option B: two 1×1 convolutions, each with its batch normalisation
PARAMETERS |= {f"{name}-b": count + PROJECTIONS for name, count in PARAMETERS.items() if name.startswith("resnet")}
DEEP = ("resnet44", "resnet56", "resnet110")


def test_every_architecture_has_a_published_figure():
    assert set(ZOO) == set(PARAMETERS)


@pytest.fixture(params=[pytest.param(n, marks=pytest.mark.slow if n.startswith(DEEP) else ()) for n in ZOO])
def name(request):
    return request.param


@pytest.fixture
def network(name):
    torch.manual_seed(0)
    return ZOO[name].build(classes=ZOO[name].classes, sample_shape=ZOO[name].sample_shape)


def test_parameters_are_as_published(name, network):
    assert sum(p.numel() for p in network.parameters()) == PARAMETERS[name]


def test_defaults_of_the_class_are_those_of_the_table(name, network):
    bare = ZOO[name].build()
    assert {k: v.shape for k, v in bare.state_dict().items()} == {k: v.shape for k, v in network.state_dict().items()}


def test_forward_gives_finite_logits_and_every_parameter_learns(name, network):
    logits = network(torch.randn(3, *ZOO[name].sample_shape))
    assert logits.shape == (3, ZOO[name].classes)
    nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2])).backward()
    silent = [key for key, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []
    assert torch.isfinite(logits).all()


def test_classes_and_channels_are_free(name):
    channels = 4 - ZOO[name].sample_shape[0]
    network = ZOO[name].build(classes=7, sample_shape=(channels, 40, 36)).eval()
    assert network(torch.zeros(2, channels, 40, 36)).shape == (2, 7)


def test_samples_do_not_touch_each_other(name, network):
    network.eval()
    x = torch.randn(4, *ZOO[name].sample_shape)
    torch.testing.assert_close(network(x)[2:3], network(x[2:3]), rtol=1e-4, atol=1e-4)


def test_exports_with_a_free_batch_size(name, network):
    network.eval()
    x = torch.randn(2, *ZOO[name].sample_shape)
    exported = torch.export.export(network, (x,), dynamic_shapes=({0: torch.export.Dim("batch")},)).module()
    other = torch.randn(5, *ZOO[name].sample_shape)
    torch.testing.assert_close(exported(other), network(other))
