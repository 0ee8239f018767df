"""How far the work is, on stderr: bars for a person; for a log a line when a stage begins, and one now and then while it lasts."""

import contextlib
import sys
import time
from collections.abc import Iterator
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from laconic.base import progress as base
from laconic.cli.terminal import complain, console, printable

EVERY = 30.0  # seconds between the lines of a stage in a log


@contextlib.contextmanager
def at_work() -> Iterator[base.Progress]:
    """Work whose progress is shown; whatever it prints goes to stderr, so that stdout holds results alone."""
    err = console(stderr=True)
    shown = _bars(err) if err.is_terminal else contextlib.nullcontext(_Lines())
    with contextlib.redirect_stdout(sys.stderr), shown as told:
        yield told


@contextlib.contextmanager
def _bars(err: Console) -> Iterator[base.Progress]:
    columns = (
        TextColumn("{task.description:<9}"),
        BarColumn(24),
        TaskProgressColumn(),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        TextColumn("{task.fields[detail]}", markup=False),
    )
    with Progress(*columns, console=err) as progress:
        bars = _Bars(progress)
        yield bars
        bars.finish()


class _Bars:
    """One bar a stage. A stage begins with another word, or where the same word starts over."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None
        self._stage = _Stage()

    def __call__(self, what: str, share: float, detail: str) -> None:
        if self._stage.begins(what, share):
            self.finish()
            self._task = self._progress.add_task(what, total=1.0, detail="")
        if self._task is not None:
            self._progress.update(self._task, completed=share, detail=printable(detail))

    def finish(self) -> None:
        """The stage that runs is done."""
        if self._task is not None:
            self._progress.update(self._task, completed=1.0)


class _Lines:
    """One line a stage, when it begins, and while it lasts how far it is and how long it will take."""

    def __init__(self) -> None:
        self._stage = _Stage()
        self._began, self._from, self._told = 0.0, 0.0, 0.0

    def __call__(self, what: str, share: float, detail: str) -> None:
        now = time.monotonic()
        if self._stage.begins(what, share):
            self._began, self._from, self._told = now, share, now
            complain(detail if detail.startswith(what) else f"{what}: {detail}")
        elif now - self._told >= EVERY and self._from < share < 1:
            self._told = now
            left = (now - self._began) * (1 - share) / (share - self._from)
            complain(f"{what}: {share:.0%}, {timedelta(seconds=round(left))} to go, {detail}")


class _Stage:
    """Knows a new stage when it hears of one."""

    def __init__(self) -> None:
        self._what, self._share = "", 0.0

    def begins(self, what: str, share: float) -> bool:
        new = what != self._what or share < self._share
        self._what, self._share = what, share
        return new
