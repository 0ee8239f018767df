"""The shape that a network came to have, from the class that it came from: Edits done again."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from laconic.artifact import Notes
from laconic.base.edits import Cut, Edit, Folded, Shortened, cuts_of, folds_of
from laconic.graph.branches import Branches
from laconic.graph.channels import Kept, narrow
from laconic.graph.fold import fold
from laconic.graph.network import Network


@dataclass(frozen=True)
class Smaller:
    """A model after a cut.

    Args:
        module: its graph with its own layers.
        kept: what stayed of tensors that lost channels.
        gone: tensors that went.
    """

    module: nn.Module
    kept: Kept
    gone: tuple[str, ...] = ()


def recut(model: nn.Module, cut: Cut) -> Smaller:
    """The model after this cut.

    Raises:
        ModelError: it has no such channels or branches. ExportError: it cannot be traced.
    """
    if isinstance(cut, Shortened):
        branches = Branches(model, cut.shape, cut.dtype)
        gone = tuple(name for branch in branches.found if branch.name in cut.removed for name in branch.tensors)
        return Smaller(branches.without(cut.removed), {}, gone)
    found = narrow(model, cut.shape, dict(cut.removed), cut.dtype)
    return Smaller(found.module, found.kept)


def replayed(model: nn.Module, edits: Sequence[Edit]) -> Network:
    """The model after these Edits, cuts first: a fold neither makes channels nor names.

    Raises:
        ModelError: the model has no such layers, channels or branches. ExportError: it cannot be traced.
    """
    module = model
    for cut in cuts_of(tuple(edits)):
        module = recut(module, cut).module
    folded = fold(Network(module), list(folds_of(tuple(edits))))
    return Network(folded.module, folded.forms, tuple(edits))


def shortened(network: Network, cut: Shortened) -> Network:
    """A new network without these branches; without any, the same network. What was folded in them is forgotten with them.

    Raises:
        ModelError: there is no such branch. ExportError: the model cannot be traced.
    """
    if not cut.removed:
        return network
    found = recut(network.module, cut)
    forms = {name: form for name, form in network.forms.items() if name not in found.gone}
    edits = tuple(edit for edit in network.edits if not isinstance(edit, Folded) or f"{edit.layer}.weight" not in found.gone)
    return Network(found.module, forms, (*edits, cut))


def noted(edits: Sequence[Edit]) -> Notes:
    """What the notes of a file say of them."""
    folds = tuple((edit.layer, edit.norm) for edit in folds_of(tuple(edits)))
    return Notes(folds=folds, cuts=cuts_of(tuple(edits)))


def edits_in(notes: Notes) -> tuple[Edit, ...]:
    """The Edits that a file notes."""
    return (*notes.cuts, *(Folded(layer, norm) for layer, norm in notes.folds))
