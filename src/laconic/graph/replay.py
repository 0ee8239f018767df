"""The shape that a network came to have, from the class that it came from: Edits done again, and undone."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from laconic.artifact import Notes
from laconic.base.edits import Cut, Edit, Factored, Folded, Shortened, Transferred, cuts_of, folds_of, merged_of, rounded_of
from laconic.base.errors import ModelError
from laconic.graph.branches import Branches
from laconic.graph.channels import Kept, narrow
from laconic.graph.fold import fold
from laconic.graph.merge import remerged
from laconic.graph.network import Network
from laconic.graph.rounding import Points
from laconic.graph.trace import prepared
from laconic.nn import compact
from laconic.nn.factored import chain, product
from laconic.nn.transferred import KINDS, TransferredConv2d
from laconic.nn.transferred import transferred as fresh
from laconic.nn.weights import to_numpy, to_torch

State = dict[str, np.ndarray]
OTHER_CLASS = "give an object of the class that was packed"


@dataclass(frozen=True)
class Smaller:
    """A model after a cut.

    Args:
        module: the model.
        restored: from its state to one of the model before that computes the same.
    """

    module: nn.Module
    restored: Callable[[State], State]


def recut(model: nn.Module, cut: Cut) -> Smaller:
    """The model after this cut.

    Raises:
        ModelError: it has no such channels, branches or layers. ExportError: it cannot be traced.
    """
    if isinstance(cut, Factored):
        return _factored(model, cut)
    if isinstance(cut, Transferred):
        return _transferred(model, cut)
    if isinstance(cut, Shortened):
        module, gone = _shorter(model, cut)
        zeros = {name: np.zeros_like(to_numpy(value)) for name, value in model.state_dict().items() if name in gone}
        return Smaller(module, lambda state: _vanishing(zeros, model, module, cut) | state)
    found = narrow(model, cut.shape, cut.channels(), cut.dtype)
    return Smaller(found.module, lambda state: _widened(state, found.kept))


def replayed(model: nn.Module, edits: Sequence[Edit]) -> Network:
    """The model after these Edits: cuts first, as a fold changes no other layer's shape, and no names; then what is merged, and rounded.

    Raises:
        ModelError: the model has no such layers, channels, branches or values. ExportError: it cannot be traced.
    """
    module = model
    for cut in cuts_of(tuple(edits)):
        module = recut(module, cut).module
    module = fold(Network(module), list(folds_of(tuple(edits)))).module
    for one in merged_of(tuple(edits)):
        module = remerged(module, one)
    rounded = rounded_of(tuple(edits))
    if rounded is not None:
        module = Points(module, rounded.shape, rounded.dtype).rounded(rounded.values)
    return Network(module, {}, tuple(edits))


def shortened(network: Network, cut: Shortened) -> Network:
    """A new network without these branches; without any, the same network. What was folded in them is forgotten with them.

    Raises:
        ModelError: there is no such branch. ExportError: the model cannot be traced.
    """
    if not cut.removed:
        return network
    module, gone = _shorter(network.module, cut)
    forms = {name: form for name, form in network.forms.items() if name not in gone}
    edits = tuple(edit for edit in network.edits if not isinstance(edit, Folded) or f"{edit.layer}.weight" not in gone)
    return Network(module, forms, (*edits, cut))


@torch.no_grad()
def factored(network: Network, cut: Factored, factors: Sequence[np.ndarray]) -> Network:
    """A new network in which these weights, in the shapes of `nn.factored`, stand for a layer; its bias is that of the last.

    Raises:
        ModelError: there is no such layer, or it cannot be factored so.
    """
    module = recut(network.module, cut).module
    made = module.get_submodule(cut.layer)
    layers = [layer for layer in made.children() if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d)]
    for layer, weight in zip(layers, factors, strict=True):
        layer.weight.copy_(to_torch(np.ascontiguousarray(weight)))
    bias = network.module.get_submodule(cut.layer).bias
    if layers[-1].bias is not None and isinstance(bias, torch.Tensor):
        layers[-1].bias.copy_(bias)
    return _with_cut(network, cut, module)


@torch.no_grad()
def replaced(network: Network, cut: Factored, block: nn.Module) -> Network:
    """A new network with the weights of this block, one of `nn.compact`, in the place of a convolution.

    Raises:
        ModelError: there is no such convolution, or it cannot be such a block.
    """
    module = recut(network.module, cut).module
    module.get_submodule(cut.layer).load_state_dict(block.state_dict())
    return _with_cut(network, cut, module)


def _with_cut(network: Network, cut: Factored, module: nn.Module) -> Network:
    """What was folded into the layer is folded into the last of those in its place."""
    forms = {name: form for name, form in network.forms.items() if name != f"{cut.layer}.weight"}
    made = module.get_submodule(cut.layer)
    assert isinstance(made, nn.Sequential)
    last = f"{cut.layer}.{len(made) - 1}"
    edits = (Folded(last, edit.norm) if isinstance(edit, Folded) and edit.layer == cut.layer else edit for edit in network.edits)
    return Network(module, forms, (*edits, cut))


@torch.no_grad()
def transferred(network: Network, cut: Transferred, base: np.ndarray, order: np.ndarray) -> Network:
    """A new network in which these base filters, and images of them in this order, stand for those of a convolution; its bias stays.

    Raises:
        ModelError: there is no such layer, or its filters cannot be shared out so.
    """
    module = recut(network.module, cut).module
    made, before = module.get_submodule(cut.layer), network.module.get_submodule(cut.layer)
    assert isinstance(made, TransferredConv2d)
    assert isinstance(made.order, torch.Tensor)
    made.weight.copy_(to_torch(np.ascontiguousarray(base)))
    made.order.copy_(to_torch(order))
    if made.bias is not None and isinstance(before.bias, torch.Tensor):
        made.bias.copy_(before.bias)
    forms = {name: form for name, form in network.forms.items() if name != f"{cut.layer}.weight"}
    return Network(module, forms, (*network.edits, cut))


def noted(edits: Sequence[Edit]) -> Notes:
    """What the notes of a file say of them."""
    folds = tuple((edit.layer, edit.norm) for edit in folds_of(tuple(edits)))
    every = tuple(edits)
    return Notes(folds=folds, cuts=cuts_of(every), merged=merged_of(every), rounded=rounded_of(every))


def edits_in(notes: Notes) -> tuple[Edit, ...]:
    """The Edits that a file notes."""
    folds = (Folded(layer, norm) for layer, norm in notes.folds)
    return (*notes.cuts, *folds, *notes.merged, *([notes.rounded] if notes.rounded is not None else []))


def _shorter(model: nn.Module, cut: Shortened) -> tuple[nn.Module, set[str]]:
    """The model without the branches, and the tensors that went with them."""
    branches = Branches(model, cut.shape, cut.dtype)
    gone = {name for branch in branches.found if branch.name in cut.removed for name in branch.tensors}
    return branches.without(cut.removed), gone


@torch.no_grad()
def _vanishing(zeros: State, model: nn.Module, shorter: nn.Module, cut: Shortened) -> State:
    """The zeros, if with them the branches add nothing.

    Raises:
        ModelError: they add something: where a sigmoid is the last of a branch, a half.
    """
    (whole, sample), (short, _) = (prepared(one, cut.shape, cut.dtype) for one in (model, shorter))
    whole.load_state_dict({name: to_torch(value) for name, value in zeros.items()}, strict=False)
    if sample.is_floating_point():
        sample = torch.linspace(-1, 1, sample.numel()).reshape(sample.shape)
    if not torch.allclose(whole(sample), short(sample), rtol=1e-3, atol=1e-4):
        found = f"without weights, what was removed is still not nothing: {', '.join(cut.removed)}"
        raise ModelError(found, where=type(model).__name__, hint="laconic.load(file) runs it without its class")
    return zeros


def _layer(model: nn.Module, name: str) -> nn.Module:
    layers = dict(model.named_modules())
    if not name or name not in layers:
        raise ModelError(f"the model has no layer {name!r}")
    return layers[name]


def _factored(model: nn.Module, cut: Factored) -> Smaller:
    module = copy.deepcopy(model)
    if cut.kind in compact.BLOCKS and len(cut.ranks) != 1:
        raise ModelError(f"a block {cut.kind} has one size, not {len(cut.ranks)}", where=cut.layer)
    layer = _layer(module, cut.layer)
    made = compact.compact(layer, cut.kind, cut.ranks[0]) if cut.kind in compact.BLOCKS else chain(layer, cut.kind, cut.ranks)
    module.set_submodule(cut.layer, made)
    weights = [name for name, _ in made.named_parameters(prefix=cut.layer) if name.endswith(".weight")]
    last = f"{cut.layer}.{len(made) - 1}.bias"

    def restored(state: State) -> State:
        others = {name: array for name, array in state.items() if not name.startswith(f"{cut.layer}.")}
        bias = {f"{cut.layer}.bias": state[last]} if last in state else {}
        weight = _product(cut, [_held(state, name) for name in weights])
        return others | bias | {f"{cut.layer}.weight": weight}

    return Smaller(module, restored)


def _product(cut: Factored, weights: Sequence[np.ndarray]) -> np.ndarray:
    """The weight that these stand for.

    Raises:
        ModelError: no one weight does what they do.
    """
    if cut.kind not in compact.BLOCKS:
        return product(cut.kind, cut.ranks, weights).astype(weights[0].dtype)
    if not compact.linear(cut.kind):
        found = f"the layer became a block {cut.kind}, and no convolution does what its activations do"
        raise ModelError(found, where=cut.layer, hint="laconic.load runs the file; the class would have to be written with the block")
    return compact.product(cut.kind, cut.ranks[0], *weights).astype(weights[0].dtype)


def _held(state: State, name: str) -> np.ndarray:
    if name not in state:
        raise ModelError(f"{name!r} is in the model only", hint=OTHER_CLASS)
    return state[name]


def _transferred(model: nn.Module, cut: Transferred) -> Smaller:
    module = copy.deepcopy(model)
    made = fresh(_layer(module, cut.layer), cut.kind)
    module.set_submodule(cut.layer, made)

    def restored(state: State) -> State:
        base, order = (_held(state, f"{cut.layer}.{name}") for name in ("weight", "order"))
        if base.shape != made.weight.shape or order.dtype.kind != "i" or not np.array_equal(np.sort(order), np.arange(made.out_channels)):
            raise ModelError(f"the file's base, or its order of the filters, is none of {cut.layer!r}", hint=OTHER_CLASS)
        images = to_numpy(torch.cat(KINDS[cut.kind].images(to_torch(base))))
        return {name: array for name, array in state.items() if name != f"{cut.layer}.order"} | {f"{cut.layer}.weight": images[order]}

    return Smaller(module, restored)


def _widened(state: State, kept: Kept) -> State:
    """Zero where channels are gone."""
    return {name: _spread(array, [kept.get((name, axis)) for axis in range(array.ndim)]) for name, array in state.items()}


def _spread(array: np.ndarray, masks: list[np.ndarray | None]) -> np.ndarray:
    """The array in a larger one of zeros, in the places that the masks let through."""
    sides = [side if mask is None else len(mask) for side, mask in zip(array.shape, masks, strict=True)]
    places = [np.arange(side) if mask is None else np.flatnonzero(mask) for side, mask in zip(array.shape, masks, strict=True)]
    whole = np.zeros(sides, array.dtype)
    whole[np.ix_(*places)] = array
    return whole
