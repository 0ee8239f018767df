"""Depthwise filters are left out of weight decay, and nothing else is."""

import torch

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
