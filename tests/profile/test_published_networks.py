"""The table of seven networks: parameters, multiplications by weights, and what the convolutions take of both."""

import pytest
import torch

from laconic.profile import count
from laconic.zoo import ZOO


@pytest.mark.parametrize(
    ("name", "params", "macs", "shares"),
    [
        ("alexnet-grouped", 60.97, 724.4, (3.8, 91.9)),
        ("cnn-f", 60.8, 724.0, (3.6, 91.9)),
        ("cnn-m", 103, 1676.2, (6.3, 94.3)),
        ("cnn-s", 103, 2637.7, (6.3, 96.3)),
        ("vgg16", 138.36, 15470.3, (10.6, 99.2)),
        ("vgg19", 143.67, 19632.1, (13.9, 99.4)),
        ("googlenet-5x5", 7.0, 1582.7, (85.4, 99.9)),
    ],
)
def test_published_networks(name: str, params: float, macs: float, shares: tuple[float, float]) -> None:
    """To the last digit that is printed: parameters and MACs in millions, the convolutions' share of both in per cent."""
    with torch.device("meta"):
        network = ZOO[name].build()
    found = count(network, ZOO[name].sample_shape)
    digits = len(f"{params}".partition(".")[2])
    assert round(found.params / 1e6, digits) == params
    assert round(found.macs / 1e6, 1) == macs
    assert (round(found.conv.params, 1), round(found.conv.macs, 1)) == shares
    assert found.conv.params + found.fc.params == pytest.approx(100)
    assert found.conv.macs + found.fc.macs == pytest.approx(100)
