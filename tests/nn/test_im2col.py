"""Convolution as a matrix product, against torch's."""

import pytest
import torch
from torch.nn import functional

from laconic.nn.im2col import col2im, column_bytes, conv2d, im2col, windows

GEOMETRIES = [(1, 0, 1), (2, 1, 1), (3, 2, 1), (1, 2, 2), (2, 3, 3)]  # stride, padding, dilation
KERNELS = [(1, 1), (3, 3), (1, 3), (5, 2)]


@pytest.mark.parametrize(("stride", "padding", "dilation"), GEOMETRIES)
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("groups", [1, 2, 6])
def test_convolution(kernel: tuple[int, int], stride: int, padding: int, dilation: int, groups: int) -> None:
    image, weight, bias = torch.randn(2, 6, 13, 11), torch.randn(12, 6 // groups, *kernel), torch.randn(12)
    ours = conv2d(image, weight, bias, stride, padding, dilation, groups)
    torch.testing.assert_close(ours, functional.conv2d(image, weight, bias, stride, padding, dilation, groups), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("stride", "padding", "dilation"), GEOMETRIES)
@pytest.mark.parametrize("kernel", KERNELS)
def test_columns_there_and_back(kernel: tuple[int, int], stride: int, padding: int, dilation: int) -> None:
    image = torch.randn(2, 3, 13, 11)
    columns = im2col(image, kernel, stride, padding, dilation)
    assert torch.equal(columns, functional.unfold(image, kernel, dilation, padding, stride))
    others = torch.randn_like(columns)
    back = col2im(others, (13, 11), kernel, stride, padding, dilation)
    torch.testing.assert_close(back, functional.fold(others, (13, 11), kernel, dilation, padding, stride))
    torch.testing.assert_close((columns * others).sum(), (image * back).sum(), rtol=1e-3, atol=1e-3)  # the adjoint


def test_the_way_back_is_the_gradient() -> None:
    image, weight = torch.randn(2, 4, 9, 9, requires_grad=True), torch.randn(5, 4, 3, 3)
    made = functional.conv2d(image, weight, stride=2, padding=1)
    made.backward(torch.ones_like(made))
    columns = weight.reshape(5, -1).T @ torch.ones_like(made).flatten(2)
    torch.testing.assert_close(col2im(columns, (9, 9), (3, 3), 2, 1), image.grad)


def test_a_pointwise_convolution_copies_nothing() -> None:
    image = torch.randn(2, 3, 5, 5)
    assert im2col(image, (1, 1)).data_ptr() == image.data_ptr()
    assert im2col(image, (1, 1), stride=2).data_ptr() != image.data_ptr()
    assert column_bytes(image, (1, 1)) == 0


@pytest.mark.parametrize(("stride", "padding", "dilation"), GEOMETRIES)
def test_the_memory_is_that_of_the_columns(stride: int, padding: int, dilation: int) -> None:
    image = torch.randn(2, 3, 13, 11)
    columns = im2col(image, (3, 3), stride, padding, dilation)
    assert columns.untyped_storage().nbytes() == column_bytes(image, (3, 3), stride, padding, dilation)
    assert columns.shape[2] == torch.tensor(windows((13, 11), (3, 3), stride, padding, dilation)).prod()
