"""Charts as inline SVG: horizontal bars whose lengths are per cent of the page's width, so that their words never shrink.

Every function returns markup in which foreign text is escaped. Colours come from the page's style sheet, by class.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from laconic.report.words import plain

_ROW, _BASELINE, _BAR, _THICK = 42, 13, 20, 12  # pixels: height of a row, where its words stand, where its bar starts, its height


@dataclass(frozen=True)
class Bar:
    """One bar of a chart.

    Args:
        label: what it stands for, at the left above it.
        value: its length, in the chart's unit.
        figure: the value as text, at the right above it.
        ghost: where the bar ended before, drawn faintly behind it; 0 for none.
        spread: half the width of the whisker at its end; 0 for none.
        tone: "before" or "after", the colour.
    """

    label: str
    value: float
    figure: str
    ghost: float = 0.0
    spread: float = 0.0
    tone: str = "after"


def bars(title: str, rows: Sequence[Bar]) -> Markup:
    """A chart of bars one below the other on one linear scale from zero; `title` and all its figures are its aria-label."""
    longest = max((reach for row in rows for reach in (row.value + row.spread, row.ghost) if math.isfinite(reach)), default=0.0)
    spoken = plain(f"{title}: " + "; ".join(f"{row.label} {row.figure}" for row in rows))
    drawn = Markup("").join(_bar(row, position * _ROW, longest) for position, row in enumerate(rows))
    return Markup('<svg class="chart" role="img" aria-label="{}" width="100%" height="{}">{}</svg>').format(spoken, len(rows) * _ROW, drawn)


def strip(title: str, parts: Sequence[tuple[str, int]]) -> Markup:
    """One line as long as the whole, cut into its parts, the first the darkest."""
    whole = sum(size for _, size in parts)
    spoken = plain(f"{title}: " + "; ".join(f"{name} {percent(size, whole)} %" for name, size in parts))
    pieces, start = [], 0
    for rank, (name, size) in enumerate(parts):
        pieces.append(_piece(f"{name}: {percent(size, whole)} %", percent(start, whole), percent(size, whole), tint(rank)))
        start += size
    drawn = Markup("").join(pieces)
    return Markup('<svg class="chart" role="img" aria-label="{}" width="100%" height="28">{}</svg>').format(spoken, drawn)


def cell(value: float, longest: float) -> Markup:
    """A small bar for a table's row; the figure stands beside it, so that screen readers skip the bar."""
    markup = '<svg class="cell" aria-hidden="true" width="100%" height="10"><rect class="after" width="{}%" height="10" rx="1.5"/></svg>'
    return Markup(markup).format(percent(value, longest))


def swatch(rank: int) -> Markup:
    """The tint of one part of a strip, for the table that names it."""
    square = '<rect class="after" width="12" height="12" rx="2" opacity="{}"/>'
    return Markup(f'<svg class="swatch" aria-hidden="true" width="12" height="12">{square}</svg>').format(tint(rank))


def tint(rank: int) -> float:
    """Opacity of the part of this rank: from full down to a fifth.

    >>> tint(0), tint(1) < tint(0), tint(99)
    (1.0, True, 0.2)
    """
    return round(max(0.2, 0.72**rank), 3)


def percent(part: float, whole: float) -> float:
    """`part` of `whole` in per cent, within 0 and 100; 0 where there is nothing to compare.

    >>> percent(1, 4), percent(float("nan"), 1), percent(1, 0)
    (25.0, 0.0, 0.0)
    """
    if not (math.isfinite(part) and math.isfinite(whole) and whole > 0):
        return 0.0
    return round(min(100.0, max(0.0, 100 * part / whole)), 2)


def _bar(row: Bar, top: int, longest: float) -> Markup:
    end, ghost = percent(row.value, longest), percent(row.ghost, longest)
    shapes = [_rect("ghost", top, ghost)] if ghost > end else []
    shapes += [_rect("before" if row.tone == "before" else "after", top, max(end, 0.2))]
    if row.spread:
        shapes += [_whisker(top, percent(row.value - row.spread, longest), percent(row.value + row.spread, longest))]
    label, figure = plain(row.label, 200), plain(row.figure, 60)
    markup = '<g><title>{}: {}</title>{}<text x="0" y="{}">{}</text><text class="figure" x="100%" y="{}" text-anchor="end">{}</text></g>'
    baseline = top + _BASELINE
    return Markup(markup).format(label, figure, Markup("").join(shapes), baseline, plain(row.label, 28), baseline, figure)


def _rect(tone: str, top: int, width: float) -> Markup:
    return Markup('<rect class="{}" y="{}" width="{}%" height="{}" rx="2"/>').format(tone, top + _BAR, width, _THICK)


def _whisker(top: int, low: float, high: float) -> Markup:
    middle, first, last = top + _BAR + _THICK // 2, top + _BAR - 2, top + _BAR + _THICK + 2
    markup = (
        '<g class="whisker"><line x1="{low}%" x2="{high}%" y1="{middle}" y2="{middle}"/>'
        '<line x1="{low}%" x2="{low}%" y1="{first}" y2="{last}"/><line x1="{high}%" x2="{high}%" y1="{first}" y2="{last}"/></g>'
    )
    return Markup(markup).format(low=low, high=high, middle=middle, first=first, last=last)


def _piece(title: str, start: float, width: float, opacity: float) -> Markup:
    markup = '<rect class="after piece" x="{}%" width="{}%" height="28" opacity="{}"><title>{}</title></rect>'
    return Markup(markup).format(start, width, opacity, plain(title, 200))
