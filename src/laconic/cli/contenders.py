"""Runs and files as they are typed, brought to what can be compared. Imports torch only where data are given."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from laconic.artifact import read, unpack, unpack_each
from laconic.base.latency import clock, ratio
from laconic.base.measures import Measure, timing
from laconic.cli.records import read_record
from laconic.report.contenders import Contender, Part, from_record, judged_on
from laconic.runtime import Session

if TYPE_CHECKING:
    from laconic.datasets.data import Data

RESULTS = "results.json"
NOW = "clocked now, taking turns"
BROUGHT_TO_SIZE = ("digits", "folder")  # data that take a network's input size; all others have their own


@dataclass(frozen=True, eq=False)
class Opened:
    """A contender, and the session of its file where it is a file with a graph."""

    contender: Contender
    session: Session | None


def gather(paths: Sequence[Path], data: str | None, repeats: int) -> list[Contender]:
    """All that is known of these runs and files; files are clocked together now, and scored where `data` are given.

    Raises:
        UsageError: a path that is neither. ArtifactError, DataError: one that cannot be read, or data that do not fit.
    """
    opened = [_open(path, name) for path, name in zip(paths, names_of(paths), strict=True)]
    scored = opened if data is None else [_scored(one, data) for one in opened]
    return _clocked(scored, repeats)


def names_of(paths: Sequence[Path]) -> list[str]:
    """The shortest ends of the paths that tell them apart; one that is given twice gets a number.

    >>> names_of([Path("a/net.lac"), Path("b/net.lac"), Path("b/small.lac"), Path("run/results.json"), Path("run")])
    ['a/net.lac', 'b/net.lac', 'small.lac', 'run', 'run (2)']
    """
    parts = [(path.parent if path.name == RESULTS else path).absolute().parts for path in paths]
    shortest = [_shortest_end(own, [other for other in parts if other != own]) for own in parts]
    counts = [shortest[:place].count(name) for place, name in enumerate(shortest)]
    return [f"{name} ({count + 1})" if count else name for name, count in zip(shortest, counts, strict=True)]


def _shortest_end(own: tuple[str, ...], others: Sequence[tuple[str, ...]]) -> str:
    ends = (own[-length:] for length in range(1, len(own)))
    return "/".join(next((end for end in ends if not any(other[-len(end) :] == end for other in others)), own))


def _open(path: Path, name: str) -> Opened:
    if path.is_dir() or path.name.endswith(".json"):
        return Opened(from_record(name, read_record(path / RESULTS if path.is_dir() else path)), None)
    content = read(path)
    artifact = unpack(content)
    contender = Contender(
        name=name,
        size=Measure(len(content), "bytes", "length of the file"),
        parts={f"{'' if artifact.named else '#'}{one.entry.name}": Part(one.entry.form, one.bytes) for one in unpack_each(content)},
        remark="" if artifact.graph else f"no graph to run: {artifact.notes.reason or 'weights only'}",
    )
    return Opened(contender, Session(artifact) if artifact.graph else None)


def _scored(one: Opened, reference: str) -> Opened:
    """With the score and the decisions of a file on the test split; runs keep their own."""
    if one.session is None:
        return one
    from laconic.train import classification, judge

    data = _load(reference, one.session.sample_shape if reference.partition(":")[0] in BROUGHT_TO_SIZE else None)
    judged = judge(one.session, data.test, one.session.notes.preprocessing or data.preprocessing, classification, "test split")
    known = replace(
        one.contender,
        score=judged.score,
        judged_on=judged_on(classification.metric, data.name, judged.score.n),
        classes=data.classes,
        target=tuple(map(int, data.test.targets)),
        decided=judged.decided,
    )
    return replace(one, contender=known)


@lru_cache(maxsize=1)
def _load(reference: str, shape: tuple[int, ...] | None) -> "Data":
    from laconic.datasets.reference import load_data

    return load_data(reference, sample_shape=shape)


def _clocked(opened: Sequence[Opened], repeats: int) -> list[Contender]:
    """All, with the latencies of those that run, which took turns."""
    runs = {one.contender.name: _one_call(one.session) for one in opened if one.session}
    times = clock(runs, repeats)
    first = next(iter(times.values()), [])
    return [_with_times(one.contender, times.get(one.contender.name, []), first) for one in opened]


def _one_call(session: Session) -> Callable[[], np.ndarray]:
    shape = (1, *(max(side, 1) for side in session.sample_shape))
    sample = np.random.Generator(np.random.PCG64(0)).standard_normal(shape, np.float32)
    return lambda: session(sample)


def _with_times(one: Contender, own: list[float], first: list[float]) -> Contender:
    """With its latency and how many times as fast as the first it is."""
    if not own:
        return one
    latency = timing(own, "ms", "batch 1, one thread, interleaved")
    speed = None if own is first else ratio(first, own, "pairs that took turns")
    return replace(one, latency=latency, speed=speed, clocked_in=NOW)
