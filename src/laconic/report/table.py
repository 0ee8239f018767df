"""A Record as tables for the terminal."""

from rich.console import Group
from rich.table import Table
from rich.text import Text

from laconic.base.records import Record
from laconic.report.comparison import Cell, lines, verdict
from laconic.report.views import stage_rows
from laconic.report.words import plain


def summary(record: Record) -> Group:
    """The verdict, before against after, the stages and the warnings, as something rich can print; no word is read as markup."""
    tables = [_comparison(record)] + ([_stages(record)] if record.stages else [])
    words = [Text(plain(line), style="italic") for line in (record.speed_line,) if line]
    warnings = [Text(f"! {plain(warning)}", style="yellow") for warning in record.warnings]
    return Group(Text(verdict(record), style="bold"), *tables, *words, *warnings)


def _comparison(record: Record) -> Table:
    table = _table("", "before", "after", "change")
    for line in lines(record):
        table.add_row(Text(line.quantity), *(_text(cell) for cell in (line.before, line.after, line.change)))
    return table


def _stages(record: Record) -> Table:
    table = _table("stage", "size", "against before", "validation", "seconds")
    for row in stage_rows(record):
        table.add_row(*map(Text, (row.line, row.size, row.change, row.score, row.seconds)))
    return table


def _table(first: str, *numbers: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(first, overflow="fold")
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _text(cell: Cell) -> Text:
    return Text.assemble(cell.figure, (f" {cell.spread}" if cell.spread else "", "dim"))
