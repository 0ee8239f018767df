"""The law holds on every odd model that can be traced; every weight is in a group, or left whole with its reason."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from laconic.base.errors import LaconicError
from laconic.base.imports import load_attribute
from laconic.graph.channels import channel_groups, left_whole

ROOM = Path(__file__).parents[2]
MODELS = load_attribute(f"{ROOM / 'conformance' / 'odd_models.py'}:MODELS", error=LaconicError)
obeys = load_attribute(f"{Path(__file__).with_name('test_law.py')}:obeys", error=LaconicError)
TRACEABLE = [odd for odd in MODELS if not odd.weights_only and not odd.refused]


def is_layer_weight(model: nn.Module, name: str) -> bool:
    layer = model.get_submodule(name.rpartition(".")[0])
    return isinstance(layer, nn.Linear | nn.modules.conv._ConvNd) and name.endswith("weight")


@pytest.mark.slow
@pytest.mark.parametrize("odd", TRACEABLE, ids=lambda odd: odd.name)
def test_each_weight_can_be_narrowed_or_is_left_whole_with_its_reason(odd: Any) -> None:
    torch.manual_seed(0)
    model = odd.build().eval()
    groups = channel_groups(model, odd.shape)
    whole, grouped = left_whole(model, odd.shape), {member.tensor for group in groups for member in group.members}
    named = {name for name, _ in model.named_parameters() if is_layer_weight(model, name)}
    assert named <= grouped | whole.keys()
    assert all(whole.values())
    if next(model.parameters()).dtype == torch.float32:
        obeys(model, odd.shape, "float32")
