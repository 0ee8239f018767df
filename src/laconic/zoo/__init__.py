"""The zoo: one paper, one file, and this table of the names that users type after `zoo:`."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

from laconic.zoo import alexnet, cnn_fms, googlenet, mobilenet_v1, mobilenet_v3, resnet, shufflenet_v1, shufflenet_v2, squeezenet, vgg
from laconic.zoo.alexnet import AlexNet
from laconic.zoo.googlenet import GoogLeNet
from laconic.zoo.lenet import LeNet5, LeNet5Classic, LeNet300100
from laconic.zoo.mnasnet import MnasNet
from laconic.zoo.mobilenet_v1 import MobileNetV1
from laconic.zoo.mobilenet_v2 import MobileNetV2
from laconic.zoo.mobilenet_v3 import MobileNetV3
from laconic.zoo.resnet import ResNet
from laconic.zoo.resnet_cifar import ResNetCifar
from laconic.zoo.shufflenet_v1 import ShuffleNetV1
from laconic.zoo.shufflenet_v2 import ShuffleNetV2
from laconic.zoo.squeezenet import SqueezeNet
from laconic.zoo.vgg import VGG
from laconic.zoo.xception import Xception


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
_KRIZHEVSKY = "Krizhevsky et al., ImageNet Classification with Deep Convolutional Neural Networks, NIPS 2012"
_TRICK = "Krizhevsky, One weird trick for parallelizing convolutional neural networks, arXiv 1404.5997, 2014"
_CHATFIELD = "Chatfield et al., Return of the Devil in the Details: Delving Deep into Convolutional Nets, BMVC 2014"
_SIMONYAN = "Simonyan & Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, ICLR 2015"
_SZEGEDY = "Szegedy et al., Going Deeper with Convolutions, CVPR 2015"
_HE = "He et al., Deep Residual Learning for Image Recognition, CVPR 2016"
_IANDOLA = "Iandola et al., SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size, arXiv 1602.07360, 2016"
_CHOLLET = "Chollet, Xception: Deep Learning with Depthwise Separable Convolutions, CVPR 2017"
_HOWARD = "Howard et al., MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications, arXiv 1704.04861, 2017"
_SANDLER = "Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, CVPR 2018"
_ZHANG = "Zhang et al., ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices, CVPR 2018"
_MA = "Ma et al., ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design, ECCV 2018"
_TAN = "Tan et al., MnasNet: Platform-Aware Neural Architecture Search for Mobile, CVPR 2019"
_SEARCHING = "Howard et al., Searching for MobileNetV3, ICCV 2019"

_SMALL, _IMAGENET = ((3, 32, 32), 10), ((3, 224, 224), 1000)
_DEPTHS = (20, 32, 44, 56, 110)  # a name alone has the parameter-free shortcut A of the paper's CIFAR table; -b projects

ZOO: dict[str, Entry] = {
    "lenet-300-100": Entry(LeNet300100, (1, 28, 28), 10, _LECUN),
    "lenet5": Entry(LeNet5, (1, 28, 28), 10, _CAFFE),
    "lenet5-classic": Entry(LeNet5Classic, (1, 28, 28), 10, _LECUN),
    **{f"resnet{depth}": Entry(partial(ResNetCifar, depth), *_SMALL, _HE) for depth in _DEPTHS},
    **{f"resnet{depth}-b": Entry(partial(ResNetCifar, depth, shortcut="B"), *_SMALL, _HE) for depth in _DEPTHS},
    "alexnet": Entry(AlexNet, *_IMAGENET, _TRICK),
    "alexnet-grouped": Entry(partial(AlexNet, sample_shape=(3, 227, 227), rows=alexnet.GROUPED), (3, 227, 227), 1000, _KRIZHEVSKY),
    "cnn-f": Entry(partial(AlexNet, rows=cnn_fms.CNN_F), *_IMAGENET, _CHATFIELD),
    "cnn-m": Entry(partial(AlexNet, rows=cnn_fms.CNN_M), *_IMAGENET, _CHATFIELD),
    "cnn-s": Entry(partial(AlexNet, rows=cnn_fms.CNN_S), *_IMAGENET, _CHATFIELD),
    **{f"vgg{n}": Entry(partial(VGG, rows=vgg.table(*depths)), *_IMAGENET, _SIMONYAN) for n, depths in vgg.DEPTHS.items()},
    **{f"vgg{n}_bn": Entry(partial(VGG, rows=vgg.table(*depths, norm=True)), *_IMAGENET, _SIMONYAN) for n, depths in vgg.DEPTHS.items()},
    "googlenet": Entry(GoogLeNet, *_IMAGENET, _SZEGEDY),
    "googlenet-5x5": Entry(partial(GoogLeNet, rows=googlenet.paper(), dropout=0.4), *_IMAGENET, _SZEGEDY),
    **{f"resnet{depth}": Entry(partial(ResNet, rows=rows), *_IMAGENET, _HE) for depth, rows in resnet.TABLES.items()},
    "squeezenet1_0": Entry(SqueezeNet, *_IMAGENET, _IANDOLA),
    "squeezenet1_0-simple": Entry(partial(SqueezeNet, bypass="simple"), *_IMAGENET, _IANDOLA),
    "squeezenet1_0-complex": Entry(partial(SqueezeNet, bypass="complex"), *_IMAGENET, _IANDOLA),
    "squeezenet1_1": Entry(partial(SqueezeNet, rows=squeezenet.SQUEEZENET_1_1), *_IMAGENET, _IANDOLA),
    "xception": Entry(Xception, (3, 299, 299), 1000, _CHOLLET),
    "mobilenet_v1": Entry(MobileNetV1, *_IMAGENET, _HOWARD),
    **{f"mobilenet_v1-{width}": Entry(partial(MobileNetV1, width=width), *_IMAGENET, _HOWARD) for width in (0.75, 0.5, 0.25)},
    "mobilenet_v1-full": Entry(partial(MobileNetV1, rows=mobilenet_v1.FULL), *_IMAGENET, _HOWARD),
    "mobilenet_v2": Entry(MobileNetV2, *_IMAGENET, _SANDLER),
    **{f"mobilenet_v2-{width}": Entry(partial(MobileNetV2, width=width), *_IMAGENET, _SANDLER) for width in (1.4, 0.75, 0.5, 0.35)},
    "mobilenet_v3_large": Entry(MobileNetV3, *_IMAGENET, _SEARCHING),
    "mobilenet_v3_small": Entry(partial(MobileNetV3, rows=mobilenet_v3.SMALL, hidden=1024), *_IMAGENET, _SEARCHING),
    "shufflenet_v1": Entry(ShuffleNetV1, *_IMAGENET, _ZHANG),
    **{f"shufflenet_v1-g{n}": Entry(partial(ShuffleNetV1, rows=shufflenet_v1.table(n)), *_IMAGENET, _ZHANG) for n in (1, 2, 4, 8)},
    **{f"shufflenet_v2_x{name}": Entry(partial(ShuffleNetV2, rows=rows), *_IMAGENET, _MA) for name, rows in shufflenet_v2.TABLES.items()},
    "mnasnet1_0": Entry(MnasNet, *_IMAGENET, _TAN),
    "mnasnet0_5": Entry(partial(MnasNet, width=0.5), *_IMAGENET, _TAN),
    "mnasnet0_75": Entry(partial(MnasNet, width=0.75), *_IMAGENET, _TAN),
    "mnasnet1_3": Entry(partial(MnasNet, width=1.3), *_IMAGENET, _TAN),
}
