"""Which tensors are weights, what a pattern names, and the way between torch and numpy."""

import numpy as np
import pytest
import torch
from torch import nn

from laconic.base.errors import RecipeError
from laconic.nn import matching, weights
from laconic.nn.weights import to_numpy, to_torch

NAMES = ["conv1.weight", "conv2.weight", "fc.weight"]


def test_weights_are_floating_parameters_of_two_axes_or_more() -> None:
    model = nn.ModuleDict({"conv": nn.Conv2d(2, 3, 1), "bn": nn.BatchNorm2d(3), "embed": nn.Embedding(4, 2), "rnn": nn.LSTM(2, 2)})
    model.register_parameter("counts", nn.Parameter(torch.zeros(2, 2, dtype=torch.int64), requires_grad=False))
    model.register_parameter("empty", nn.Parameter(torch.zeros(0, 2)))
    model.register_buffer("table", torch.zeros(2, 2))
    assert list(weights(model)) == ["conv.weight", "embed.weight", "rnn.weight_ih_l0", "rnn.weight_hh_l0"]


def test_a_tied_weight_counts_once() -> None:
    model = nn.ModuleDict({"embed": nn.Embedding(4, 2), "head": nn.Linear(2, 4)})
    model["head"].weight = model["embed"].weight
    assert list(weights(model)) == ["embed.weight"]


def test_one_value_is_for_all() -> None:
    assert matching(NAMES, 5, "share") == dict.fromkeys(NAMES, 5)


def test_the_first_pattern_that_fits_counts_and_the_rest_is_left_out() -> None:
    assert matching(NAMES, {"conv1": 8, "conv*": 4}, "share") == {"conv1.weight": 8, "conv2.weight": 4}


def test_a_pattern_is_case_sensitive_and_may_name_the_whole() -> None:
    assert matching(NAMES, {"fc.weight": 1}, "share") == {"fc.weight": 1}
    with pytest.raises(RecipeError, match=r"share: no weight is called 'FC'") as caught:
        matching(NAMES, {"FC": 1}, "share")
    assert "conv1.weight" in caught.value.hint


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64, torch.bool], ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (3, 2)], ids=str)
def test_every_type_goes_to_numpy_and_back(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    tensor = torch.randn(shape).mul(10).to(dtype)
    back = to_torch(to_numpy(tensor))
    assert (back.dtype, back.shape) == (dtype, tensor.shape)
    assert torch.equal(back, tensor)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_arrays_are_copies_in_both_directions(dtype: torch.dtype) -> None:
    tensor = torch.ones(3, dtype=dtype)
    array = to_numpy(tensor)
    tensor.zero_()
    assert array.tolist() == [1, 1, 1]
    again = to_torch(array)
    array[:] = 7
    assert again.tolist() == [1, 1, 1]


def test_nan_payloads_and_transposed_tensors_survive() -> None:
    patterns = torch.tensor([[0x7FC01234, -1], [0x7F800001, -0x80000000]], dtype=torch.int64).to(torch.int32)
    tensor = patterns.view(torch.float32).T
    assert to_numpy(tensor).view(np.int32).tolist() == patterns.T.tolist()
