"""Structural changes as plain values: a list of Edits can be stored, shown and replayed."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Folded:
    """The batch normalisation `norm` went into the weight and bias of `layer`; an identity stands in its place."""

    layer: str
    norm: str


Edit = Folded
