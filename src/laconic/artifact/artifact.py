"""What a `.lac` file says, as plain values."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from laconic.base.edits import Cut, Merged, Rounded
from laconic.base.preprocessing import Preprocessing
from laconic.forms import Form


@dataclass(frozen=True)
class Notes:
    """What travels with the weights.

    Args:
        preprocessing: from raw samples to the network's input.
        classes: names of the outputs.
        folds: (layer, normalisation) pairs that were folded, in the order of the network; names as in the original class.
        reason: why there is no graph, where there is none.
        cuts: what made the model smaller, in order; before the folds.
        merged: which layers are one, in order; after the folds.
        rounded: which values are rounded to 8 bits on their way; after all else.
    """

    preprocessing: Preprocessing | None = None
    classes: tuple[str, ...] = ()
    folds: tuple[tuple[str, str], ...] = ()
    reason: str = ""
    cuts: tuple[Cut, ...] = ()
    merged: tuple[Merged, ...] = ()
    rounded: Rounded | None = None

    def structure(self) -> "Notes":
        """What it takes to give the class its shape again: all that a weights-only file notes."""
        return Notes(folds=self.folds, cuts=self.cuts, merged=self.merged, rounded=self.rounded)


@dataclass(frozen=True, eq=False)
class Source:
    """Where a Form comes from when it is needed.

    Args:
        size: how many weights it holds.
        make: makes it, the same each time.
    """

    size: int
    make: Callable[[], Form]


class Lazy(Mapping[str, Form]):
    """Forms that are made when they are asked for, and not kept: of a checkpoint that is larger than the memory, one at a time.

    Args:
        sources: name → where its Form comes from; two names of one Source are tied.
    """

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self.sources = dict(sources)

    def __getitem__(self, name: str) -> Form:
        return self.sources[name].make()

    def __iter__(self) -> Iterator[str]:
        return iter(self.sources)

    def __len__(self) -> int:
        return len(self.sources)


@dataclass(frozen=True, eq=False)
class Artifact:
    """Weights, graph and notes.

    Args:
        tensors: state-dict name → Form, in the state dict's order; two names of one Form object are tied.
        graph: serialised ONNX whose inputs are the sample and the tensors by name; None in a weights-only file.
        notes: what travels with them.
        named: False after reading a weights-only file, whose tensors are then called "0", "1", …
    """

    tensors: Mapping[str, Form]
    graph: bytes | None = None
    notes: Notes = field(default_factory=Notes)
    named: bool = True


def sources(tensors: Mapping[str, Form]) -> dict[str, Source]:
    """Name → where its Form comes from; tied names have one Source."""
    if isinstance(tensors, Lazy):
        return tensors.sources
    own = {id(form): Source(form.size, lambda form=form: form) for form in tensors.values()}  # type: ignore[misc]
    return {name: own[id(form)] for name, form in tensors.items()}
