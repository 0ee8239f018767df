"""A Record as one HTML page that carries all it needs: no script, no font, no picture, no request."""

from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from laconic.base.records import Record
from laconic.report import pictures, views
from laconic.report.changes import changes
from laconic.report.comparison import lines, verdict
from laconic.report.words import MISSING, factor, grouped, note, plain, spread

LARGEST = 500_000  # bytes of a page
_ROWS = (400, 100, 25, 5)  # rows of each table to try, until the page is no larger


def render(record: Record) -> str:
    """The record as a page of at most 500 kB; what was not measured it leaves out, what is too long it cuts and says so."""
    page = ""
    for rows in _ROWS:
        page = _template().render(_contents(record, rows))
        if len(page.encode()) <= LARGEST:
            break
    return page


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_shown)
    environment.filters.update(factor=factor, grouped=grouped, note=note, plain=plain, spread=spread)
    return environment.from_string(_text("page.html"), globals={"style": Markup(_text("page.css"))})


def _text(name: str) -> str:
    return files("laconic.report").joinpath(name).read_text(encoding="utf-8")


def _shown(value: object) -> object:
    """Every value on its way into the page: markup of our own passes as it is, all else is cleaned here and then escaped."""
    if value is None:
        return MISSING
    return value if isinstance(value, Markup) else plain(value)


def _contents(record: Record, rows: int) -> dict[str, Any]:
    return {
        "record": record,
        "rows": rows,
        "verdict": verdict(record),
        "tiles": views.tiles(record),
        "lines": lines(record),
        "stages": views.stage_rows(record),
        "waterfall": pictures.waterfall(record, rows),
        "latencies": pictures.latencies(record),
        "changes": changes(record.verdicts, record.classes, rows),
        "layers": views.layer_rows(record, rows),
        "sections": views.section_rows(record),
        "strip": pictures.sections(record, rows),
        "plans": views.plan_tables(record, rows),
        "facts": list(record.environment.items()),
    }
