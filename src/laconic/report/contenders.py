"""What is compared: runs and files as one kind of value."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from laconic.base.measures import Measure
from laconic.base.records import Record


@dataclass(frozen=True)
class Part:
    """How one tensor is held, and in how many bytes of the file."""

    form: str
    bytes: int


@dataclass(frozen=True)
class Contender:
    """One run or file.

    Args:
        name: by which it is called; no other contender has the same.
        size: length of its file.
        score: on a test split, where one is known.
        latency: of one sample, where it was clocked.
        speed: how many times as fast as the first one that was clocked with it.
        judged_on: metric and samples of the score; only scores on the same are ranked.
        clocked_in: where and when the latency was clocked; only those of the same occasion are ranked.
        higher_is_better: direction of the score.
        parts: tensor → how it is held.
        classes: names of the classes.
        target: right class of each sample `(n,)`; empty where nothing was decided.
        decided: class that it gives to each sample `(n,)`.
        remark: what else there is to know, such as why something was not measured.
    """

    name: str
    size: Measure
    score: Measure | None = None
    latency: Measure | None = None
    speed: Measure | None = None
    judged_on: str = ""
    clocked_in: str = ""
    higher_is_better: bool = True
    parts: Mapping[str, Part] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    target: tuple[int, ...] = ()
    decided: tuple[int, ...] = ()
    remark: str = ""


def from_record(name: str, record: Record) -> Contender:
    """The finished file of a run, as its record tells of it."""
    after = record.after
    return Contender(
        name=name,
        size=after.size,
        score=after.score,
        latency=after.latency,
        judged_on=judged_on(record.metric, record.data, after.score.n) if after.score else "",
        clocked_in=f"the run {name}",
        higher_is_better=record.higher_is_better,
        parts={layer.name: Part(layer.form, layer.bytes) for layer in record.layers},
        classes=record.classes,
        target=record.verdicts.target,
        decided=record.verdicts.after,
        remark="figures of its own run",
    )


def judged_on(metric: str, data: str, samples: int) -> str:
    """What a score was measured on.

    >>> judged_on("top-1 accuracy", "digits", 360)
    'top-1 accuracy on digits, 360 samples'
    """
    return f"{metric} on {data}, {samples} samples"
