"""`laconic report`: the story of a finished run, told again."""

from pathlib import Path
from typing import Annotated

import typer

from laconic.cli.options import Json
from laconic.cli.records import read_record
from laconic.cli.terminal import found_in, show, show_json

Run = Annotated[Path, typer.Argument(metavar="RUN", help="A folder with results.json, as compress --run wrote it.", show_default=False)]


def report(run: Run, as_json: Json = False) -> None:
    """Print the table of a run; render its report again."""
    from dataclasses import asdict

    from laconic.base.files import write_atomically
    from laconic.report import render, summary

    record = read_record(run / "results.json")
    page = run / "report.html"
    write_atomically(page, render(record).encode())
    if as_json:
        show_json({"report": str(page), "record": asdict(record)})
    else:
        show(summary(record), "", found_in("The report", page))
