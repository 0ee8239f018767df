"""The shape that a network came to have, from the class that it came from: Edits done again."""

from collections.abc import Sequence

from torch import nn

from laconic.artifact import Notes
from laconic.base.edits import Edit, Folded, folds_of, narrowings_of
from laconic.graph.channels import narrowed
from laconic.graph.fold import fold
from laconic.graph.network import Network


def replayed(model: nn.Module, edits: Sequence[Edit]) -> Network:
    """The model after these Edits, those that take channels out first: a fold neither makes channels nor names.

    Raises:
        ModelError: the model has no such layers or groups. ExportError: it cannot be traced.
    """
    module = model
    for edit in narrowings_of(tuple(edits)):
        module = narrowed(module, edit.shape, dict(edit.removed), edit.dtype)
    folded = fold(Network(module), list(folds_of(tuple(edits))))
    return Network(folded.module, folded.forms, tuple(edits))


def noted(edits: Sequence[Edit]) -> Notes:
    """What the notes of a file say of them."""
    folds = tuple((edit.layer, edit.norm) for edit in folds_of(tuple(edits)))
    return Notes(folds=folds, narrowed=narrowings_of(tuple(edits)))


def edits_in(notes: Notes) -> tuple[Edit, ...]:
    """The Edits that a file notes."""
    return (*notes.narrowed, *(Folded(layer, norm) for layer, norm in notes.folds))
