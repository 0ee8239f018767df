"""Cross-layer equalisation: bring the channels between two layers to like ranges (Nagel et al. 2019, §4.1).

ReLU lets a positive factor through: W₂ f(W₁ x + b₁) = (W₂ S) f(S⁻¹ W₁ x + S⁻¹ b₁). With s = √(r₁ r₂) / r₂, where r₁ and r₂ are the largest
weights that write and read a channel, both become √(r₁ r₂) (eq. 11). Depthwise layers, whose channels differ most, gain most.
"""

from collections import Counter

import torch
from torch import Tensor, fx, nn

from laconic.forms import Form, Masked
from laconic.graph.layered import layered
from laconic.graph.network import Network
from laconic.graph.values import operator
from laconic.nn.weights import to_numpy

SCALED = {"relu", "relu_", "leaky_relu", "leaky_relu_", "dropout"}  # let a positive factor through
POOLS = {"max_pool1d", "max_pool2d", "avg_pool2d"}  # too, after a convolution; what a linear layer puts out they would mix
FAINT = 1e-6  # of a layer's largest weight: channels below are dead, and a factor for them would blow up their biases
LAYERS = (nn.Conv1d, nn.Conv2d, nn.Linear)
ROUNDS = 20


def equalize(network: Network, sample_shape: tuple[int, ...], dtype: str) -> Network:
    """A new network that computes the same, its layers' channels equalised wherever nothing else reads them.

    Args:
        network: weights that are on a grid or shared stay, and those next to them.
        sample_shape: one sample, without the batch.
        dtype: of the samples.

    Raises:
        ExportError: the model cannot be traced.
    """
    free = [pair for pair in _pairs(network.module, sample_shape, dtype) if all(_is_free(network, name) for name in pair)]
    if not free:
        return network
    same = network.reformed({})
    with torch.no_grad():
        for _ in range(ROUNDS):
            for first, second in free:
                _equalize(same.module.get_submodule(first), same.module.get_submodule(second))
    return Network(same.module, _followed(same), same.edits)


def _pairs(model: nn.Module, sample_shape: tuple[int, ...], dtype: str) -> list[tuple[str, str]]:
    """Paths of two layers of which the second alone reads what the first writes, each called once."""
    module = layered(model, sample_shape, dtype)
    calls = Counter(str(node.target) for node in module.graph.nodes if node.op == "call_module")
    calls.update(str(node.target).rpartition(".")[0] for node in module.graph.nodes if node.op == "get_attr")  # weights that others read
    pairs = []
    for node in module.graph.nodes:
        if not _is_layer(module, node):
            continue
        first, after = module.get_submodule(str(node.target)), _only_user(node)
        between = SCALED if isinstance(first, nn.Linear) else SCALED | POOLS
        while after is not None and _kind(module, after) in between:
            after = _only_user(after)
        if after is not None and _is_layer(module, after) and calls[str(node.target)] == calls[str(after.target)] == 1:
            second = module.get_submodule(str(after.target))
            along = isinstance(first, nn.Linear) == isinstance(second, nn.Linear)  # linear layers have their channels last
            if along and len(first.get_parameter("weight")) == _read(second):
                pairs.append((str(node.target), str(after.target)))
    return pairs


def _equalize(first: nn.Module, second: nn.Module) -> None:
    writes, reads = first.weight, second.weight
    assert isinstance(writes, Tensor)
    assert isinstance(reads, Tensor)
    depthwise = _is_depthwise(second)
    r1 = writes.abs().flatten(1).amax(1)
    r2 = reads.abs().flatten(1).amax(1) if depthwise else reads.abs().transpose(0, 1).flatten(1).amax(1)
    alive = (r1 > FAINT * r1.max()) & (r2 > FAINT * r2.max())
    scale = torch.where(alive, r1.sqrt() / r2.sqrt(), torch.ones_like(r1))  # √(r₁ r₂) / r₂
    writes /= scale.reshape(-1, *[1] * (writes.ndim - 1))
    if isinstance(first.bias, Tensor):
        first.bias /= scale
    reads *= scale.reshape(*([-1, 1] if depthwise else [1, -1]), *[1] * (reads.ndim - 2))


def _followed(network: Network) -> dict[str, Form]:
    """The Forms with the values that their weights have now; those on a grid or shared did not change."""
    values = network.module.state_dict()
    return {n: Masked.of(to_numpy(values[n]), form.mask) if isinstance(form, Masked) else form for n, form in network.forms.items()}


def _is_free(network: Network, layer: str) -> bool:
    return network.kind(f"{layer}.weight") in ("dense", "masked")


def _is_layer(module: nn.Module, node: fx.Node) -> bool:
    return node.op == "call_module" and isinstance(module.get_submodule(str(node.target)), LAYERS)


def _kind(module: nn.Module, node: fx.Node) -> str:
    return type(module.get_submodule(str(node.target))).__name__.lower() if node.op == "call_module" else operator(node)


def _only_user(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _is_depthwise(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Conv1d | nn.Conv2d) and layer.groups == layer.in_channels == layer.out_channels > 1


def _read(layer: nn.Module) -> int:
    """Channels that a layer reads one by one; 0 where it reads them in groups."""
    if isinstance(layer, nn.Linear):
        return layer.in_features
    assert isinstance(layer, nn.Conv1d | nn.Conv2d)
    return layer.in_channels if layer.groups == 1 or _is_depthwise(layer) else 0
