"""Depthwise filters are left out of weight decay, and nothing else is."""

import pytest
import torch
from torch import nn

from laconic.datasets.data import Data
from laconic.forms import Masked
from laconic.nn import hold
from laconic.nn.weights import to_numpy
from laconic.train import Training, loop
from laconic.train.decay import decay_groups, is_depthwise
from laconic.zoo.mobilenet_v1 import MobileNetV1


def test_without_a_gradient_all_but_depthwise_filters_shrink() -> None:
    torch.manual_seed(0)
    network = MobileNetV1(4, (1, 8, 8), width=0.25)
    before = {name: parameter.clone() for name, parameter in network.named_parameters()}
    optimizer = torch.optim.SGD(decay_groups(network, 0.5), lr=1.0)
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    depthwise = {f"{name}.weight" for name, module in network.named_modules() if is_depthwise(module)}
    assert len(depthwise) == 13
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(parameter, before[name] * (1 if name in depthwise else 0.5), rtol=0, atol=0)


def test_every_trained_parameter_is_in_one_group() -> None:
    network = MobileNetV1(4, (1, 8, 8), width=0.25)
    network.classifier.requires_grad_(False)
    grouped = [parameter for group in decay_groups(network, 1e-4) for parameter in group["params"]]
    assert len(grouped) == len(set(grouped)) == sum(parameter.requires_grad for parameter in network.parameters())


def test_a_masked_depthwise_filter_is_left_out_as_well() -> None:
    network = nn.Sequential(nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 4, 1))
    held = hold(network, {"0.weight": Masked.of(to_numpy(network[0].weight), to_numpy(network[0].weight) > 0)})
    without, others = (group["params"] for group in decay_groups(held.module, 1e-4))
    assert [p.shape for p in without] == [(4, 1, 3, 3)]
    assert len(others) == 3


@pytest.mark.parametrize("decays", [True, False])
def test_a_training_says_so(decays: bool, data: Data) -> None:
    """With a loss whose gradient is zero, a step of rate 1 shrinks what decays by the decay alone."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.Conv2d(2, 2, 3, groups=2, bias=False)).eval()
    before = network[1].weight.detach().clone()
    training = Training(batch=64, lr=0.1, weight_decay=0.5, schedule="constant", decay_depthwise=decays)
    list(loop(network, data.train, data.preprocessing, lambda model, x, t: 0 * model(x).sum(), training, 0))
    assert torch.equal(network[1].weight, before) != decays
