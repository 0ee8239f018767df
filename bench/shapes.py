"""Networks of published shapes, with random weights: what is measured on them is time, and what the clock cannot see is left out."""

from collections.abc import Callable, Mapping

from torch import nn

from laconic.zoo.blocks.plain import plain_features
from laconic.zoo.mobilenet_v2 import MobileNetV2
from laconic.zoo.resnet import ResNet
from laconic.zoo.vgg import DEPTHS, table


def vgg16() -> nn.Module:
    """Without its classifier, on 224 × 224: 14.7 M parameters, 15.3 G MACs."""
    return nn.Sequential(*plain_features(3, table(*DEPTHS[16])), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000))


SHAPES: Mapping[str, Callable[[], nn.Module]] = {"resnet18": ResNet, "mobilenet_v2": MobileNetV2, "vgg16": vgg16}
