"""Horizontal fusion: layers that read the same value, done by one larger layer whose outputs are then shared out.

    [W₁; W₂; …] x + [b₁; b₂; …] = [W₁ x + b₁; W₂ x + b₂; …]

As in Inception, whose branches begin with 1 × 1 convolutions of one input (Szegedy et al. 2015), and in attention, whose queries, keys and
values are linear layers of one input. One large product is faster than several small ones; sharing the outputs out costs a copy. Which of
both is more has to be measured.

Convolutions whose kernels differ can be one as well where their middles meet, as a Fire module's 1 × 1 and 3 × 3 do (Iandola et al. 2016):
smaller kernels are padded with zeros, which a mask keeps, so that they never learn.
"""

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, fx, nn

from laconic.base.edits import Merged
from laconic.base.errors import ModelError
from laconic.forms import Dense, Form, Masked
from laconic.graph.layered import layered
from laconic.graph.network import Network
from laconic.graph.trace import FLOAT

GEOMETRY = ("stride", "dilation", "padding_mode", "in_channels", "in_features")
State = dict[str, np.ndarray]


def mergeable(model: nn.Module, sample_shape: tuple[int, ...], dtype: str = FLOAT, *, padded: bool = False) -> list[tuple[str, ...]]:
    """Layers that could be one, by their paths: of the same kind and geometry, reading the same value, each called once.

    Args:
        model: eager or traced.
        sample_shape: one sample, without the batch.
        dtype: of the samples.
        padded: whether kernels of different sizes may have zeros around them.

    Raises:
        ExportError: the model cannot be traced.

    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.a, self.b = nn.Linear(4, 2), nn.Linear(4, 3)
    ...     def forward(self, x):
    ...         return torch.cat([self.a(x).relu(), self.b(x)], 1)
    >>> mergeable(Net(), (4,))
    [('a', 'b')]
    """
    module = layered(model, sample_shape, dtype)
    calls = [node for node in module.graph.nodes if node.op == "call_module"]
    found: dict[object, list[str]] = {}
    for node in calls:
        layer = module.get_submodule(str(node.target))
        once = sum(other.target == node.target for other in calls) == 1
        if once and isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Linear) and getattr(layer, "groups", 1) == 1:
            kernel = _middle(layer) if padded else _window(layer)
            key = (node.args[0], type(layer), *(getattr(layer, name, None) for name in GEOMETRY), layer.weight.dtype, kernel)
            found.setdefault(key, []).append(str(node.target))
    tied = _tied(module)
    groups = (tuple(path for path in paths if path not in tied) for paths in found.values())
    return [group for group in groups if len(group) > 1]


@torch.no_grad()
def remerged(model: nn.Module, cut: Merged) -> fx.GraphModule:
    """The model after this Edit, as its graph; the larger layer has the path of the first.

    Raises:
        ModelError: these layers are not there, or cannot be one. ExportError: the model cannot be traced.
    """
    allowed = mergeable(model, cut.shape, cut.dtype, padded=True)
    for group in cut.layers:
        if len(group) < 2 or not any(set(group) <= set(one) for one in allowed):
            known = "; ".join(", ".join(one) for one in allowed) or "none"
            raise ModelError(f"{' and '.join(group)} cannot be one layer", hint=f"these can: {known}")
    module = layered(model, cut.shape, cut.dtype)
    for group in cut.layers:
        _merge(module, group)
    module.graph.lint()
    module.recompile()
    return module


def merged(network: Network, cut: Merged) -> Network:
    """A new network in which these layers are one; masks stay.

    Raises:
        ModelError: as `remerged`, or a weight that is shared or on a grid.
    """
    module = remerged(network.module, cut)
    forms = dict(network.forms)
    for group in cut.layers:
        kernel = _largest([network.module.get_submodule(path) for path in group])
        parts = [_around(network.form(f"{path}.weight"), kernel, path) for path in group]
        for path in group:
            forms.pop(f"{path}.weight", None)
        whole = _joined(parts)
        if isinstance(whole, Masked):
            forms[f"{group[0]}.weight"] = whole
    return Network(module, forms, (*network.edits, cut))


def unmerged(cut: Merged, model: nn.Module, state: State) -> State:
    """The state of the model as it was before, from that after."""
    state = dict(state)
    for group in cut.layers:
        ends = np.cumsum([len(model.get_parameter(f"{path}.weight")) for path in group])[:-1]
        for part in ("weight", "bias"):
            whole = state.pop(f"{group[0]}.{part}", None)
            if whole is None:
                continue
            for path, piece in zip(group, np.split(whole, ends), strict=True):
                before = getattr(model.get_submodule(path), part, None)
                if before is not None:
                    state[f"{path}.{part}"] = piece[_inner(before.shape, piece.shape)]
    return state


def _merge(module: fx.GraphModule, group: Sequence[str]) -> None:
    layers = [module.get_submodule(path) for path in group]
    nodes = [next(node for node in module.graph.nodes if node.op == "call_module" and node.target == path) for path in group]
    axis = -1 if isinstance(layers[0], nn.Linear) else 1
    first = min(nodes, key=list(module.graph.nodes).index)
    module.set_submodule(group[0], _one(layers))
    with module.graph.inserting_before(first):
        whole = module.graph.call_module(group[0], first.args)
        at = 0
        for node, layer in zip(nodes, layers, strict=True):
            size = len(layer.get_parameter("weight"))
            node.replace_all_uses_with(module.graph.call_function(torch.narrow, (whole, axis, at, size)))
            at += size
    for node in nodes:
        module.graph.erase_node(node)
    for path in group[1:]:
        module.delete_submodule(path)


def _one(layers: Sequence[nn.Module]) -> nn.Module:
    """The layer whose outputs are those of all, one after the other."""
    made, kernel = copy.deepcopy(layers[0]), _largest(layers)
    weights = [_grown(layer.get_parameter("weight"), kernel) for layer in layers]
    made.weight = nn.Parameter(torch.cat(weights), weights[0].requires_grad)
    biases = [layer.bias if isinstance(layer.bias, Tensor) else None for layer in layers]
    if any(bias is not None for bias in biases):
        filled = [w.new_zeros(len(w)) if b is None else b for w, b in zip(weights, biases, strict=True)]
        made.bias = nn.Parameter(torch.cat(filled), weights[0].requires_grad)
    if isinstance(made, nn.Conv1d | nn.Conv2d):
        made.padding = _padding(made, kernel)
        made.kernel_size = kernel
        made.out_channels = len(made.weight)
    else:
        made.out_features = len(made.weight)  # type: ignore[assignment]
    return made


def _window(layer: nn.Module) -> object:
    """What a kernel sees."""
    return getattr(layer, "kernel_size", None), getattr(layer, "padding", None)


def _middle(layer: nn.Module) -> object:
    """Twice the distance from where a kernel is put down to its middle: kernels that agree in it can have zeros around them to be alike.

    What is padded by other things than zeros, or by a word, sees what it sees.
    """
    if not isinstance(layer, nn.Conv1d | nn.Conv2d) or isinstance(layer.padding, str) or layer.padding_mode != "zeros":
        return _window(layer)
    sides = zip(layer.kernel_size, layer.dilation, layer.padding, strict=True)
    return tuple((dilation * (size - 1) - 2 * padding, size % 2) for size, dilation, padding in sides)


def _largest(layers: Sequence[nn.Module]) -> tuple[int, ...]:
    """The sides of the kernel that all of theirs fit into; none of linear layers."""
    kernels = [layer.kernel_size for layer in layers if isinstance(layer, nn.Conv1d | nn.Conv2d)]
    return tuple(max(sides) for sides in zip(*kernels, strict=True))


def _padding(layer: nn.Conv1d | nn.Conv2d, kernel: tuple[int, ...]) -> tuple[int, ...] | str:
    """What a larger kernel needs so that its middle is where it was."""
    if isinstance(layer.padding, str):
        return layer.padding
    sides = zip(kernel, layer.kernel_size, layer.dilation, layer.padding, strict=True)
    return tuple(padding + dilation * (after - before) // 2 for after, before, dilation, padding in sides)


def _grown(weight: Tensor, kernel: tuple[int, ...]) -> Tensor:
    """The weight with zeros around its kernel."""
    margins = [(after - before) // 2 for after, before in zip(kernel, weight.shape[2:], strict=True)]
    return nn.functional.pad(weight, [margin for one in reversed(margins) for margin in (one, one)])


def _inner(small: Sequence[int], large: Sequence[int]) -> tuple[slice, ...]:
    """Where an array of the small shape lies in the middle of one of the large shape."""
    starts = [(outer - inner) // 2 for inner, outer in zip(small, large, strict=True)]
    return tuple(slice(start, start + inner) for start, inner in zip(starts, small, strict=True))


def _around(form: Form, kernel: tuple[int, ...], path: str) -> Form:
    """The weight with zeros around its kernel, which stay zeros."""
    if form.kind not in (Dense.kind, Masked.kind):
        raise ModelError(f"a {form.kind} weight cannot be merged", where=path, hint="merge before weights are shared or put on a grid")
    shape = (*form.shape[:2], *kernel)
    if shape == form.shape:
        return form
    array, mask, inner = np.zeros(shape, form.array().dtype), np.zeros(shape, bool), _inner(form.shape, shape)
    array[inner], mask[inner] = form.array(), form.mask if isinstance(form, Masked) else True
    return Masked.of(array, mask)


def _joined(parts: Sequence[Form]) -> Form:
    array = np.concatenate([part.array() for part in parts])
    if not any(isinstance(part, Masked) for part in parts):
        return Dense.of(array)
    return Masked.of(array, np.concatenate([part.mask if isinstance(part, Masked) else np.ones(part.shape, bool) for part in parts]))


def _tied(module: nn.Module) -> set[str]:
    """Paths of layers of which a tensor has a second name."""
    names: dict[int, list[str]] = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name.rpartition(".")[0])
    return {path for paths in names.values() if len(paths) > 1 for path in paths}
