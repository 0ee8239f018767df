"""Values on a grid of 256 points, as torch's own fake quantisation and ONNX's QuantizeLinear have them."""

import copy
from functools import cache
from typing import Any

import hypothesis.extra.numpy as arrays
import numpy as np
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from onnx.reference import ReferenceEvaluator
from torch import Tensor

from laconic.nn.rounded import Rounded


def grid(scale: float, zero_point: int) -> Rounded:
    module = Rounded()
    module.set(scale, zero_point)
    return module


def no_ties(scale: float, places: int = 600) -> Tensor:
    """Around and between the points of a grid, and beyond it; never in the middle of two points."""
    return torch.cat([(torch.arange(-places, places) + off) * scale for off in (-0.4, -0.1, 0.0, 0.3, 0.45)])


@pytest.mark.parametrize("scale", [1.0, 0.5, 0.037, 3e-5, 190.0])
@pytest.mark.parametrize("zero_point", [0, 1, 100, 255])
def test_it_is_torchs_own_fake_quantisation(scale: float, zero_point: int) -> None:
    x = no_ties(scale)
    expected = torch.fake_quantize_per_tensor_affine(x, float(np.float32(scale)), zero_point, 0, 255)
    torch.testing.assert_close(grid(scale, zero_point)(x), expected, rtol=1e-6, atol=0)


@cache
def reference() -> ReferenceEvaluator:
    text = """
    <ir_version: 10, opset_import: ["" : 20]> g (float[9] x, float scale, uint8 zero) => (float[9] y) {
        q = QuantizeLinear (x, scale, zero)
        y = DequantizeLinear (q, scale, zero)
    }"""
    return ReferenceEvaluator(onnx.parser.parse_model(text))


@given(x=arrays.arrays(np.float32, 9, elements=st.floats(-1e4, 1e4, width=32)), zero_point=st.integers(0, 255))
def test_it_is_quantize_and_dequantize_linear_to_the_bit(x: np.ndarray, zero_point: int) -> None:
    """The scale is a power of two: where x lies in the middle of two points, both must take the even one."""
    expected = reference().run(None, {"x": x, "scale": np.float32(0.25), "zero": np.uint8(zero_point)})[0]
    np.testing.assert_array_equal(grid(0.25, zero_point)(torch.from_numpy(x)).numpy(), expected)


@pytest.mark.parametrize("zero_point", [0, 1, 2, 255])
def test_halves_go_to_the_even_multiple_wherever_zero_is(zero_point: int) -> None:
    x = torch.tensor([0.5, 1.5, 2.5, -0.5, -1.5])
    low, high = -float(zero_point), 255.0 - zero_point
    assert grid(1.0, zero_point)(x).tolist() == torch.tensor([0.0, 2.0, 2.0, 0.0, -2.0]).clamp(low, high).tolist()


@given(scale=st.floats(2.0**-20, 2.0**20, width=32), zero_point=st.integers(0, 255))
def test_zero_stays_exact(scale: float, zero_point: int) -> None:
    assert grid(scale, zero_point)(torch.zeros(2)).tolist() == [0.0, 0.0]


@given(x=arrays.arrays(np.float32, 9, elements=st.floats(-1e3, 1e3, width=32)), zero_point=st.integers(0, 255))
def test_what_is_on_the_grid_stays(x: np.ndarray, zero_point: int) -> None:
    module = grid(0.31, zero_point)
    once = module(torch.from_numpy(x))
    assert torch.equal(module(once), once)


def test_the_ends_are_those_of_a_byte() -> None:
    assert grid(0.5, 10)(torch.tensor([-1e9, 1e9])).tolist() == [-5.0, 122.5]


def test_gradients_pass_inside_and_not_outside() -> None:
    x = torch.tensor([-9.0, -5.2, -5.0, 0.1, 122.5, 122.7, 130.0], requires_grad=True)
    (grid(0.5, 10)(x) * torch.arange(1.0, 8.0)).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.0]


def test_gradients_are_those_of_torch() -> None:
    scale, zero_point = 0.037, 20
    x, other = no_ties(scale).requires_grad_(), no_ties(scale).requires_grad_()
    grid(scale, zero_point)(x).square().sum().backward()
    torch.fake_quantize_per_tensor_affine(other, scale, zero_point, 0, 255).square().sum().backward()
    assert x.grad is not None
    assert other.grad is not None
    torch.testing.assert_close(x.grad, other.grad, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_type_of_a_value_stays(dtype: torch.dtype) -> None:
    x = torch.tensor([0.3, -1.0], dtype=dtype)
    assert grid(0.5, 2)(x).dtype == dtype
    assert grid(0.5, 2)(x).tolist() == [0.5, -1.0]


def test_the_value_that_came_is_not_touched() -> None:
    x = torch.tensor([0.3, -1.0])
    grid(0.5, 2)(x)
    assert x.tolist() == torch.tensor([0.3, -1.0]).tolist()


def test_its_state_is_a_scale_and_a_byte_both_without_axes() -> None:
    state: dict[str, Any] = grid(0.5, 200).state_dict()
    assert list(state) == ["scale", "zero_point"]
    assert [(value.dtype, tuple(value.shape)) for value in state.values()] == [(torch.float32, ()), (torch.uint8, ())]
    fresh = Rounded()
    fresh.load_state_dict(state)
    assert (fresh.scale.item(), fresh.zero_point.item()) == (0.5, 200)


def test_a_copy_has_a_grid_of_its_own() -> None:
    module = grid(0.5, 2)
    other = copy.deepcopy(module)
    other.set(2.0, 0)
    assert module(torch.tensor([-1.0])).tolist() == [-1.0]
    assert other(torch.tensor([-1.0])).tolist() == [0.0]


def test_a_trace_has_one_node_for_it() -> None:
    program = torch.export.export(grid(0.5, 2), (torch.zeros(3),))
    called = [node for node in program.graph.nodes if node.op == "call_function"]
    assert [str(node.target) for node in called] == ["laconic.rounded.default"]
    assert called[0].meta["val"].shape == (3,)
