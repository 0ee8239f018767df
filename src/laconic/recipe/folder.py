"""A run on disk: whatever interrupts it, no more than the work since the last point is lost.

    RUN/journal            one checked line an event: begin, point, stage, end
    RUN/objects/SHA256     networks after each stage and states of training, under their own digests
    RUN/lock               held while a process works here; the kernel releases it, however the process ends
    RUN/report.html, RUN/results.json

The journal is only ever appended to, an object is whole before the journal names it, and a line that is torn does not count:
so the folder is valid at every moment, and a run that goes on gives the same bytes as one that was never interrupted.
"""

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from laconic.base.errors import UsageError
from laconic.base.files import reported, sweep
from laconic.base.journal import Journal
from laconic.base.locks import exclusive
from laconic.base.records import Stage, stage_from
from laconic.base.store import Store
from laconic.train.memory import FORGETFUL, Memory


class RunFolder:
    """The journal and the objects of one run; open it with `open_run`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._journal = Journal(path / "journal")
        self._store = Store(path / "objects")

    def begun(self) -> dict[str, Any] | None:
        """What the run was begun with, or None where none was."""
        return next((e["identity"] for e in self._journal.entries() if e["event"] == "begin"), None)

    def begin(self, identity: Mapping[str, Any]) -> None:
        """Write down what this run is: recipe, model, data."""
        self._journal.append({"event": "begin", "identity": dict(identity)})

    def stages(self) -> list[tuple[bytes, Stage]]:
        """Network (as the bytes of a file) and record of each finished stage; a damaged object ends the list."""
        found: list[tuple[bytes, Stage]] = []
        for entry in self._journal.entries():
            if entry["event"] == "stage":
                content = self._store.get(entry["network"])
                if content is None:
                    break
                found.append((content, stage_from(entry["stage"])))
        return found

    def finish_stage(self, number: int, network: bytes, stage: Stage) -> None:
        """Keep a finished stage; the training states behind it are no longer needed."""
        address = self._store.put(network)
        self._journal.append({"event": "stage", "number": number, "network": address, "stage": asdict(stage)})
        self._forget_points(number)

    def memory(self, number: int) -> Memory:
        """The memory of the training in stage `number`."""
        return StageMemory(self, number)

    def keep_point(self, number: int, state: bytes) -> None:
        """Keep the state of a training in stage `number`, and forget the one before."""
        before = self._points(number)
        address = self._store.put(state)
        self._journal.append({"event": "point", "number": number, "state": address})
        for old in before:
            if old != address:
                self._store.drop(old)

    def point(self, number: int) -> bytes | None:
        """The training state kept last in stage `number`, if it is whole."""
        return next((c for c in map(self._store.get, reversed(self._points(number))) if c is not None), None)

    def end(self, sha256: str) -> None:
        """Note that the run is through."""
        self._journal.append({"event": "end", "sha256": sha256})

    def ended(self) -> bool:
        """Whether the run is through."""
        return any(entry["event"] == "end" for entry in self._journal.entries())

    def clear(self) -> None:
        """Forget the run: first the journal, without which the objects mean nothing."""
        self._journal.path.unlink(missing_ok=True)
        self._store.clear()

    def _points(self, number: int) -> list[str]:
        return [e["state"] for e in self._journal.entries() if e["event"] == "point" and e["number"] == number]

    def _forget_points(self, number: int) -> None:
        for address in self._points(number):
            self._store.drop(address)


class StageMemory:
    """Keeps the training state of one stage in its run's folder (see train/memory.py)."""

    def __init__(self, folder: RunFolder, number: int) -> None:
        self._folder, self._number = folder, number

    def recall(self) -> Mapping[str, Any] | None:
        content = self._folder.point(self._number)
        return None if content is None else torch.load(io.BytesIO(content), weights_only=True)

    def keep(self, state: Callable[[], Mapping[str, Any]]) -> None:
        buffer = io.BytesIO()
        torch.save(state(), buffer)
        self._folder.keep_point(self._number, buffer.getvalue())


class Unkept(RunFolder):
    """A run that nobody keeps: nothing is written, nothing is found."""

    def __init__(self) -> None:
        pass

    def stages(self) -> list[tuple[bytes, Stage]]:
        return []

    def finish_stage(self, number: int, network: bytes, stage: Stage) -> None:
        pass

    def memory(self, number: int) -> Memory:
        return FORGETFUL

    def end(self, sha256: str) -> None:
        pass


@contextmanager
def open_run(path: Path | None, identity: Mapping[str, Any], resume: bool) -> Iterator[RunFolder]:
    """Begin a run in `path`, or go on with the one that was interrupted there. A run that is through makes way for a new one.

    Args:
        path: created where it does not exist; None keeps nothing.
        identity: what makes the run this run; a run only goes on with the same.
        resume: go on with what is there.

    Raises:
        UsageError: the folder holds an interrupted run and `resume` was not said, or it holds another one.
        ResourceError: another process works there, or the disk is full.
    """
    if path is None:
        yield Unkept()
        return
    if path.exists() and not path.is_dir():
        raise UsageError("a file stands where the run's folder should be", where=str(path))
    with reported(path):
        (path / "objects").mkdir(parents=True, exist_ok=True)
    with exclusive(path / "lock", "this run"):
        sweep(path)
        sweep(path / "objects")
        folder = RunFolder(path)
        _start(folder, identity, resume)
        yield folder


def _start(folder: RunFolder, identity: Mapping[str, Any], resume: bool) -> None:
    if not resume and folder.ended():
        folder.clear()
    begun = folder.begun()
    if begun is None:
        folder.begin(identity)
    elif not resume:
        hint = "say --resume to go on with it (resume=True in Python), or remove the folder"
        raise UsageError("the folder holds an interrupted run", where=str(folder.path), hint=hint)
    else:
        _check_same(begun, identity, folder.path)


def _check_same(begun: Mapping[str, Any], identity: Mapping[str, Any], path: Path) -> None:
    different = sorted(name for name in begun.keys() | identity.keys() if begun.get(name) != identity.get(name))
    if different:
        hint = "give the same model, data and recipe again, or remove the folder"
        raise UsageError(f"the folder holds another run: it differs in {', '.join(different)}", where=str(path), hint=hint)
