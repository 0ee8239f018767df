"""`laconic report`: the story of a finished run, told again."""

from pathlib import Path
from typing import Annotated

import typer

from laconic.base.errors import DataError, UsageError
from laconic.base.records import Record
from laconic.cli.options import Json
from laconic.cli.terminal import show, show_json

Run = Annotated[Path, typer.Argument(metavar="RUN", help="A folder with results.json, as compress --report wrote it.", show_default=False)]


def report(run: Run, as_json: Json = False) -> None:
    """Print the table of a run; render its report again."""
    from dataclasses import asdict

    from laconic.base.files import write_atomically
    from laconic.report import render, summary

    record = _read(run / "results.json")
    page = run / "report.html"
    write_atomically(page, render(record).encode())
    if as_json:
        show_json({"report": str(page), "record": asdict(record)})
    else:
        show(summary(record), "", f"The report is in {page}.")


def _read(path: Path) -> Record:
    if not path.is_file():
        raise UsageError("there is no results.json in this folder", where=str(path.parent), hint="compress --report DIR makes one")
    try:
        return Record.from_json(path.read_text(encoding="utf-8"))
    except (ValueError, TypeError, KeyError, AttributeError) as cause:
        raise DataError(
            f"this is no record of a run: {type(cause).__name__}", where=str(path), hint="run compress --report again"
        ) from cause
