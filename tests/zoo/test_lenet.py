"""The LeNets against layers put together by hand."""

import pytest
import torch
from torch import nn

from laconic.base.errors import ModelError
from laconic.zoo.lenet import LeNet5, LeNet5Classic, LeNet300100


def _as_sequence(network):
    n = network
    return {
        LeNet300100: lambda: nn.Sequential(nn.Flatten(), n.fc1, nn.ReLU(), n.fc2, nn.ReLU(), n.fc3),
        LeNet5: lambda: nn.Sequential(n.conv1, nn.MaxPool2d(2), n.conv2, nn.MaxPool2d(2), nn.Flatten(), n.fc1, nn.ReLU(), n.fc2),
        LeNet5Classic: lambda: nn.Sequential(
            *(n.conv1, nn.Tanh(), nn.AvgPool2d(2), n.conv2, nn.Tanh(), nn.AvgPool2d(2)),
            *(nn.Flatten(), n.fc1, nn.Tanh(), n.fc2, nn.Tanh(), n.fc3),
        ),
    }[type(network)]()


@pytest.mark.parametrize("kind", [LeNet300100, LeNet5, LeNet5Classic])
def test_equals_its_layers_in_a_row(kind):
    network, x = kind(), torch.randn(4, 1, 28, 28)
    torch.testing.assert_close(network(x), _as_sequence(network)(x), rtol=0, atol=0)


@pytest.mark.parametrize(("kind", "least"), [(LeNet5, 16), (LeNet5Classic, 12)])
def test_the_smallest_image_fits_and_a_smaller_one_is_refused(kind, least):
    assert kind(sample_shape=(1, least, 30)).eval()(torch.zeros(1, 1, least, 30)).shape == (1, 10)
    with pytest.raises(ModelError, match="too small"):
        kind(sample_shape=(1, least - 1, 30))
    with pytest.raises(ModelError, match="takes images"):
        kind(sample_shape=(784,))


def test_the_dense_net_takes_any_rank():
    assert LeNet300100(sample_shape=(5,))(torch.zeros(2, 5)).shape == (2, 10)
