"""Networks of published shapes, with random weights: what is measured on them is time, and what the clock cannot see is left out."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

VGG16 = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
INVERTED = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, act: type[nn.Module] | None = nn.ReLU) -> nn.Sequential:
    """Convolution, normalisation, activation."""
    layers = [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(outputs)]
    return nn.Sequential(*layers, *([] if act is None else [act()]))


class Residual(nn.Module):
    """He et al. 2016, figure 5 left."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(conv(inputs, outputs, 3, stride), conv(outputs, outputs, 3, act=None))
        self.past = nn.Identity() if stride == 1 and inputs == outputs else conv(inputs, outputs, 1, stride, act=None)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.branch(x) + self.past(x))


class Inverted(nn.Module):
    """Sandler et al. 2018, figure 4d."""

    def __init__(self, inputs: int, outputs: int, stride: int, expand: int) -> None:
        super().__init__()
        hidden = inputs * expand
        first = [conv(inputs, hidden, 1, act=nn.ReLU6)] if expand > 1 else []
        self.layers = nn.Sequential(*first, conv(hidden, hidden, 3, stride, hidden, nn.ReLU6), conv(hidden, outputs, 1, act=None))
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.adds else self.layers(x)


def head(inputs: int) -> list[nn.Module]:
    """Mean over the image, then 1 000 classes."""
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 1000)]


def resnet18() -> nn.Module:
    """On 224 × 224: 11.7 M parameters, 1.8 G MACs."""
    layers: list[nn.Module] = [conv(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)]
    for inputs, outputs, stride in ((64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2)):
        layers += [Residual(inputs, outputs, stride), Residual(outputs, outputs, 1)]
    return nn.Sequential(*layers, *head(512))


def mobilenet_v2() -> nn.Module:
    """On 224 × 224: 3.5 M parameters, 0.3 G MACs."""
    layers: list[nn.Module] = [conv(3, 32, 3, 2, act=nn.ReLU6)]
    inputs = 32
    for expand, outputs, depth, stride in INVERTED:
        for number in range(depth):
            layers.append(Inverted(inputs, outputs, stride if number == 0 else 1, expand))
            inputs = outputs
    return nn.Sequential(*layers, conv(320, 1280, 1, act=nn.ReLU6), *head(1280))


def vgg16() -> nn.Module:
    """Without its classifier, on 224 × 224: 14.7 M parameters, 15.3 G MACs."""
    layers: list[nn.Module] = []
    inputs = 3
    for outputs, depth in VGG16:
        for _ in range(depth):
            layers += [nn.Conv2d(inputs, outputs, 3, 1, 1), nn.ReLU()]
            inputs = outputs
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, *head(512))


SHAPES: Mapping[str, Callable[[], nn.Module]] = {"resnet18": resnet18, "mobilenet_v2": mobilenet_v2, "vgg16": vgg16}
