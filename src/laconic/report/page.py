"""A Record as one HTML page that carries all it needs: no script, no font, no picture, no request."""

from typing import Any

from laconic.base.records import Record
from laconic.report import pictures, views
from laconic.report.changes import changes
from laconic.report.comparison import lines, verdict
from laconic.report.templates import fitted


def render(record: Record) -> str:
    """The record as a page of at most 500 kB; what was not measured it leaves out, what is too long it cuts and says so."""
    return fitted("page.html", lambda rows: _contents(record, rows))


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
        "costs": views.cost_rows(record, rows),
        "orders": list(views.ORDERS),
        "sections": views.section_rows(record),
        "strip": pictures.sections(record, rows),
        "plans": views.plan_tables(record, rows),
        "facts": [*record.environment.items(), *views.spent(record)],
    }
