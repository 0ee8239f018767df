"""Fold batch normalisation into the layer before it (Jacob et al. 2018, §3.2).

BN(Wx + b) = g·(Wx + b − μ)/σ + β = W'x + b',   W' = W·g/σ,   b' = (b − μ)·g/σ + β,   σ = sqrt(var + ε)
"""

import copy
from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from laconic.base.errors import ModelError
from laconic.forms import Form, Masked
from laconic.graph.edits import Folded
from laconic.graph.network import Network
from laconic.graph.trace import trace
from laconic.nn.weights import to_numpy

Linear = nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear
Norm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d


def foldable(model: nn.Module, sample_shape: tuple[int, ...]) -> list[Folded]:
    """The normalisations that alone read the output of a convolution or linear layer, each used once.

    Raises:
        ExportError: the model cannot be traced.
    """
    graph, placeholders = trace(model, sample_shape)
    layer_of = {node: _owner(model, node, placeholders) for node in graph.nodes if node.op == "call_function"}
    calls = list(layer_of.values())
    pairs = []
    for node, norm in layer_of.items():
        if not isinstance(norm and model.get_submodule(norm), Norm):
            continue
        before = node.args[0]
        layer = layer_of.get(before)
        linear = layer is not None and isinstance(model.get_submodule(layer), Linear)
        if linear and len(before.users) == 1 and calls.count(layer) == calls.count(norm) == 1:
            pairs.append(Folded(str(layer), str(norm)))
    return [pair for pair in pairs if _has_statistics(model.get_submodule(pair.norm))]


def _owner(model: nn.Module, node: torch.fx.Node, placeholders: Mapping[str, str]) -> str | None:
    """The path of the module whose parameters this call reads, if it reads any."""
    names = [placeholders[arg.name] for arg in node.all_input_nodes if arg.name in placeholders]
    return names[0].rpartition(".")[0] if names else None


def _has_statistics(norm: nn.Module) -> bool:
    return isinstance(norm, Norm) and norm.running_mean is not None


@torch.no_grad()
def fold(network: Network, pairs: list[Folded]) -> Network:
    """A network with these normalisations folded away; zeros of masked weights stay zero."""
    module = copy.deepcopy(network.module)
    forms = dict(network.forms)
    for pair in pairs:
        layer, norm = module.get_submodule(pair.layer), module.get_submodule(pair.norm)
        if not isinstance(layer, Linear) or not isinstance(norm, Norm) or norm.running_mean is None or norm.running_var is None:
            raise ModelError("only batch normalisation after a convolution or linear layer folds", where=f"{pair.layer} → {pair.norm}")
        gain = (norm.weight if norm.affine else torch.ones_like(norm.running_mean)) / torch.sqrt(norm.running_var + norm.eps)
        shift = norm.bias if norm.affine else torch.zeros_like(norm.running_mean)
        bias = layer.bias if layer.bias is not None else torch.zeros_like(norm.running_mean)
        layer.weight.mul_(gain.reshape(-1, *[1] * (layer.weight.ndim - 1)))
        layer.bias = nn.Parameter((bias - norm.running_mean) * gain + shift)
        module.set_submodule(pair.norm, nn.Identity())
        _refit(forms, f"{pair.layer}.weight", layer.weight)
    return Network(module, forms, (*network.edits, *pairs))


def _refit(forms: dict[str, Form], name: str, weight: torch.Tensor) -> None:
    form = forms.get(name)
    if isinstance(form, Masked):
        forms[name] = Masked.of(to_numpy(weight), form.mask)


@torch.no_grad()
def unfold(model: nn.Module, pairs: list[Folded], state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A state dict for the user's own class (with its normalisations) from that of the folded network.

    Each normalisation becomes the identity plus the folded bias: g = 1, μ = 0, var = 1 − ε, β = b'.
    """
    unfolded = dict(state)
    for pair in pairs:
        norm, layer = model.get_submodule(pair.norm), model.get_submodule(pair.layer)
        assert isinstance(norm, Norm)
        bias = unfolded.pop(f"{pair.layer}.bias")
        one = np.ones_like(bias)
        if layer.bias is not None:
            unfolded[f"{pair.layer}.bias"] = 0 * one
        unfolded |= {f"{pair.norm}.weight": one, f"{pair.norm}.bias": bias} if norm.affine else {}
        mean = 0 * one if norm.affine else -bias
        unfolded |= {f"{pair.norm}.running_mean": mean, f"{pair.norm}.running_var": one - np.float32(norm.eps)}
        unfolded[f"{pair.norm}.num_batches_tracked"] = np.array(0, np.int64)
    return unfolded
