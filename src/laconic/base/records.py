"""The story of a run as plain values: what the report reads and `results.json` holds."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from laconic.base.errors import DataError
from laconic.base.measures import Measure


@dataclass(frozen=True)
class Figures:
    """A network before or after: what it weighs, scores and costs. `None` where it was not measured.

    `score` is measured on the verdict split, `latency` at batch 1 on one thread.
    """

    size: Measure
    score: Measure | None = None
    latency: Measure | None = None
    params: int = 0
    macs: int = 0


@dataclass(frozen=True)
class Stage:
    """One step of the recipe, as it was carried out.

    Args:
        line: the step as its recipe line, e.g. `prune: {sparsity: 0.9}`.
        plan: what it decided, one row (column → value) per layer.
        seconds: wall clock of the step.
        size: length of the weights-only file after this stage.
        score: the metric on the *validation* split after this stage.
    """

    line: str
    plan: tuple[Mapping[str, Any], ...]
    seconds: float
    size: Measure
    score: Measure | None


@dataclass(frozen=True)
class Layer:
    """One tensor of the finished file.

    Args:
        name: its name in the state dict.
        shape: its shape.
        form: how it is held: dense, masked, grid, codebook.
        nonzero: number of its values that are not zero.
        values: number of different values that it holds.
        dense_bytes: its size as the original stored it.
        bytes: its share of the file's streams; its part of a pool that many small tensors share is estimated.
    """

    name: str
    shape: tuple[int, ...]
    form: str
    nonzero: int
    values: int
    dense_bytes: int
    bytes: int


@dataclass(frozen=True)
class LayerCost:
    """What one layer costs in a forward pass, before and after; zeros where there is no such layer.

    Args:
        name: in the model.
        kind: the name of its class.
        params: its parameters, before and after.
        macs: multiply-adds by its weights, before and after.
        moved: bytes of inputs, outputs and parameters, before and after.
        ms: median latency, before and after; with it what the engine has fused into the layer.
    """

    name: str
    kind: str
    params: tuple[int, int]
    macs: tuple[int, int]
    moved: tuple[int, int]
    ms: tuple[float, float]


@dataclass(frozen=True)
class Verdicts:
    """What was decided about every sample of the test split, in its order; all empty where the task decides nothing.

    Args:
        target: class numbers `(n,)` that are right.
        before: those that the original says.
        after: those that the file says.

    Raises:
        DataError: the three are not of one length.
    """

    target: tuple[int, ...] = ()
    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        lengths = [len(numbers) for numbers in (self.target, self.before, self.after)]
        if len(set(lengths)) > 1:
            raise DataError(
                f"verdicts on {', '.join(map(str, lengths))} samples", hint="target, before and after speak of the same samples"
            )


@dataclass(frozen=True)
class Record:
    """A whole run. Every figure in `before` and `after` was measured on a saved file that was loaded again.

    `classes` are the names of the classes, where they have any; `higher_is_better` is the direction of the metric; `clocked_in` says which
    engine `costs` has its milliseconds from; `energy` and `co2e` are what the process spent that ended the run.
    """

    model: str
    data: str
    metric: str
    recipe: str
    seed: int
    before: Figures
    after: Figures
    stages: tuple[Stage, ...] = ()
    layers: tuple[Layer, ...] = ()
    speed_ratio: Measure | None = None
    speed_line: str = ""
    parts: Mapping[str, int] = field(default_factory=dict)
    sha256: str = ""
    weights_only: Measure | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    higher_is_better: bool = True
    classes: tuple[str, ...] = ()
    verdicts: Verdicts = Verdicts()
    costs: tuple[LayerCost, ...] = ()
    clocked_in: str = "torch"
    energy: Measure | None = None
    co2e: Measure | None = None

    def to_json(self) -> str:
        """The record as indented JSON; `Record.from_json` reads it back equal."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Record":
        """The inverse of `to_json`."""
        fields: dict[str, Any] = json.loads(text)
        for side in ("before", "after"):
            fields[side] = _figures(fields[side])
        fields["stages"] = tuple(stage_from(s) for s in fields["stages"])
        fields["layers"] = tuple(Layer(**{**row, "shape": tuple(row["shape"])}) for row in fields["layers"])
        fields["costs"] = tuple(_layer_cost(row) for row in fields.get("costs", ()))
        for name in ("speed_ratio", "weights_only", "energy", "co2e"):
            fields[name] = _measure(fields.get(name))
        for name in ("warnings", "classes"):
            fields[name] = tuple(map(str, fields.get(name, ())))
        fields["verdicts"] = Verdicts(**{side: tuple(map(int, numbers)) for side, numbers in fields.get("verdicts", {}).items()})
        return cls(**fields)


def _layer_cost(fields: dict[str, Any]) -> LayerCost:
    pairs: dict[str, Any] = {name: tuple(fields[name]) for name in ("params", "macs", "moved", "ms")}
    return LayerCost(fields["name"], fields["kind"], **pairs)


def _measure(fields: dict[str, Any] | None) -> Measure | None:
    return None if fields is None else Measure(**fields)


def _figures(fields: dict[str, Any]) -> Figures:
    return Figures(**{**fields, **{name: _measure(fields[name]) for name in ("size", "score", "latency")}})


def stage_from(fields: Mapping[str, Any]) -> Stage:
    """The stage that `dataclasses.asdict` took apart."""
    return Stage(**{**fields, "plan": tuple(fields["plan"]), "size": Measure(**fields["size"]), "score": _measure(fields["score"])})
