"""What a `.lac` file says, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

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
    """

    preprocessing: Preprocessing | None = None
    classes: tuple[str, ...] = ()
    folds: tuple[tuple[str, str], ...] = ()
    reason: str = ""


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
