"""Fold batch normalisation into the layer before it (Jacob et al. 2018, §3.2).

BN(Wx + b) = g·(Wx + b − μ)/σ + β = W'x + b',   W' = W·g/σ,   b' = (b − μ)·g/σ + β,   σ = sqrt(var + ε)
"""

import copy
from collections import Counter
from collections.abc import Mapping

import numpy as np
import torch
from torch import fx, nn

from laconic.base.edits import Folded
from laconic.base.errors import ModelError
from laconic.forms import Dense, Form, Masked
from laconic.graph.network import Network
from laconic.graph.trace import FLOAT, trace
from laconic.nn.weights import to_numpy, to_torch

Layer = nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear
Norm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d


def foldable(model: nn.Module, sample_shape: tuple[int, ...], dtype: str = FLOAT) -> list[Folded]:
    """The normalisations that alone read the output of a convolution or linear layer, both of them used once and tied to nothing.

    Raises:
        ExportError: the model cannot be traced.
    """
    graph, placeholders = trace(model, sample_shape, dtype)
    name_of = {node: placeholders[node.name] for node in graph.nodes if node.name in placeholders}
    busy = _tied(model) | {_path(name) for node, name in name_of.items() if len(node.users) > 1}
    layer_of = {node: _layer(model, node, name_of) for node in graph.nodes}
    pairs = []
    for node, norm in layer_of.items():
        if norm is None or not _is_norm(model.get_submodule(norm)):
            continue
        before = node.args[0]
        layer = layer_of.get(before)
        if layer and len(before.users) == 1 and not {layer, norm} & busy and _is_layer(model.get_submodule(layer), before):
            pairs.append(Folded(layer, norm))
    return pairs


def _path(name: str) -> str:
    return name.rpartition(".")[0]


def _tied(model: nn.Module) -> set[str]:
    """Paths of the layers of which a tensor has a second name."""
    named = [*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)]
    names = Counter(id(tensor) for _, tensor in named)
    return {_path(name) for name, tensor in named if names[id(tensor)] > 1}


def _layer(model: nn.Module, node: fx.Node, name_of: Mapping[fx.Node, str]) -> str | None:
    """The path of the layer that this call is: it reads all the layer's own tensors, and no others."""
    read = {name_of[other] for other in node.all_input_nodes if other in name_of}
    paths = {_path(name) for name in read}
    if len(paths) != 1:
        return None
    path = paths.pop()
    own = {f"{path}.{name}" for name, _ in _own_tensors(model.get_submodule(path))}
    return path if own == read else None


def _own_tensors(module: nn.Module) -> list[tuple[str, torch.Tensor]]:
    tensors = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
    return [(name, tensor) for name, tensor in tensors if name != "num_batches_tracked"]


def _is_norm(module: nn.Module) -> bool:
    """Whether the module normalises by running statistics and does nothing else: subclasses may bring an activation along."""
    return isinstance(module, Norm) and module.running_mean is not None and type(module).forward is nn.BatchNorm2d.forward


def _is_layer(module: nn.Module, output: fx.Node) -> bool:
    """Whether the module's outputs lie along axis 1, as a normalisation's channels do: not those of a linear layer on sequences."""
    return isinstance(module, Layer) and (not isinstance(module, nn.Linear) or output.meta["val"].ndim == 2)


@torch.no_grad()
def fold(network: Network, pairs: list[Folded]) -> Network:
    """A network with these normalisations folded away; zeros of masked weights stay zero.

    Raises:
        ModelError: a pair that is not a layer and a normalisation with statistics, or whose weight is shared or on a grid.
    """
    module, forms = copy.deepcopy(network.module), dict(network.forms)
    for pair in pairs:
        layer, norm = _parts(module, pair)
        gain, shift = _gain_and_shift(norm)
        weight = layer.weight.double() * gain.reshape(-1, *[1] * (layer.weight.ndim - 1))
        bias = shift if layer.bias is None else shift + gain * layer.bias.double()
        form = _reformed(forms.get(f"{pair.layer}.weight"), to_numpy(weight.to(layer.weight.dtype)), pair)
        if form.kind != Dense.kind:
            forms[f"{pair.layer}.weight"] = form
        layer.weight.copy_(to_torch(form.array()))
        layer.bias = nn.Parameter(bias.to(layer.weight.dtype), layer.weight.requires_grad)
        module.set_submodule(pair.norm, nn.Identity())
    return Network(module, forms, (*network.edits, *pairs))


def fold_free(network: Network, sample_shape: tuple[int, ...], dtype: str = FLOAT) -> Network:
    """A network with every normalisation folded away that can be, but those behind weights that are shared or on a grid.

    Raises:
        ExportError: the model cannot be traced.
    """
    pairs = foldable(network.module, sample_shape, dtype)
    return fold(network, [pair for pair in pairs if network.kind(f"{pair.layer}.weight") in (Dense.kind, Masked.kind)])


def _parts(model: nn.Module, pair: Folded) -> tuple[Layer, Norm]:
    layer, norm = model.get_submodule(pair.layer), model.get_submodule(pair.norm)
    if not isinstance(layer, Layer) or not isinstance(norm, Norm) or not _is_norm(norm):
        raise ModelError("only batch normalisation after a convolution or linear layer folds", where=f"{pair.layer} → {pair.norm}")
    return layer, norm


def _gain_and_shift(norm: Norm) -> tuple[torch.Tensor, torch.Tensor]:
    """The normalisation as y = gain · x + shift, in float64."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    gain = 1 / torch.sqrt(norm.running_var.double() + norm.eps)
    if not norm.affine:
        return gain, -norm.running_mean * gain
    gain = gain * norm.weight
    return gain, norm.bias - norm.running_mean * gain


def _reformed(form: Form | None, weight: np.ndarray, pair: Folded) -> Form:
    if form is None or form.kind == Dense.kind:
        return Dense.of(weight)
    if not isinstance(form, Masked):
        raise ModelError(f"a {form.kind} weight cannot be folded into: each channel would get values of its own", where=pair.layer)
    return Masked.of(weight, form.mask)


@torch.no_grad()
def unfold(model: nn.Module, pairs: list[Folded], state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A state dict for the user's own class (with its normalisations) from that of the folded network.

    Each normalisation becomes the identity plus the folded bias: g = 1, μ = 0, var = 1 − ε, β = b'.

    Raises:
        ModelError: the model does not have such layers, or the state no bias for one of them.
    """
    unfolded = dict(state)
    for pair in pairs:
        layer, norm = _parts(model, pair)
        if f"{pair.layer}.bias" not in unfolded:
            raise ModelError("the file has no bias for this folded layer", where=pair.layer)
        bias = unfolded.pop(f"{pair.layer}.bias")
        zero, one = np.zeros_like(bias), np.ones_like(bias)
        if layer.bias is not None:
            unfolded[f"{pair.layer}.bias"] = zero
        if norm.affine:
            unfolded |= {f"{pair.norm}.weight": one, f"{pair.norm}.bias": bias}
        unfolded |= {f"{pair.norm}.running_mean": zero if norm.affine else -bias, f"{pair.norm}.running_var": one - norm.eps}
        unfolded[f"{pair.norm}.num_batches_tracked"] = np.array(0, np.int64)
    return unfolded
