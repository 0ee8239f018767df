"""What people and machines see: results on stdout; complaints on stderr."""

import io
import json
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

_SPACES = "\u00a0\u202f"  # no-break spaces, which Python does not call printable
_UNBROKEN = 4096  # columns of a pipe, so that no line is broken for a width that nobody looks at


def console(*, stderr: bool = False) -> Console:
    """A console that reads no markup out of names and colours nothing but terminals."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else _UNBROKEN
    return Console(file=stream, highlight=False, markup=False, emoji=False, width=width)


def forgive_narrow_encodings() -> None:
    """Let a sign that a stream cannot encode become a question mark: no result is worth losing for a × or a narrow space."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def show(*parts: RenderableType) -> None:
    """Print results for people on stdout."""
    out = console()
    for part in parts:
        out.print(part, soft_wrap=isinstance(part, Text) and bool(part.no_wrap))


def found_in(what: str, path: Path | str) -> Text:
    """`The report is in PATH.`, on one line however narrow the terminal: a path that is broken into lines cannot be copied."""
    return Text(f"{what} is in {path}.", no_wrap=True, overflow="ignore")


def show_json(value: Any) -> None:
    """Print a result for machines on stdout: standard JSON, in which what is not finite is null."""
    print(json.dumps(_finite(value), indent=1))


def _finite(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: _finite(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_finite(inner) for inner in value]
    return value


def complain(message: str, kind: str = "") -> None:
    """Print a message for people on stderr, after its kind: `error` or `warning`."""
    colour = {"error": "bold red", "warning": "bold yellow"}.get(kind, "")
    head = Text(f"{kind}: " if kind else "", style=colour)
    text = Text("\n".join(map(printable, message.split("\n"))))
    console(stderr=True).print(head + text, soft_wrap=True)  # a path that is broken into lines cannot be copied


def table(first: str, *others: str, rows: Sequence[Sequence[str]], words: int = 0) -> Table:
    """A plain table: words to the left, numbers to the right. Where the terminal is too narrow, words are broken, numbers never.

    Args:
        first: heading of the first column, which holds words.
        others: the other headings.
        rows: one text per column.
        words: how many of the other columns hold words rather than numbers.
    """
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    grid.add_column(first, overflow="fold")
    for number, heading in enumerate(others):
        wordy = number < words
        grid.add_column(heading, justify="left" if wordy else "right", overflow="fold", no_wrap=not wordy)
    for row in rows:
        grid.add_row(*(Text(printable(cell)) for cell in row))
    return grid


def verdict(text: str) -> Text:
    """The sentence that says what a result comes to."""
    return Text(printable(text), style="bold")


def printable(text: str) -> str:
    """Text that can do nothing to a terminal: names in a stranger's file may hold control characters.

    >>> printable("conv\\x1b[31m1")
    'conv�[31m1'
    """
    return "".join(sign if sign.isprintable() or sign in _SPACES else "\ufffd" for sign in text)


def grouped(number: float) -> str:
    """A whole number in groups of three digits, with narrow spaces between them as in the report.

    >>> grouped(1726856).replace("\u202f", " ")
    '1 726 856'
    """
    return f"{number:,.0f}".replace(",", "\u202f")


def size(count: float) -> str:
    """Bytes with their unit."""
    return f"{grouped(count)} bytes"


def sides(shape: Sequence[int | str]) -> str:
    """A shape as people write it.

    >>> sides((3, 32, 32)), sides(())
    ('3×32×32', 'scalar')
    """
    return "×".join(map(str, shape)) or "scalar"


def times(ratio: float) -> str:
    """How many times.

    >>> times(31.18), times(0.968)
    ('31.2 ×', '0.97 ×')
    """
    return f"{ratio:.2f} ×" if ratio < 10 else f"{ratio:.1f} ×"
