"""`laconic compare`: runs and files side by side."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from laconic.base.errors import UsageError
from laconic.base.files import write_atomically
from laconic.cli.options import Json
from laconic.cli.targets import check_file
from laconic.cli.terminal import found_in, show, show_json

if TYPE_CHECKING:
    from laconic.report.contenders import Contender

Given = Annotated[
    list[Path], typer.Argument(metavar="A B [C …]", help="Each a .lac file, a run's folder or its results.json.", show_default=False)
]
DataWord = Annotated[str | None, typer.Option("--data", metavar="DATA", help="Score the files too, on the test split of these data.")]
Page = Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The page to write.")]
Repeats = Annotated[int, typer.Option(min=2, help="Timed rounds; in each, every file runs once.")]


def compare(given: Given, data: DataWord = None, output: Page = Path("compare.html"), repeats: Repeats = 50, as_json: Json = False) -> None:
    """Put runs and files side by side, on one page.

    Who is on the Pareto front of size, latency and score, what differs layer by layer, and which predictions changed. The first
    is what the others are held against. Files are clocked now, taking turns; runs keep the figures of their records, whose
    latencies were clocked elsewhere and are not ranked.
    """
    from laconic.cli.contenders import gather
    from laconic.report.compare import comparison_table, render_comparison

    if len(given) < 2:
        raise UsageError("one alone cannot be compared", where=str(given[0]), hint="name two or more; laconic inspect shows one file")
    check_file(output)
    contenders = gather(given, data, repeats)
    write_atomically(output, render_comparison(contenders).encode())
    if as_json:
        show_json({"page": str(output), **_for_machines(contenders)})
    else:
        show(comparison_table(contenders), "", found_in("The page", output))


def _for_machines(contenders: Sequence["Contender"]) -> dict[str, Any]:
    from laconic.report.compare import changed
    from laconic.report.ranking import LATENCY, SCORE, dominators, on_front, verdict

    every = max(len(one.target) for one in contenders)
    return {
        "verdict": verdict(contenders),
        "fronts": {quantity: on_front(contenders, quantity) for quantity in (SCORE, LATENCY)},
        "contenders": [asdict(one) | {"dominated_by": dominators(one, contenders)} for one in contenders],
        "changes": [{"first": first, "other": other, **asdict(found)} for first, other, found in changed(contenders, every)],
    }
