"""Half the bits, and half the file."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest
import torch
from torch import nn

from laconic import Half, Prune
from laconic.artifact import Artifact, pack
from laconic.base.errors import ModelError, RecipeError
from laconic.graph.network import Network

Apply = Callable[..., Network]
TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@pytest.mark.parametrize("kind", ["bf16", "fp16"])
def test_parameters_are_what_the_type_can_hold(kind: Literal["bf16", "fp16"], model: nn.Module, apply: Apply) -> None:
    half = apply(Half(kind), Network(model)).module
    for name, value in half.named_parameters():
        assert torch.equal(value, model.get_parameter(name).to(TYPES[kind]).float())


@pytest.mark.parametrize(("kind", "bound"), [("bf16", 0.52), ("fp16", 0.6)])
def test_the_file_is_half_as_large(kind: Literal["bf16", "fp16"], bound: float, apply: Apply) -> None:
    torch.manual_seed(0)
    wide = Network(nn.Sequential(nn.Flatten(), nn.Linear(64, 512), nn.Linear(512, 4)))
    half = apply(Half(kind), wide)
    sizes = [len(pack(Artifact(network.tensors()), weights_only=True)) for network in (half, wide)]
    assert sizes[0] < bound * sizes[1]


def test_masks_hold_and_steps_after_it_run(model: nn.Module, apply: Apply) -> None:
    half = apply(Half(), apply(Prune(sparsity=0.5), Network(model)))
    assert half.form("fc.weight").kind == "masked"
    assert not half.array("fc.weight")[half.form("fc.weight").array() == 0].any()
    assert np.mean(half.array("fc.weight") == 0) >= 0.5


def test_what_float16_cannot_hold_is_refused(model: nn.Module, apply: Apply) -> None:
    with torch.no_grad():
        model.fc.weight[0, 0] = 7e4
    with pytest.raises(ModelError, match=r"7e\+04 is too large for fp16"):
        apply(Half("fp16"), Network(model))
    assert apply(Half("bf16"), Network(model))


def test_another_format_is_refused() -> None:
    with pytest.raises(RecipeError, match="format"):
        Half("fp8")  # type: ignore[arg-type]
