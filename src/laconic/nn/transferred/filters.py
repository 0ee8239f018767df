"""Plain convolutions whose filters are images of a base: T filters from n bases, `copies` images of each.

    kind        images of a base filter b (C inputs, kernel h × w)                                copies   weights fall
    crelu       b, −b                                         (Shang et al. 2016)                      2   2 ×, and MACs with them
    mba         b, b, told apart by their biases              (Li et al. 2016)                         2   2 ×, and MACs with them
    flip        b, b mirrored left to right                   (as p4m in Cohen & Welling 2016)         2   2 ×
    c4          b turned by 0, 90, 180 and 270°               (Cohen & Welling 2016, equation 10)      4   4 ×
    circulant   b with its channels shifted around in fours   (Cheng et al. 2015; Ding et al. 2017)    4   4 ×
    dcnn        windows h × w in a b of (h+1) × (w+1)         (Zhai et al. 2016, section 3)            4   4hw / (h+1)(w+1) ×

`circulant` works on channels, not in space: the matrix from four inputs to four outputs is then circulant, whatever the kernel, 1 × 1 too.
"""

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from laconic.base.errors import ModelError
from laconic.nn.transferred.expanded import ExpandedConv2d, Size, pair


class TransferredConv2d(ExpandedConv2d):
    """A convolution that can stand in place of an `nn.Conv2d` of as many inputs and outputs.

    Output t has image s of base filter i, where s·n + i is t, or the entry t of `order`.

    Args:
        in_channels: C.
        out_channels: T, a multiple of `copies`.
        kernel_size, stride, padding, dilation: as of `nn.Conv2d`.
        bias: whether every output has a bias.
        ordered: whether there is a buffer `order` of int32 `(T,)`, for a network whose outputs came in another order.

    Raises:
        ModelError: the filters cannot be shared out so.
    """

    copies: ClassVar[int]
    order: Tensor | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        *,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        bias: bool = True,
        ordered: bool = False,
    ) -> None:
        kernel = pair(kernel_size)
        reason = self.obstacle(in_channels, out_channels, kernel)
        if reason:
            raise ModelError(f"{type(self).__name__}({in_channels}, {out_channels}, {kernel}): {reason}")
        base = (out_channels // self.copies, in_channels, *self.base_kernel(kernel))
        super().__init__(base, in_channels * kernel[0] * kernel[1], out_channels * bias, kernel, stride, padding, dilation)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.register_buffer("order", torch.arange(out_channels, dtype=torch.int32) if ordered else None)

    @classmethod
    def obstacle(cls, inputs: int, outputs: int, kernel: tuple[int, int]) -> str:
        """Why such filters cannot be shared out so; empty if they can."""
        return f"{outputs} outputs are not a multiple of {cls.copies}" if outputs % cls.copies else ""

    @staticmethod
    def base_kernel(kernel: tuple[int, int]) -> tuple[int, int]:
        """Height and width of a base filter."""
        return kernel

    @staticmethod
    @abstractmethod
    def images(base: Tensor) -> tuple[Tensor, ...]:
        """`copies` times `(n, C, height, width)`, of base filters `(n, C, …)`; linear in them."""

    def filters(self) -> Tensor:
        return self.placed(self.images(self.weight), 0)

    def placed(self, images: tuple[Tensor, ...], axis: int) -> Tensor:
        """Image after image along `axis`, in the order of the network."""
        one_by_one = torch.cat(images, axis)
        return one_by_one if self.order is None else one_by_one.index_select(axis, self.order)

    @property
    def multiplied(self) -> int:
        return self.out_channels * self.in_channels * self.kernel_size[0] * self.kernel_size[1]

    def forward(self, x: Tensor) -> Tensor:
        """`(n, T, height, width)` of `(n, C, height, width)`."""
        return self.convolve(x, self.filters(), self.bias)


class _OnOutputs(TransferredConv2d):
    """Where the images of a filter give images of its output, it is convolved once."""

    @property
    def multiplied(self) -> int:
        return super().multiplied // self.copies

    def forward(self, x: Tensor) -> Tensor:
        outputs = self.placed(self.images(self.convolve(x, self.weight, None)), 1)
        return outputs if self.bias is None else outputs + self.bias[:, None, None]


class OpposedConv2d(_OnOutputs):
    """Every filter and its negative: with the ReLU that follows, a CReLU.

    W. Shang, K. Sohn, D. Almeida, H. Lee, "Understanding and Improving Convolutional Neural Networks via Concatenated Rectified Linear
    Units", ICML 2016.

    >>> OpposedConv2d(3, 8, 3).weight.shape
    torch.Size([4, 3, 3, 3])
    """

    copies = 2

    @staticmethod
    def images(base: Tensor) -> tuple[Tensor, ...]:
        return base, -base


class RepeatedConv2d(_OnOutputs):
    """Every filter twice, with a bias (and a gain and shift of the normalisation that follows) of its own each time.

    H. Li, W. Ouyang, X. Wang, "Multi-Bias Non-linear Activation in Deep Neural Networks", ICML 2016, equation 3.

    >>> RepeatedConv2d(3, 8, 3).weight.shape
    torch.Size([4, 3, 3, 3])
    """

    copies = 2

    @staticmethod
    def images(base: Tensor) -> tuple[Tensor, ...]:
        return base, base


class FlippedConv2d(TransferredConv2d):
    """Every filter and its mirror image, left to right.

    The mirrored half of the group p4m of T. Cohen, M. Welling, "Group Equivariant Convolutional Networks", ICML 2016.

    >>> FlippedConv2d(3, 8, 3).weight.shape
    torch.Size([4, 3, 3, 3])
    """

    copies = 2

    @classmethod
    def obstacle(cls, inputs: int, outputs: int, kernel: tuple[int, int]) -> str:
        return "a kernel of width 1 is its own mirror image" if kernel[1] == 1 else super().obstacle(inputs, outputs, kernel)

    @staticmethod
    def images(base: Tensor) -> tuple[Tensor, ...]:
        return base, base.flip(3)


class RotatedConv2d(TransferredConv2d):
    """Every filter turned by 0, 90, 180 and 270°, counter-clockwise.

    T. Cohen, M. Welling, "Group Equivariant Convolutional Networks", ICML 2016, equation 10; as one layer in a plain network it shares
    weights, and only layers of `c4` on top of it make the whole equivariant.

    >>> RotatedConv2d(3, 8, 3).weight.shape
    torch.Size([2, 3, 3, 3])
    """

    copies = 4

    @classmethod
    def obstacle(cls, inputs: int, outputs: int, kernel: tuple[int, int]) -> str:
        if kernel[0] != kernel[1] or kernel[0] == 1:
            return f"a kernel {kernel[0]} × {kernel[1]} has no quarter turns of its own"
        return super().obstacle(inputs, outputs, kernel)

    @staticmethod
    def images(base: Tensor) -> tuple[Tensor, ...]:
        return tuple(base.rot90(turns, (2, 3)) for turns in range(4))


class CirculantConv2d(TransferredConv2d):
    """Blocks of four inputs and four outputs are circulant: W[s·n + i, 4j + c] = b[i, 4j + (c − s) mod 4].

    Y. Cheng et al., "An Exploration of Parameter Redundancy in Deep Networks with Circulant Projections", ICCV 2015; in blocks of channels,
    C. Ding et al., "CirCNN", MICRO 2017, section 3. Blocks of four, as weights then fall by 4 ×.

    >>> CirculantConv2d(4, 8, 3).weight.shape
    torch.Size([2, 4, 3, 3])
    """

    copies = 4

    @classmethod
    def obstacle(cls, inputs: int, outputs: int, kernel: tuple[int, int]) -> str:
        return f"{inputs} inputs are not a multiple of 4" if inputs % 4 else super().obstacle(inputs, outputs, kernel)

    @staticmethod
    def images(base: Tensor) -> tuple[Tensor, ...]:
        channels = torch.arange(base.shape[1], device=base.device)
        return tuple(base.index_select(1, channels - channels % 4 + (channels - shift) % 4) for shift in range(4))


class DoublyConv2d(TransferredConv2d):
    """The four windows h × w of meta filters of (h + 1) × (w + 1): filters that are shifts of one another.

    S. Zhai, Y. Cheng, W. Lu, Z. Zhang, "Doubly Convolutional Neural Networks", NIPS 2016, section 3, without its pooling over windows.

    >>> DoublyConv2d(3, 8, 3).weight.shape
    torch.Size([2, 3, 4, 4])
    """

    copies = 4

    @classmethod
    def obstacle(cls, inputs: int, outputs: int, kernel: tuple[int, int]) -> str:
        return "a kernel 1 × 1 has no shifts that overlap" if kernel == (1, 1) else super().obstacle(inputs, outputs, kernel)

    @staticmethod
    def base_kernel(kernel: tuple[int, int]) -> tuple[int, int]:
        return kernel[0] + 1, kernel[1] + 1

    @staticmethod
    def images(base: Tensor) -> tuple[Tensor, ...]:
        upper, lower = base[:, :, :-1], base[:, :, 1:]
        return upper[..., :-1], upper[..., 1:], lower[..., :-1], lower[..., 1:]


KINDS: dict[str, type[TransferredConv2d]] = {
    "crelu": OpposedConv2d,
    "mba": RepeatedConv2d,
    "flip": FlippedConv2d,
    "c4": RotatedConv2d,
    "circulant": CirculantConv2d,
    "dcnn": DoublyConv2d,
}


def unsuited(kind: str, layer: nn.Module) -> str:
    """Why the filters of a layer cannot be shared out so; empty if they can.

    >>> unsuited("c4", nn.Conv2d(3, 6, 3)), unsuited("c4", nn.Conv2d(3, 8, 3))
    ('6 outputs are not a multiple of 4', '')
    """
    if type(layer) is not nn.Conv2d:
        return f"a {type(layer).__name__} is no plain convolution in two dimensions"
    if layer.groups != 1:
        return f"its channels are in {layer.groups} groups"
    if layer.padding_mode != "zeros":
        return f"it pads with {layer.padding_mode}"
    return KINDS[kind].obstacle(layer.in_channels, layer.out_channels, pair(layer.kernel_size))


def transferred(layer: nn.Module, kind: str, *, ordered: bool = True) -> TransferredConv2d:
    """A fresh layer in place of a convolution, of its type and on its device.

    Args:
        layer: the convolution.
        kind: one of `KINDS`.
        ordered: whether the outputs have an order; without one, the network is to be trained from the start.

    Raises:
        ModelError: the layer's filters cannot be shared out so, or there is no such kind.

    >>> transferred(nn.Conv2d(3, 8, 3, padding=1), "c4")(torch.zeros(1, 3, 5, 5)).shape
    torch.Size([1, 8, 5, 5])
    """
    reason = unsuited(kind, layer) if kind in KINDS else f"known kinds are {', '.join(KINDS)}"
    if reason:
        raise ModelError(f"filters cannot be transferred as {kind!r}: {reason}")
    assert isinstance(layer, nn.Conv2d)
    made = KINDS[kind](
        layer.in_channels,
        layer.out_channels,
        pair(layer.kernel_size),
        stride=pair(layer.stride),
        padding=layer.padding if isinstance(layer.padding, str) else pair(layer.padding),
        dilation=pair(layer.dilation),
        bias=layer.bias is not None,
        ordered=ordered,
    )
    return made.to(layer.weight.device, layer.weight.dtype).train(layer.training)
