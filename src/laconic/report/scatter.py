"""Two figures of each contender against one another, as inline SVG: across in per cent of the page's width, down in pixels.

Words keep their size whatever the width, as in `charts`; names that would meet are moved apart.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from laconic.report.words import decimal, grouped, plain

_HEIGHT, _LINE, _GAP, _NEAR = 280, 16, 11, 34  # pixels: of the plot, of a line of words, dot to name; per cent: names closer may meet
_VAST = 1e15
_WIDE = 8  # from such a ratio of the largest to the smallest on, a scale across is logarithmic


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


@dataclass(frozen=True)
class Scale:
    """From values to places: `place(low)` is 0, `place(high)` is 1."""

    low: float
    high: float
    logarithmic: bool = False

    def place(self, value: float) -> float:
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Round values, a few of them, between the ends."""
        if self.logarithmic:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            return [value for ten in decades for value in (10.0**ten, 3 * 10.0**ten) if self.low <= value <= self.high]
        step = _round_step((self.high - self.low) / 4)
        first = math.ceil(self.low / step)
        return [step * count for count in range(first, math.floor(self.high / step) + 1)]


def scale(values: Sequence[float], *, logarithmic: bool = False) -> Scale:
    """A scale with some air around the values."""
    low, high = min(values), max(values)
    if logarithmic and low >= 1 and high / low >= _WIDE:
        return Scale(low / (high / low) ** 0.12, high * (high / low) ** 0.12, logarithmic=True)
    air = max(0.12 * (high - low), 0.001 * abs(high), 1e-9)
    return Scale(low - air, high + air)


def scatter(title: str, across: str, up: str, points: Sequence[Point]) -> Markup:
    """The chart, the points of tone "front" joined from left to right; `title` and all figures are its aria-label.

    Args:
        title: what it shows.
        across: name and unit of the axis to the right.
        up: of the axis upwards.
        points: those with figures that are not finite, or beyond all sense, are left out.
    """
    drawn = [point for point in points if all(abs(value) < _VAST for value in (point.across, point.up, point.spread))]
    if not drawn:
        return Markup("")
    plot = _Plot.around(drawn)
    shapes = [*plot.grid(across, up), *plot.line(drawn), *map(plot.dot, drawn), *plot.names(drawn)]
    spoken = plain(f"{title}: " + "; ".join(f"{point.name} {point.spoken}" for point in drawn))
    markup = '<svg class="chart scatter" role="img" aria-label="{}" width="100%" height="{}">{}</svg>'
    return Markup(markup).format(spoken, _HEIGHT + 3 * _LINE, Markup("").join(shapes))


@dataclass(frozen=True)
class _Plot:
    """Both scales, and what is drawn by them."""

    across: Scale
    up: Scale

    @classmethod
    def around(cls, points: Sequence[Point]) -> "_Plot":
        ends = [point.up + sign * point.spread for point in points for sign in (-1, 1)]
        return cls(scale([point.across for point in points], logarithmic=True), scale(ends))

    def x(self, value: float) -> float:
        """Per cent of the width."""
        return round(100 * self.across.place(value), 2)

    def y(self, value: float) -> float:
        """Pixels from the top."""
        return round(_LINE + (_HEIGHT - _LINE) * (1 - self.up.place(value)), 1)

    def grid(self, across: str, up: str) -> list[Markup]:
        """Lines at round values, their figures, and what the axes are."""
        level = Markup(
            '<line class="grid" x1="0%" x2="100%" y1="{0}" y2="{0}"/>'
            '<text class="figure" x="-8" y="{0}" dy="4" text-anchor="end">{1}</text>'
        )
        upright = Markup(
            '<line class="grid" x1="{0}%" x2="{0}%" y1="{1}" y2="{2}"/>'
            '<text class="figure" x="{0}%" y="{3}" text-anchor="middle">{4}</text>'
        )
        heading = Markup('<text class="figure" x="{}" y="{}" text-anchor="{}">{}</text>')
        levels, steps = self.up.ticks(), self.across.ticks()
        lines = [level.format(self.y(value), text) for value, text in _labelled(levels)]
        lines += [upright.format(self.x(value), _LINE, _HEIGHT, _HEIGHT + _LINE, text) for value, text in _labelled(steps)]
        return [
            *lines,
            heading.format("-8", 4, "start", plain(up, 80)),
            heading.format("100%", _HEIGHT + 2.5 * _LINE, "end", plain(across, 80)),
        ]

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
            while any(abs(x - other_x) < _NEAR and abs(y - other_y) < _LINE for other_x, other_y in taken):
                y += _LINE / 4
            taken.append((x, y))
            side, anchor = (_GAP, "start") if x <= 60 else (-_GAP, "end")
            markup = '<text x="{}%" dx="{}" y="{}" dy="4" text-anchor="{}">{}</text>'
            written.append(Markup(markup).format(x, side, y, anchor, plain(point.name, 28)))
        return written


def _labelled(values: Sequence[float]) -> list[tuple[float, str]]:
    steps = [second - first for first, second in pairwise(values)]
    smallest = min(steps, default=abs(values[0]) if values else 1.0) or 1.0
    digits = max(0, -math.floor(math.log10(smallest) + 1e-9))
    write: Callable[[float], str] = grouped if digits == 0 else lambda value: decimal(value, digits)
    return [(value, write(value)) for value in values]


def _round_step(wanted: float) -> float:
    """The smallest of 1, 2, 5, 10, … × a power of ten that is no smaller.

    >>> [_round_step(step) for step in (0.3, 1.0, 23)]
    [0.5, 1.0, 50.0]
    """
    ten = 10.0 ** math.floor(math.log10(wanted) + 1e-9)
    return next(factor * ten for factor in (1, 2, 5, 10) if factor * ten >= wanted * (1 - 1e-9))
