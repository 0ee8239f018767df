"""Filters that are images of a base: which ones, how many weights fewer, and the same in a file."""

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from laconic.base.errors import ModelError
from laconic.graph.export import export
from laconic.nn.transferred import KINDS, CReLU, MultiBias, OpposedConv2d, RepeatedConv2d, transferred, unsuited
from laconic.profile import count

FALLS = {"crelu": 2.0, "mba": 2.0, "flip": 2.0, "c4": 4.0, "circulant": 4.0, "dcnn": 2.25}  # of a kernel 3 × 3
ON_OUTPUTS = ("crelu", "mba")
every_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@every_kind
def test_weights_fall_by_the_stated_factor(kind: str) -> None:
    layer = nn.Conv2d(8, 16, 3)
    assert layer.weight.numel() / transferred(layer, kind).weight.numel() == FALLS[kind]


@every_kind
def test_a_layer_computes_what_a_convolution_by_its_filters_does(kind: str) -> None:
    plain = nn.Conv2d(8, 16, 3, stride=2, padding=1, dilation=2)
    layer, x = transferred(plain, kind), torch.randn(3, 8, 11, 11)
    with torch.no_grad():
        layer.order.copy_(torch.randperm(16))
        plain.weight.copy_(layer.filters())
        plain.bias.copy_(layer.bias)
        assert torch.allclose(layer(x), plain(x), atol=1e-5)


@every_kind
def test_the_order_says_which_image_each_output_has(kind: str) -> None:
    layer, order = transferred(nn.Conv2d(8, 16, 3), kind), torch.randperm(16)
    with torch.no_grad():
        before = layer.filters()
        layer.order.copy_(order)
        assert torch.equal(layer.filters(), before[order])


def test_images_are_those_of_the_papers() -> None:
    base = torch.arange(9.0).reshape(1, 1, 3, 3)
    mirrored = KINDS["flip"].images(base)[1]
    once = KINDS["c4"].images(base)[1]
    assert mirrored[0, 0].tolist() == [[2, 1, 0], [5, 4, 3], [8, 7, 6]]
    assert once[0, 0].tolist() == [[2, 5, 8], [1, 4, 7], [0, 3, 6]]
    windows = KINDS["dcnn"].images(torch.arange(16.0).reshape(1, 1, 4, 4))
    assert [window[0, 0, 0].tolist() for window in windows] == [[0, 1, 2], [1, 2, 3], [4, 5, 6], [5, 6, 7]]


def test_blocks_of_four_channels_are_circulant() -> None:
    layer = KINDS["circulant"](8, 8, 1)
    matrix = layer.filters().detach().reshape(4, 2, 2, 4).transpose(0, 1)  # (block of outputs, output, block of inputs, input)
    for block in matrix.transpose(1, 2).reshape(-1, 4, 4):
        assert all(block[(s + 1) % 4, (c + 1) % 4] == block[s, c] for s in range(4) for c in range(4))


def test_with_the_activation_behind_it_a_layer_is_the_activation_of_the_paper() -> None:
    opposed, repeated, x = OpposedConv2d(3, 8, 3, bias=False), RepeatedConv2d(3, 8, 3, bias=True), torch.randn(2, 3, 9, 9)
    half, multi = nn.Conv2d(3, 4, 3, bias=False), MultiBias(4)
    with torch.no_grad():
        half.weight.copy_(opposed.weight)
        assert torch.equal(CReLU()(half(x)), opposed(x).relu())
        half.weight.copy_(repeated.weight)
        multi.bias.copy_(repeated.bias)
        assert torch.allclose(multi(half(x)), repeated(x).relu(), atol=1e-6)


@every_kind
def test_where_images_are_taken_of_outputs_multiplications_fall_too(kind: str) -> None:
    layer = nn.Conv2d(8, 16, 3, padding=1)
    share = count(nn.Sequential(transferred(layer, kind)), (8, 9, 9)).macs / count(nn.Sequential(layer), (8, 9, 9)).macs
    assert share == (0.5 if kind in ON_OUTPUTS else 1.0)


@every_kind
def test_a_graph_has_the_base_for_its_input_and_no_larger_constant(kind: str) -> None:
    layer = transferred(nn.Conv2d(8, 16, 3), kind)
    graph = onnx.load_from_string(export(nn.Sequential(layer), (8, 9, 9))).graph
    sides = {value.name: tuple(side.dim_value for side in value.type.tensor_type.shape.dim) for value in graph.input}
    assert sides["0.weight"] == tuple(layer.weight.shape)
    assert all(np.prod(constant.dims) <= 16 for constant in graph.initializer)


@pytest.mark.parametrize(
    ("kind", "layer", "reason"),
    [("c4", nn.Conv2d(4, 6, 3), "6 outputs are not a multiple of 4"), ("c4", nn.Conv2d(4, 8, 1), "no quarter turns"),
     ("c4", nn.Conv2d(4, 8, (3, 5)), "no quarter turns"), ("flip", nn.Conv2d(4, 8, (3, 1)), "its own mirror image"),
     ("circulant", nn.Conv2d(3, 8, 3), "3 inputs are not"), ("dcnn", nn.Conv2d(4, 8, 1), "no shifts"),
     ("mba", nn.Conv2d(4, 7, 3), "7 outputs"),
     ("crelu", nn.Conv2d(4, 8, 3, groups=2), "2 groups"), ("crelu", nn.Conv2d(4, 8, 3, padding_mode="reflect"), "pads with reflect"),
     ("crelu", nn.Linear(4, 8), "Linear")],
)  # fmt: skip
def test_what_cannot_be_shared_out_is_refused_with_the_reason(kind: str, layer: nn.Module, reason: str) -> None:
    assert reason in unsuited(kind, layer)
    with pytest.raises(ModelError, match=reason):
        transferred(layer, kind)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ModelError, match="known kinds are crelu, mba, flip, c4, circulant, dcnn"):
        transferred(nn.Conv2d(4, 8, 3), "c8")
