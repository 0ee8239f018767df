"""Every engine, precision and number of threads that this machine has, on one file, in turns: which is fastest, and is it still right?"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from laconic.artifact import read, unpack
from laconic.artifact.files import identity
from laconic.base.errors import GraphError
from laconic.cli.turns import Timed, random_inputs, take_turns
from laconic.runtime.engines import Choice, choices
from laconic.runtime.remembered import remember
from laconic.runtime.session import Session

FAR = 0.02  # of the range of the outputs: what differs by more is another network


@dataclass(frozen=True)
class Entrant:
    """One way to run the file.

    Args:
        choice: engine and precision.
        threads: that a call may use.
        error: the greatest difference from the outputs of ONNX Runtime in fp32, as a share of their range.
        timed: what its calls took.
    """

    choice: Choice
    threads: int
    error: float
    timed: Timed

    @property
    def ms(self) -> float:
        """The median call."""
        return self.timed.measure.value


@dataclass(frozen=True)
class Tournament:
    """What came of it.

    Args:
        entrants: the fastest first.
        out: those that could not run, or whose outputs were others, and why.
        kept: whether the winners are remembered.
    """

    entrants: tuple[Entrant, ...]
    out: tuple[tuple[str, str], ...]
    kept: bool

    @property
    def reference(self) -> Entrant:
        """ONNX Runtime in fp32 on one thread."""
        return next(one for one in self.entrants if one.choice == Choice() and one.threads == 1)


def hold(path: Path, batch: int, repeats: int) -> Tournament:
    """Run the file in every way, and remember the winner for each number of threads.

    Of larger batches none is remembered: `load` cannot tell what will come.

    Raises:
        UsageError: no such file, or one without a graph. ArtifactError: it is damaged.
    """
    content = read(path)
    artifact = unpack(content)
    reference = Session(artifact)
    inputs = random_inputs(reference, batch)
    wanted = reference(inputs)
    ways: list[tuple[Choice, int, float, Session]] = []
    out: list[tuple[str, str]] = []
    for choice in choices():
        for threads in thread_counts():
            try:
                session = Session(artifact, threads, choice=choice)
                error = difference(session(inputs), wanted)
            except GraphError as cause:
                out.append((f"{choice}, {threads} threads", cause.what))
                continue
            if error <= FAR:
                ways.append((choice, threads, error, session))
            else:
                out.append((f"{choice}, {threads} threads", f"outputs differ by {error:.1%} of their range"))
    timed = take_turns([(str(choice), lambda session=session: session(inputs)) for choice, _, _, session in ways], repeats)  # type: ignore[misc]
    entrants = [Entrant(choice, threads, error, time) for (choice, threads, error, _), time in zip(ways, timed, strict=True)]
    ranked = tuple(sorted(entrants, key=lambda one: one.ms))
    return Tournament(ranked, tuple(out), batch == 1 and _keep(identity(content), ranked))


def thread_counts() -> list[int]:
    """One, and as many as this process may use."""
    return sorted({1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1})


def difference(outputs: np.ndarray, wanted: np.ndarray) -> float:
    """The greatest, as a share of what lies between the least and the greatest that is wanted."""
    span = float(np.ptp(wanted)) or float(np.abs(wanted).max()) or 1.0
    return float(np.abs(outputs - wanted).max()) / span


def _keep(sha256: str, ranked: Sequence[Entrant]) -> bool:
    winners = {one.threads: one.choice for one in reversed(ranked)}
    kept = [remember(sha256, threads, choice) for threads, choice in winners.items()]
    return all(kept)
