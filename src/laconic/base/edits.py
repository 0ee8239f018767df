"""Structural changes as plain values: a list of Edits can be stored, shown and replayed."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Folded:
    """The batch normalisation `norm` went into the weight and bias of `layer`; an identity stands in its place."""

    layer: str
    norm: str


@dataclass(frozen=True)
class Narrowed:
    """Some channels are gone, everywhere at once; the model is its graph with its own layers from then on.

    Args:
        shape: of the sample that the model was traced with, without the batch.
        dtype: of that sample.
        removed: (group, a number of which bit i is set where channel i went), by the names and numbers of `graph.channels` in the model
            before; in the order of the names.
    """

    shape: tuple[int, ...]
    dtype: str
    removed: tuple[tuple[str, int], ...]

    @classmethod
    def of(cls, shape: tuple[int, ...], dtype: str, removed: Mapping[str, Collection[int]]) -> "Narrowed":
        """From a table of groups."""
        return cls(shape, dtype, tuple((name, sum(1 << channel for channel in removed[name])) for name in sorted(removed) if removed[name]))

    def channels(self) -> dict[str, tuple[int, ...]]:
        """Group → its channels that went, in ascending order.

        >>> Narrowed.of((3,), "float32", {"a": [4, 0]}).channels()
        {'a': (0, 4)}
        """
        return {name: tuple(place for place in range(bits.bit_length()) if bits >> place & 1) for name, bits in self.removed}


@dataclass(frozen=True)
class Shortened:
    """Some branches are gone whose output was added to what goes past them; only the latter is left.

    Args:
        shape: of the sample that the model was traced with, without the batch.
        dtype: of that sample.
        removed: the branches, by the name of their last convolution or linear layer.
    """

    shape: tuple[int, ...]
    dtype: str
    removed: tuple[str, ...]


@dataclass(frozen=True)
class Factored:
    """A layer is several in a row: factors whose product is of low rank, or a compact block.

    Args:
        layer: that was; the layers in its place are called `layer.0`, `layer.1`, …
        kind: of the factorisation, one of those in `nn.factored`, or of the block, one of those in `nn.compact`.
        ranks: of the factorisation, or the one size of the block.
    """

    layer: str
    kind: str
    ranks: tuple[int, ...]


@dataclass(frozen=True)
class Transferred:
    """The filters of a convolution are images of fewer base filters.

    Args:
        layer: that was a convolution; what is in its place has its name, with the base for a weight, and the `order` of its outputs.
        kind: of the images, one of those in `nn.transferred`.
    """

    layer: str
    kind: str


@dataclass(frozen=True)
class Merged:
    """Layers that read the same value are one, whose outputs are shared out; it has the place of the first. Comes after all cuts and folds.

    Args:
        shape: of the sample that the model was traced with, without the batch.
        dtype: of that sample.
        layers: groups of them, by their paths.
    """

    shape: tuple[int, ...]
    dtype: str
    layers: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Rounded:
    """Some values are rounded to 8 bits on their way through the network, so that integers can be multiplied; the model is its graph with
    its own layers from then on. Comes after all cuts and folds.

    Args:
        shape: of the sample that the model was traced with, without the batch.
        dtype: of that sample.
        values: by the names of `graph.rounding`; the model holds `rounded.NAME.scale` and `rounded.NAME.zero_point` for each, at the end.
    """

    shape: tuple[int, ...]
    dtype: str
    values: tuple[str, ...]

    def tensors(self) -> list[str]:
        """Names of what the model holds for it.

        >>> Rounded((3,), "float32", ("x",)).tensors()
        ['rounded.x.scale', 'rounded.x.zero_point']
        """
        return [f"{ROUNDED}.{value}.{part}" for value in self.values for part in ("scale", "zero_point")]


ROUNDED = "rounded"  # the module that holds all of them
Cut = Narrowed | Shortened | Factored | Transferred
Edit = Folded | Cut | Merged | Rounded


def folds_of(edits: tuple[Edit, ...]) -> tuple[Folded, ...]:
    """Those that fold a normalisation."""
    return tuple(edit for edit in edits if isinstance(edit, Folded))


def cuts_of(edits: tuple[Edit, ...]) -> tuple[Cut, ...]:
    """Those that make the model smaller, in order."""
    return tuple(edit for edit in edits if isinstance(edit, Cut))


def merged_of(edits: tuple[Edit, ...]) -> tuple[Merged, ...]:
    """Those that make layers one, in order."""
    return tuple(edit for edit in edits if isinstance(edit, Merged))


def rounded_of(edits: tuple[Edit, ...]) -> Rounded | None:
    """The one that rounds values, if there is one."""
    return next((edit for edit in edits if isinstance(edit, Rounded)), None)
