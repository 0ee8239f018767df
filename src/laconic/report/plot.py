"""Where things stand on a chart: scales, lines at round values, and their figures; across in per cent, down in pixels."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from laconic.report.words import decimal, grouped, plain

HEIGHT, LINE = 280, 16  # pixels: of the plot, of a line of words
WHOLE = HEIGHT + 3 * LINE  # with what is written below
VAST = 1e15  # figures beyond make no sense
_WIDE = 8  # from such a ratio of the largest to the smallest on, a scale across is logarithmic


@dataclass(frozen=True)
class Scale:
    """From values to places: `place(low)` is 0, `place(high)` is 1."""

    low: float
    high: float
    logarithmic: bool = False
    steps: int = 4  # between ticks, about, on a linear scale

    def place(self, value: float) -> float:
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Round values, a few of them, between the ends."""
        if self.logarithmic:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            return [value for ten in decades for value in (10.0**ten, 3 * 10.0**ten) if self.low <= value <= self.high]
        step = _round_step((self.high - self.low) / self.steps)
        first = math.ceil(self.low / step)
        return [step * count for count in range(first, math.floor(self.high / step) + 1)]


def scale(values: Sequence[float], *, logarithmic: bool = False) -> Scale:
    """A scale with some air around the values."""
    low, high = min(values), max(values)
    if logarithmic and low >= 1 and high / low >= _WIDE:
        return Scale(low / (high / low) ** 0.12, high * (high / low) ** 0.12, logarithmic=True)
    air = max(0.12 * (high - low), 0.001 * abs(high), 1e-9)
    return Scale(low - air, high + air)


@dataclass(frozen=True)
class Plot:
    """Both scales, and what is drawn by them."""

    across: Scale
    up: Scale

    def x(self, value: float) -> float:
        """Per cent of the width."""
        return round(100 * self.across.place(value), 2)

    def y(self, value: float) -> float:
        """Pixels from the top."""
        return round(LINE + (HEIGHT - LINE) * (1 - self.up.place(value)), 1)

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
        lines = [level.format(self.y(value), text) for value, text in labelled(levels)]
        lines += [upright.format(self.x(value), LINE, HEIGHT, HEIGHT + LINE, text) for value, text in labelled(steps)]
        return [
            *lines,
            heading.format("-8", 4, "start", plain(up, 80)),
            heading.format("100%", HEIGHT + 2.5 * LINE, "end", plain(across, 80)),
        ]


def labelled(values: Sequence[float]) -> list[tuple[float, str]]:
    """Each value with its figure, of as many decimals as tell them apart.

    >>> labelled([0.5, 1.0])
    [(0.5, '0.5'), (1.0, '1.0')]
    """
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
