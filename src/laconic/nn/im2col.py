"""Convolution as one matrix product: image to columns, filters times columns, and back.

K. Chellapilla, S. Puri, P. Simard, "High Performance Convolutional Neural Networks for Document Processing", IWFHR 2006, section 3. To be
read, and to be measured against: torch's own convolution is faster.
"""

from math import prod

import torch
from torch import Tensor
from torch.nn import functional

Pair = tuple[int, int]


def im2col(image: Tensor, kernel: Pair, stride: int = 1, padding: int = 0, dilation: int = 1) -> Tensor:
    """Every window of an image as a column.

    Args:
        image: `(n, channels, height, width)`.
        kernel: sides of a window.
        stride: pixels from one window to the next, both ways.
        padding: zeros on every side.
        dilation: pixels from one tap of a window to the next.

    Returns:
        `(n, channels · kh · kw, windows)`, channels slowest. Windows of one pixel, each next to the last, are the image itself: the columns
        are a view of it, and cost no memory. All others are a copy, of `kh · kw / stride²` times the image.

    >>> im2col(torch.arange(9.0).reshape(1, 1, 3, 3), (2, 2))[0]
    tensor([[0., 1., 3., 4.],
            [1., 2., 4., 5.],
            [3., 4., 6., 7.],
            [4., 5., 7., 8.]])
    """
    if (kernel, stride, padding) == ((1, 1), 1, 0):
        return image.flatten(2)
    height, width = windows(image.shape[2:], kernel, stride, padding, dilation)
    padded = functional.pad(image, (padding,) * 4)
    taps = [padded[..., _places(i, height, stride, dilation), _places(j, width, stride, dilation)] for i, j in _grid(kernel)]
    return torch.stack(taps, 2).reshape(len(image), -1, height * width)


def col2im(columns: Tensor, size: Pair, kernel: Pair, stride: int = 1, padding: int = 0, dilation: int = 1) -> Tensor:
    """Columns added back into an image where they came from: the adjoint of `im2col`, and the way of a gradient.

    Args:
        columns: `(n, channels · kh · kw, windows)`.
        size: height and width of the image.
        kernel, stride, padding, dilation: as for `im2col`.

    Returns:
        `(n, channels, height, width)`; a pixel of k windows is the sum of k values.

    >>> image = torch.ones(1, 1, 3, 3)
    >>> col2im(im2col(image, (2, 2)), (3, 3), (2, 2))[0, 0].int()  # how many windows see each pixel
    tensor([[1, 2, 1],
            [2, 4, 2],
            [1, 2, 1]], dtype=torch.int32)
    """
    height, width = windows(size, kernel, stride, padding, dilation)
    taps = columns.reshape(len(columns), -1, prod(kernel), height, width)
    padded = columns.new_zeros(len(columns), taps.shape[1], *(side + 2 * padding for side in size))
    for number, (i, j) in enumerate(_grid(kernel)):
        padded[..., _places(i, height, stride, dilation), _places(j, width, stride, dilation)] += taps[:, :, number]
    return padded[..., padding : padding + size[0], padding : padding + size[1]]


def conv2d(
    image: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0, dilation: int = 1, groups: int = 1
) -> Tensor:
    """`torch.nn.functional.conv2d` as filters times columns: a product of `(T, C·kh·kw)` and `(C·kh·kw, H'·W')` for each image and group.

    Args:
        image: `(n, channels, height, width)`.
        weight: `(outputs, channels / groups, kh, kw)`.
        bias: `(outputs,)`.
        stride, padding, dilation: as for `im2col`.
        groups: of channels, each with its own product.

    Returns:
        `(n, outputs, H', W')`.

    >>> conv2d(torch.ones(1, 2, 4, 4), torch.ones(3, 2, 3, 3)).shape
    torch.Size([1, 3, 2, 2])
    """
    kernel = (weight.shape[2], weight.shape[3])
    columns = im2col(image, kernel, stride, padding, dilation)
    filters = weight.reshape(groups, len(weight) // groups, -1)
    product = filters @ columns.reshape(len(image), groups, filters.shape[2], columns.shape[2])
    made = product.reshape(len(image), len(weight), *windows(image.shape[2:], kernel, stride, padding, dilation))
    return made if bias is None else made + bias[:, None, None]


def column_bytes(image: Tensor, kernel: Pair, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """Memory that the columns of an image take beside it, in bytes.

    Args:
        image, kernel, stride, padding, dilation: as for `im2col`; only the image's shape and type are read.

    >>> image = torch.empty(1, 64, 56, 56, device="meta")
    >>> column_bytes(image, (3, 3), padding=1) // (4 * image.numel()), column_bytes(image, (1, 1))
    (9, 0)
    """
    if (kernel, stride, padding) == ((1, 1), 1, 0):
        return 0
    places = prod(windows(image.shape[2:], kernel, stride, padding, dilation))
    return prod(image.shape[:2]) * prod(kernel) * places * image.element_size()


def windows(size: tuple[int, ...], kernel: Pair, stride: int = 1, padding: int = 0, dilation: int = 1) -> Pair:
    """How many windows fit in each direction: `floor((H − d(k − 1) − 1 + 2z) / s) + 1`.

    >>> windows((224, 224), (7, 7), stride=2, padding=3)
    (112, 112)
    """
    height, width = ((side + 2 * padding - dilation * (k - 1) - 1) // stride + 1 for side, k in zip(size, kernel, strict=True))
    return height, width


def _grid(kernel: Pair) -> list[Pair]:
    return [(i, j) for i in range(kernel[0]) for j in range(kernel[1])]


def _places(tap: int, count: int, stride: int, dilation: int) -> slice:
    """Where one tap of all windows lies along an axis."""
    first = tap * dilation
    return slice(first, first + stride * (count - 1) + 1, stride)
