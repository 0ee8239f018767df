"""The table of seven networks: parameters, multiplications by weights, and what the convolutions take of both."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from laconic.profile import count


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups), nn.ReLU())


def pool(kernel: int = 3, stride: int = 2) -> nn.Module:
    return nn.MaxPool2d(kernel, stride, ceil_mode=True)


def classifier(inputs: int) -> list[nn.Module]:
    return [nn.Flatten(), nn.Linear(inputs, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000)]


def alexnet() -> nn.Module:
    """Krizhevsky et al. 2012, two groups, on 227 × 227."""
    first = [conv(3, 96, 11, 4), pool(), conv(96, 256, 5, 1, 2, groups=2), pool(), conv(256, 384, 3, 1, 1)]
    rest = [conv(384, 384, 3, 1, 1, groups=2), conv(384, 256, 3, 1, 1, groups=2), pool()]
    return nn.Sequential(*first, *rest, *classifier(256 * 36))


def cnn_f() -> nn.Module:
    """Chatfield et al. 2014, the fast one."""
    first = [conv(3, 64, 11, 4), pool(), conv(64, 256, 5, 1, 2), pool()]
    return nn.Sequential(*first, *(conv(256, 256, 3, 1, 1) for _ in range(3)), pool(), *classifier(256 * 36))


def cnn_m() -> nn.Module:
    """Chatfield et al. 2014, the medium one."""
    first = [conv(3, 96, 7, 2), pool(), conv(96, 256, 5, 2, 1), pool()]
    return nn.Sequential(*first, *(conv(channels, 512, 3, 1, 1) for channels in (256, 512, 512)), pool(), *classifier(512 * 36))


def cnn_s() -> nn.Module:
    """Chatfield et al. 2014, the slow one; its conv2 is not padded."""
    first = [conv(3, 96, 7, 2), pool(3, 3), conv(96, 256, 5), pool(2, 2)]
    return nn.Sequential(*first, *(conv(channels, 512, 3, 1, 1) for channels in (256, 512, 512)), pool(3, 3), *classifier(512 * 36))


def vgg(*depths: int) -> nn.Module:
    """Simonyan & Zisserman 2014: stages of so many 3 × 3 convolutions."""
    layers: list[nn.Module] = []
    inputs = 3
    for outputs, depth in zip((64, 128, 256, 512, 512), depths, strict=True):
        layers += [conv(inputs if i == 0 else outputs, outputs, 3, 1, 1) for i in range(depth)] + [pool(2, 2)]
        inputs = outputs
    return nn.Sequential(*layers, *classifier(512 * 49))


class Inception(nn.Module):
    """Szegedy et al. 2015, figure 2b: 1 × 1, 3 × 3 and 5 × 5 behind 1 × 1, and pooling, side by side."""

    def __init__(self, inputs: int, one: int, three: tuple[int, int], five: tuple[int, int], pooled: int) -> None:
        super().__init__()
        self.one = conv(inputs, one, 1)
        self.three = nn.Sequential(conv(inputs, three[0], 1), conv(*three, 3, 1, 1))
        self.five = nn.Sequential(conv(inputs, five[0], 1), conv(*five, 5, 1, 2))
        self.pooled = nn.Sequential(nn.MaxPool2d(3, 1, 1), conv(inputs, pooled, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.one(x), self.three(x), self.five(x), self.pooled(x)], 1)


def googlenet() -> nn.Module:
    """Szegedy et al. 2015, table 1, without the side classifiers."""
    return nn.Sequential(
        conv(3, 64, 7, 2, 3), pool(), conv(64, 64, 1), conv(64, 192, 3, 1, 1), pool(),
        Inception(192, 64, (96, 128), (16, 32), 32), Inception(256, 128, (128, 192), (32, 96), 64), pool(),
        Inception(480, 192, (96, 208), (16, 48), 64), Inception(512, 160, (112, 224), (24, 64), 64),
        Inception(512, 128, (128, 256), (24, 64), 64), Inception(512, 112, (144, 288), (32, 64), 64),
        Inception(528, 256, (160, 320), (32, 128), 128), pool(),
        Inception(832, 256, (160, 320), (32, 128), 128), Inception(832, 384, (192, 384), (48, 128), 128),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1024, 1000),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("build", "side", "params", "macs", "shares"),
    [
        (alexnet, 227, 60.97, 724.4, (3.8, 91.9)),
        (cnn_f, 224, 60.8, 724.0, (3.6, 91.9)),
        (cnn_m, 224, 103, 1676.2, (6.3, 94.3)),
        (cnn_s, 224, 103, 2637.7, (6.3, 96.3)),
        (lambda: vgg(2, 2, 3, 3, 3), 224, 138.36, 15470.3, (10.6, 99.2)),
        (lambda: vgg(2, 2, 4, 4, 4), 224, 143.67, 19632.1, (13.9, 99.4)),
        (googlenet, 224, 7.0, 1582.7, (85.4, 99.9)),
    ],
    ids=["AlexNet", "CNN-F", "CNN-M", "CNN-S", "VGG-16", "VGG-19", "GoogLeNet"],
)
def test_published_networks(build: Callable[[], nn.Module], side: int, params: float, macs: float, shares: tuple[float, float]) -> None:
    """To the last digit that is printed: parameters and MACs in millions, the convolutions' share of both in per cent."""
    with torch.device("meta"):
        network = build()
    found = count(network, (3, side, side))
    digits = len(f"{params}".partition(".")[2])
    assert round(found.params / 1e6, digits) == params
    assert round(found.macs / 1e6, 1) == macs
    assert (round(found.conv.params, 1), round(found.conv.macs, 1)) == shares
    assert found.conv.params + found.fc.params == pytest.approx(100)
    assert found.conv.macs + found.fc.macs == pytest.approx(100)
