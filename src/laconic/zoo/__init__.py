"""The zoo: one paper, one file, and this table of the names that users type after `zoo:`."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

from laconic.zoo.lenet import LeNet5, LeNet5Classic, LeNet300100
from laconic.zoo.resnet_cifar import ResNetCifar


@dataclass(frozen=True)
class Entry:
    """One architecture.

    Args:
        build: builds it, freshly initialised, from `classes=` and `sample_shape=`.
        sample_shape: the paper's sample, `(channels, height, width)`.
        classes: the paper's number of classes.
        citation: the paper, in a line.
    """

    build: Callable[..., nn.Module]
    sample_shape: tuple[int, ...]
    classes: int
    citation: str


_LECUN = "LeCun et al., Gradient-Based Learning Applied to Document Recognition, Proc. IEEE 1998"
_CAFFE = "Jia et al., Caffe, ACM Multimedia 2014 (after LeCun et al. 1998)"
_HE = "He et al., Deep Residual Learning for Image Recognition, CVPR 2016"

_DEPTHS = (20, 32, 44, 56, 110)  # a name alone has the parameter-free shortcut A of the paper's CIFAR table; -b projects

ZOO: dict[str, Entry] = {
    "lenet-300-100": Entry(LeNet300100, (1, 28, 28), 10, _LECUN),
    "lenet5": Entry(LeNet5, (1, 28, 28), 10, _CAFFE),
    "lenet5-classic": Entry(LeNet5Classic, (1, 28, 28), 10, _LECUN),
    **{f"resnet{depth}": Entry(partial(ResNetCifar, depth), (3, 32, 32), 10, _HE) for depth in _DEPTHS},
    **{f"resnet{depth}-b": Entry(partial(ResNetCifar, depth, shortcut="B"), (3, 32, 32), 10, _HE) for depth in _DEPTHS},
}
