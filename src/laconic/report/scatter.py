"""Two figures of each contender against one another, as inline SVG: across in per cent of the page's width, down in pixels.

Words keep their size whatever the width, as in `charts`; names that would meet are moved apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from laconic.report.plot import LINE, VAST, WHOLE, Plot, scale
from laconic.report.words import plain

_GAP, _NEAR = 11, 34  # pixels: dot to name; per cent: names closer may meet


@dataclass(frozen=True)
class Point:
    """One contender.

    Args:
        name: written beside it.
        across: its place to the right.
        up: its height.
        spread: half its whisker.
        spoken: both figures as text.
        tone: "front", "beaten" or "apart" (not ranked), the look of its dot.
    """

    name: str
    across: float
    up: float
    spread: float
    spoken: str
    tone: str


def scatter(title: str, across: str, up: str, points: Sequence[Point]) -> Markup:
    """The chart, the points of tone "front" joined from left to right; `title` and all figures are its aria-label.

    Args:
        title: what it shows.
        across: name and unit of the axis to the right.
        up: of the axis upwards.
        points: those with figures that are not finite, or beyond all sense, are left out.
    """
    drawn = [point for point in points if all(abs(value) < VAST for value in (point.across, point.up, point.spread))]
    if not drawn:
        return Markup("")
    plot = _Scatter.around(drawn)
    shapes = [*plot.grid(across, up), *plot.line(drawn), *map(plot.dot, drawn), *plot.names(drawn)]
    spoken = plain(f"{title}: " + "; ".join(f"{point.name} {point.spoken}" for point in drawn))
    markup = '<svg class="chart scatter" role="img" aria-label="{}" width="100%" height="{}">{}</svg>'
    return Markup(markup).format(spoken, WHOLE, Markup("").join(shapes))


@dataclass(frozen=True)
class _Scatter(Plot):
    """The plot and what is drawn of its points."""

    @classmethod
    def around(cls, points: Sequence[Point]) -> "_Scatter":
        ends = [point.up + sign * point.spread for point in points for sign in (-1, 1)]
        return cls(scale([point.across for point in points], logarithmic=True), scale(ends))

    def line(self, points: Sequence[Point]) -> list[Markup]:
        """The front, from left to right."""
        front = sorted((point.across, point.up) for point in points if point.tone == "front")
        piece = Markup('<line class="front" x1="{}%" y1="{}" x2="{}%" y2="{}"/>')
        return [piece.format(self.x(a), self.y(b), self.x(c), self.y(d)) for (a, b), (c, d) in pairwise(front)]

    def dot(self, point: Point) -> Markup:
        """A dot with its whisker."""
        x, y = self.x(point.across), self.y(point.up)
        low, high = self.y(point.up - point.spread), self.y(point.up + point.spread)
        whisker = (
            Markup('<g class="whisker"><line x1="{0}%" x2="{0}%" y1="{1}" y2="{2}"/></g>').format(x, low, high) if point.spread else ""
        )
        markup = '<g><title>{}: {}</title>{}<circle class="{}" cx="{}%" cy="{}" r="6"/></g>'
        return Markup(markup).format(plain(point.name, 200), plain(point.spoken, 200), whisker, point.tone, x, y)

    def names(self, points: Sequence[Point]) -> list[Markup]:
        """Each name beside its dot, or as far below as it takes not to meet another."""
        taken: list[tuple[float, float]] = []
        written = []
        for point in sorted(points, key=lambda point: -point.up):
            x, y = self.x(point.across), self.y(point.up)
            while any(abs(x - other_x) < _NEAR and abs(y - other_y) < LINE for other_x, other_y in taken):
                y += LINE / 4
            taken.append((x, y))
            side, anchor = (_GAP, "start") if x <= 60 else (-_GAP, "end")
            markup = '<text x="{}%" dx="{}" y="{}" dy="4" text-anchor="{}">{}</text>'
            written.append(Markup(markup).format(x, side, y, anchor, plain(point.name, 28)))
        return written
