"""Runs and files side by side: one page, and tables for the terminal."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from rich.console import Group
from rich.table import Table
from rich.text import Text

from laconic.base.measures import Measure
from laconic.base.records import Verdicts
from laconic.report.changes import Changes, changes
from laconic.report.comparison import Cell, smaller
from laconic.report.contenders import Contender, Part
from laconic.report.ranking import LATENCY, SCORE, dominators, on_front, ranked, verdict
from laconic.report.scatter import Point, scatter
from laconic.report.templates import fitted
from laconic.report.words import MISSING, factor, figure, grouped, note, plain, spread

_HEADING = 40  # characters of a name in the heading of a column


@dataclass(frozen=True)
class FigureRow:
    """One contender's figures; `standing` says who dominates it."""

    name: str
    size: Cell
    change: str
    score: Cell
    latency: Cell
    speed: Cell
    standing: str
    remark: str


@dataclass(frozen=True)
class PartRow:
    """One tensor in every contender: form, bytes, and whether they differ from the first one's."""

    name: str
    cells: list[tuple[str, str, bool]]


def render_comparison(contenders: Sequence[Contender]) -> str:
    """The page, at most 500 kB; names are escaped, and what is too long is cut and said to be.

    Args:
        contenders: at least one, their names all different; the first is what the others are held against.
    """
    return fitted("compare.html", lambda rows: _contents(contenders, rows))


def comparison_table(contenders: Sequence[Contender]) -> Group:
    """The figures and the verdict as something rich can print; no word is read as markup."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("", overflow="fold")
    for heading in ("size", "against first", "score", "latency", "speed"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for row in figure_rows(contenders):
        cells = (row.size, Cell(row.change), row.score, row.latency, row.speed)
        table.add_row(Text(row.name), *(_text(cell) for cell in cells), Text(row.standing, style="dim"))
    return Group(table, Text(""), Text(verdict(contenders), style="bold"))


def figure_rows(contenders: Sequence[Contender]) -> list[FigureRow]:
    """One row a contender, in the order in which they were given."""
    return [_figure_row(one, contenders) for one in contenders]


def part_rows(contenders: Sequence[Contender], most: int) -> list[PartRow]:
    """One row a tensor: the `most` that are largest anywhere, in the order in which they first appear."""
    names = list(tensor_names(contenders))
    kept = sorted(
        range(len(names)), key=lambda place: -max(one.parts[names[place]].bytes for one in contenders if names[place] in one.parts)
    )
    return [
        PartRow(plain(names[place], 120), _part_cells([one.parts.get(names[place]) for one in contenders])) for place in sorted(kept[:most])
    ]


def tensor_names(contenders: Sequence[Contender]) -> dict[str, None]:
    """The tensors of all contenders, each once."""
    return dict.fromkeys(name for one in contenders for name in one.parts)


def changed(contenders: Sequence[Contender], most: int) -> list[tuple[str, str, Changes]]:
    """(first, other, what changed between them) for all that judged the same samples as the first that judged any."""
    deciding = [one for one in contenders if one.decided]
    same = [one for one in deciding[1:] if (one.judged_on, one.target) == (deciding[0].judged_on, deciding[0].target)]
    return [
        (
            plain(deciding[0].name, 80),
            plain(one.name, 80),
            changes(Verdicts(one.target, deciding[0].decided, one.decided), one.classes, most),
        )
        for one in same
    ]


def _contents(contenders: Sequence[Contender], rows: int) -> dict[str, Any]:
    shown = contenders[:rows]
    return {
        "rows": rows,
        "names": [plain(one.name, _HEADING) for one in shown],
        "verdict": verdict(contenders),
        "figures": figure_rows(contenders)[:rows],
        "contenders": len(contenders),
        "scores": _chart("Size against score", shown, SCORE),
        "latencies": _chart("Size against latency", shown, LATENCY),
        "parts": part_rows(shown, rows),
        "tensors": len(tensor_names(shown)),
        "changed": changed(shown, rows),
        "judged": [plain(one.judged_on, 200) for one in contenders if one.decided][:1],
    }


def _figure_row(one: Contender, contenders: Sequence[Contender]) -> FigureRow:
    first = contenders[0]
    return FigureRow(
        name=plain(one.name, 120),
        size=Cell(figure(one.size)),
        change="" if one is first else smaller(first.size.value, one.size.value),
        score=_cell(one.score, plain(one.judged_on, 120)),
        latency=_cell(one.latency, f"n = {grouped(one.latency.n)}, {plain(one.clocked_in, 120)}" if one.latency else ""),
        speed=Cell(f"{factor(one.speed.value)} as fast", spread(one.speed), note(one.speed)) if one.speed else Cell(),
        standing=_standing(dominators(one, contenders)),
        remark=plain(one.remark, 200),
    )


def _standing(by: list[str]) -> str:
    if not by:
        return ""
    return f"dominated by {plain(by[0], 80)}" + (f" and {len(by) - 1} more" if len(by) > 1 else "")


def _cell(measure: Measure | None, basis: str) -> Cell:
    return Cell(figure(measure), spread(measure), basis) if measure else Cell()


def _part_cells(parts: Sequence[Part | None]) -> list[tuple[str, str, bool]]:
    return [
        (plain(part.form, 40), grouped(part.bytes), part != parts[0]) if part else ("", MISSING, parts[0] is not None) for part in parts
    ]


def _chart(title: str, contenders: Sequence[Contender], quantity: str) -> Markup:
    group, front = ranked(contenders, quantity), on_front(contenders, quantity)
    measured = [(one, measure) for one in contenders if (measure := one.score if quantity == SCORE else one.latency)]
    points = []
    for one, measure in measured:
        tone = "front" if one.name in front else "beaten" if one.name in group else "apart"
        spoken = f"{figure(one.size)}, {figure(measure)} {spread(measure)}"
        points.append(Point(one.name, one.size.value, measure.value, measure.spread, spoken, tone))
    unit = measured[0][1].unit if measured else ""
    return scatter(title, "size (bytes)", f"{quantity} ({unit})", points)


def _text(cell: Cell) -> Text:
    return Text.assemble(cell.figure, (f" {cell.spread}" if cell.spread else "", "dim"))
