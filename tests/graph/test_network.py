"""What passes from step to step."""

import numpy as np
import pytest
import torch
from torch import nn

from laconic.base.edits import Folded
from laconic.forms import Codebook, Dense, Masked
from laconic.graph.network import Network
from laconic.nn.weights import to_numpy


def test_tensors_are_the_state_dict_in_its_order(model: nn.Module) -> None:
    tensors = Network(model).tensors()
    assert list(tensors) == list(model.state_dict())
    for name, form in tensors.items():
        assert isinstance(form, Dense)
        assert form.array().tobytes() == to_numpy(model.state_dict()[name]).tobytes()


def test_tied_names_share_one_form_and_equal_values_do_not() -> None:
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    model[1].weight = model[0].weight
    model[2].weight.data.copy_(model[0].weight)
    shared = Codebook.of(np.zeros((2, 2), int), np.float32([1]))
    for network in (Network(model), Network(model, {"0.weight": shared})):
        tensors = network.tensors()
        assert tensors["0.weight"] is tensors["1.weight"]
        assert tensors["0.weight"] is not tensors["2.weight"]
    assert tensors["1.weight"] is shared


def test_empty_tensors_are_not_tied() -> None:
    model = nn.Module()
    for name in ("a", "b"):
        model.register_buffer(name, torch.zeros(0, 3))
    tensors = Network(model).tensors()
    assert tensors["a"] is not tensors["b"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_reformed_has_the_values_of_the_forms_and_leaves_the_old_one(model: nn.Module, dtype: torch.dtype) -> None:
    old = Network(model.to(dtype), edits=(Folded("a", "b"),))
    before = old.array("fc.weight")
    form = Masked.of(before, np.abs(before.astype(np.float32)) > 0.05)
    new = old.reformed({"fc.weight": form})
    assert (old.kind("fc.weight"), new.kind("fc.weight"), new.kind("stem.weight")) == ("dense", "masked", "dense")
    assert new.form("fc.weight") is form
    assert new.edits == old.edits
    assert new.array("fc.weight").tobytes() == form.array().tobytes()
    assert old.array("fc.weight").tobytes() == before.tobytes()
    assert new.reformed({"stem.weight": form_of_ones(new.array("stem.weight"))}).forms.keys() == {"fc.weight", "stem.weight"}


def form_of_ones(array: np.ndarray) -> Codebook:
    return Codebook.of(np.zeros(array.shape, int), np.ones(1, array.dtype))
