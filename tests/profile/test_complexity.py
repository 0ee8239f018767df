"""The formulas against torch: real output shapes, real weights, and torch's own FLOP counter as the oracle for MACs."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from laconic.profile import count
from laconic.profile.complexity import conv_weights, output_side, transposed_side

small = st.integers(1, 4)


@st.composite
def geometry(draw):
    """Parameters of a convolution on an 11 × 9 map, groups and dilation included."""
    groups = draw(st.integers(1, 3))
    shared = {"stride": draw(st.integers(1, 3)), "padding": draw(st.integers(0, 2)), "dilation": draw(st.integers(1, 2))}
    return groups * draw(small), groups * draw(small), (draw(small), draw(small)), {**shared, "groups": groups}


def macs_by_torch(layer: nn.Module, shape: tuple[int, ...]) -> int:
    with FlopCounterMode(display=False) as counter:
        layer(torch.empty(2, *shape, device="meta"))
    return counter.get_total_flops() // 2


@settings(deadline=None, max_examples=40)
@given(geometry())
def test_convolution(geometry):
    inputs, outputs, kernel, rest = geometry
    layer = nn.Conv2d(inputs, outputs, kernel, bias=False, device="meta", **rest)
    row = count(layer, (inputs, 11, 9), batch=2).layers[0]
    place = (rest["stride"], rest["padding"], rest["dilation"])
    assert row.output_shape[2:] == (output_side(11, kernel[0], *place), output_side(9, kernel[1], *place))
    assert row.params == conv_weights(inputs, outputs, kernel, rest["groups"]) == layer.weight.numel()
    assert row.macs == macs_by_torch(layer, (inputs, 11, 9))


@settings(deadline=None, max_examples=40)
@given(geometry())
def test_transposed_convolution(geometry):
    inputs, outputs, kernel, rest = geometry
    layer = nn.ConvTranspose2d(inputs, outputs, kernel, bias=False, device="meta", **rest)
    sides = [transposed_side(side, k, rest["stride"], rest["padding"], rest["dilation"]) for side, k in zip((11, 9), kernel, strict=True)]
    row = count(layer, (inputs, 11, 9), batch=2).layers[0]
    assert row.output_shape[2:] == tuple(sides)
    assert row.macs == macs_by_torch(layer, (inputs, 11, 9))


@pytest.mark.parametrize("shape", [(6,), (5, 6), (3, 5, 6)])
def test_linear_on_any_leading_axes(shape):
    layer = nn.Linear(6, 7, device="meta")
    row = count(layer, shape, batch=2).layers[0]
    assert row.macs == macs_by_torch(layer, shape)
    assert row.params == 6 * 7 + 7


def test_one_and_three_dimensions():
    assert count(nn.Conv1d(4, 6, 3, groups=2), (4, 10)).macs == 8 * 3 * 4 * 6 // 2
    assert count(nn.Conv3d(2, 5, 3), (2, 4, 5, 6)).macs == (2 * 3 * 4) * 27 * 2 * 5
