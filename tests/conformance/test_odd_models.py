"""Odd networks: compressed; or compressed but for what cannot be, with the reason; or refused in words that help. Never touched."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import laconic
from laconic.artifact import unpack
from laconic.base.dtypes import bits
from laconic.base.errors import ExportError, LaconicError
from laconic.base.imports import load_attribute
from laconic.datasets.data import Data
from laconic.nn.weights import to_numpy, weights

MODELS = load_attribute(f"{Path(__file__).with_name('odd_models.py')}:MODELS", error=LaconicError)
RECIPE = (laconic.Prune(sparsity=0.5), laconic.Share(bits=4))
QUICK = ("control flow that depends on data", "tied weights", "half precision")  # exporting takes a second or two a model


def data_for(shape: tuple[int, ...]) -> Data:
    rng = np.random.Generator(np.random.PCG64(0))

    def split(samples: int) -> tuple[Any, Any]:
        return rng.normal(size=(samples, *shape)).astype(np.float32), np.arange(samples) % 4

    return laconic.from_arrays(split(16), split(8), split(8))


def built(odd: Any) -> nn.Module:
    torch.manual_seed(0)
    return odd.build()


def digest(model: nn.Module) -> str:
    """Everything about a model that could be touched: values, strides, modes, gradients asked for, hooks."""
    seen = hashlib.sha256()
    for name, value in [*model.named_parameters(), *model.named_buffers()]:
        told = (name, type(value).__name__, value.requires_grad, value.grad is None, value.dtype, id(value))
        seen.update(repr(told).encode())
        if not (torch.nn.parameter.is_lazy(value) or value.is_meta):
            dense = value.detach().to_dense() if value.is_sparse else value.detach()
            seen.update(repr((dense.stride(), dense.data_ptr() if not value.is_sparse else 0)).encode())
            seen.update(dense.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    for name, module in model.named_modules():
        hooks = [len(module._forward_hooks), len(module._forward_pre_hooks), len(module._backward_hooks)]
        seen.update(repr((name, module.training, hooks, type(module).__name__)).encode())
    return seen.hexdigest()


@pytest.fixture
def without_export(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every model is one that cannot be exported: all the rest takes milliseconds."""

    def refuse(*_: object) -> bytes:
        raise ExportError("not exported", where="this test")

    monkeypatch.setattr("laconic.recipe.package.export", refuse)
    monkeypatch.setattr("laconic.recipe.measure.REPEATS", 3)


def same_bits(tensors: Any, model: nn.Module) -> bool:
    """Whether a file's tensors are a model's state dict, bit for bit."""
    state = {name: to_numpy(value) for name, value in model.state_dict().items()}
    return list(tensors) == list(state) and all(
        np.array_equal(bits(form.array()), bits(state[name])) and form.dtype == state[name].dtype for name, form in tensors.items()
    )


def check_row(odd: Any, heard: Any, exported: bool) -> None:
    model = built(odd)
    before = digest(model)
    if odd.refused:
        with pytest.raises(LaconicError) as caught:
            laconic.compress(model, data_for(odd.shape), RECIPE)
        assert odd.refused in str(heard("model", odd.name, caught.value))
        assert caught.value.hint, "a refusal says what to do next"
    else:
        result = laconic.compress(model, data_for(odd.shape), RECIPE)
        file = unpack(result.run.content)
        pressed = {name for name, form in file.tensors.items() if form.kind == "codebook"}
        matrices = {name for name, p in model.named_parameters() if p.ndim >= 2}
        assert pressed >= set(weights(model))
        assert matrices - set(weights(model)) == set(odd.dense)
        assert all(any(name in warning for warning in result.record.warnings) for name in odd.dense)
        assert same_bits(file.tensors, result.model)
        if exported:
            assert (file.graph is None) == bool(odd.weights_only)
            reasons = [w for w in result.record.warnings if w.startswith("weights only")]
            assert len(reasons) == bool(odd.weights_only)
            assert all(odd.weights_only in reason for reason in reasons)
            for reason in reasons:
                heard("model", odd.name, reason)
    assert digest(model) == before


def check_empty(odd: Any) -> None:
    model = built(odd)
    before = digest(model)
    result = laconic.compress(model, data_for(odd.shape), [])
    assert same_bits(unpack(result.run.content).tensors, model)
    assert digest(model) == before


def test_there_are_many_kinds_of_odd_models() -> None:
    assert len({odd.name for odd in MODELS}) == len(MODELS) >= 40


def named(odd: Any) -> str:
    return odd.name.replace(" ", "-")


@pytest.mark.parametrize("odd", MODELS, ids=named)
def test_whatever_can_be_pressed_is_and_the_rest_is_said(odd: Any, heard: Any, without_export: None) -> None:
    check_row(odd, heard, exported=False)


@pytest.mark.parametrize("odd", [odd for odd in MODELS if not odd.refused], ids=named)
def test_an_empty_recipe_changes_no_bit(odd: Any, without_export: None) -> None:
    check_empty(odd)


@pytest.mark.parametrize("odd", [odd for odd in MODELS if odd.name in QUICK], ids=named)
def test_a_few_with_their_graphs(odd: Any, heard: Any, capfd: pytest.CaptureFixture[str]) -> None:
    check_row(odd, heard, exported=True)
    assert capfd.readouterr() == ("", ""), "what torch prints is no concern of the user"


@pytest.mark.slow
@pytest.mark.parametrize("odd", [odd for odd in MODELS if not odd.refused], ids=named)
def test_all_of_them_with_their_graphs(odd: Any, heard: Any) -> None:
    check_row(odd, heard, exported=True)
    check_empty(odd)
