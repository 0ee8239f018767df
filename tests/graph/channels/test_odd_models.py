"""The law holds on every odd model that can be traced; every weight is in a group, or left whole with its reason."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from laconic.base.errors import LaconicError
from laconic.base.imports import load_attribute
from laconic.graph.channels import channel_groups, left_whole
from laconic.nn.checks import home

ROOM = Path(__file__).parents[2]
MODELS = load_attribute(f"{ROOM / 'conformance' / 'odd_models.py'}:MODELS", error=LaconicError)
obeys = load_attribute(f"{Path(__file__).with_name('test_law.py')}:obeys", error=LaconicError)
TRACEABLE = [odd for odd in MODELS if not odd.weights_only and not odd.refused]
WHOLE = {
    "a matrix and its transpose": "its weight is computed",
    "an LSTM": "lstm is not understood",
    "a GRU": "gru is not understood",
    "a plain RNN": "rnn_tanh is not understood",
    "GroupNorm": "it is normalised together with the others",
    "LayerNorm": "it is normalised together with the others",
    "operations in place": "fill_ is not understood",
}
"""Models without any channel that can go → why."""


def built(odd: Any) -> nn.Module:
    """The model; where samples are no images, behind a layer as wide as they are, so that most have something to cut."""
    torch.manual_seed(0)
    model, side = odd.build(), odd.shape[-1]
    return (model if len(odd.shape) > 2 else nn.Sequential(nn.Linear(side, side, dtype=home(model)[1]), model)).eval()


def is_layer_weight(model: nn.Module, name: str) -> bool:
    layer = model.get_submodule(name.rpartition(".")[0])
    return isinstance(layer, nn.Linear | nn.modules.conv._ConvNd) and name.endswith("weight")


@pytest.mark.slow
@pytest.mark.parametrize("odd", TRACEABLE, ids=lambda odd: odd.name)
def test_each_weight_can_be_narrowed_or_is_left_whole_with_its_reason(odd: Any) -> None:
    model = built(odd)
    groups, whole = channel_groups(model, odd.shape), left_whole(model, odd.shape)
    named = {name for name, _ in model.named_parameters() if is_layer_weight(model, name)}
    assert named <= {member.tensor for group in groups for member in group.members} | whole.keys()
    assert all(whole.values())
    assert any(group.size > 1 for group in groups) == (odd.name not in WHOLE)
    assert odd.name not in WHOLE or WHOLE[odd.name] in whole.values()
    if home(model)[1] == torch.float32:
        obeys(model, odd.shape, "float32")


def test_the_models_that_stay_whole_are_there() -> None:
    assert WHOLE.keys() < {odd.name for odd in TRACEABLE}
