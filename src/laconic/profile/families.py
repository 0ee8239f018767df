"""Which layers multiply by weights, and how often: the complexity formulas applied to torch's own layers."""

from math import prod

from torch import nn

from laconic.nn.transferred import ExpandedConv2d
from laconic.profile.complexity import conv_macs, linear_macs, transposed_conv_macs

# Their multiplications are one per value at most, fold into a neighbour, or are look-ups: the field counts them as free.
FREE = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.Embedding, nn.EmbeddingBag, nn.PReLU)


def family(module: nn.Module, parametric: bool) -> str:
    """ "conv", "fc", "free" or "unknown"; `parametric` says whether the module itself holds parameters.

    >>> family(nn.Conv2d(3, 8, 3), True), family(nn.Linear(8, 2), True), family(nn.ReLU(), False), family(nn.LSTM(4, 4), True)
    ('conv', 'fc', 'free', 'unknown')
    """
    if isinstance(module, nn.modules.conv._ConvNd | ExpandedConv2d):
        return "conv"
    if isinstance(module, nn.Linear):
        return "fc"
    return "free" if isinstance(module, FREE) or not parametric else "unknown"


def connectivity(module: nn.Module) -> str:
    """Which inputs each output is a weighted sum of: "full" (convolution over all channels), "pointwise" (1 × 1), "grouped" (depthwise
    too), "linear", or "other" where nothing that has a formula is multiplied.

    >>> [connectivity(nn.Conv2d(8, 8, size, groups=groups)) for size, groups in ((3, 1), (1, 1), (3, 8), (1, 2))]
    ['full', 'pointwise', 'grouped', 'grouped']
    >>> connectivity(nn.Linear(8, 2)), connectivity(nn.ReLU())
    ('linear', 'other')
    """
    match module:
        case nn.modules.conv._ConvNd(groups=groups) if groups > 1:
            return "grouped"
        case nn.modules.conv._ConvNd() | ExpandedConv2d():
            return "pointwise" if set(module.kernel_size) == {1} else "full"
        case nn.Linear():
            return "linear"
        case _:
            return "other"


def macs(module: nn.Module, entered: tuple[int, ...], left: tuple[int, ...]) -> int:
    """Multiply-adds of one call whose first input and output tensors had these shapes; 0 for free and unknown layers.

    >>> macs(nn.Conv2d(3, 64, 7, 2, 3), (1, 3, 224, 224), (1, 64, 112, 112))
    118013952
    """
    match module:
        case nn.modules.conv._ConvTransposeNd():
            count, shape = transposed_conv_macs, entered
        case nn.modules.conv._ConvNd():
            count, shape = conv_macs, left
        case nn.Linear():
            return linear_macs(module.in_features, module.out_features, prod(left[:-1]))
        case ExpandedConv2d():
            return module.multiplied * left[0] * left[-2] * left[-1]
        case _:
            return 0
    axes = len(module.kernel_size)
    samples = prod(shape[: -axes - 1])
    return samples * count(module.in_channels, module.out_channels, module.kernel_size, shape[-axes:], module.groups)
