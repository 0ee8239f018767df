"""Lines over one scale, as inline SVG: across in per cent of the page's width, down in pixels.

A few lines have a colour and their name at the right end; the others are grey and stand for the rest. Where the page is too narrow for
names, the style sheet hides them, and the samples of `sample` in the table that lists the lines say which is which.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from laconic.report.plot import HEIGHT, LINE, VAST, WHOLE, Plot, Scale, scale
from laconic.report.words import plain

TONES = 6  # colours that can be told apart
_GAP, _NAME = 10, 24  # pixels: line to name; characters of a name


@dataclass(frozen=True)
class Curve:
    """One line.

    Args:
        name: written at its right end, where it has a tone.
        points: places across, ascending, and heights; those that are not finite, or beyond all sense, are left out.
        spoken: its figures as text.
        tone: number of its colour, below `TONES`; None for one of the rest.
    """

    name: str
    points: Sequence[tuple[float, float]]
    spoken: str
    tone: int | None = None

    @property
    def drawn(self) -> list[tuple[float, float]]:
        """The points that have a place."""
        return [(x, y) for x, y in self.points if abs(x) < VAST and abs(y) < VAST]

    @property
    def look(self) -> str:
        """Its class in the style sheet."""
        return "rest" if self.tone is None else f"tone-{self.tone}"


def curves(title: str, across: str, up: str, lines: Sequence[Curve], level: float) -> Markup:
    """The chart; `title` and the figures of all lines are its aria-label.

    Args:
        title: what it shows.
        across: name and unit of the axis to the right.
        up: of the axis upwards.
        lines: what is drawn, the grey ones below the others.
        level: a height that all are held against: a dashed line across.
    """
    shown = sorted((line for line in lines if line.drawn), key=lambda line: line.tone is not None)
    if not shown:
        return Markup("")
    plot = _Curves.around(shown, level)
    shapes = [*plot.grid(across, up), *plot.level(level), *map(plot.curve, shown), *plot.names(shown)]
    spoken = plain(f"{title}: " + "; ".join(f"{plain(line.name, 80)} {line.spoken}" for line in lines))
    markup = '<svg class="chart curves" role="img" aria-label="{}" width="100%" height="{}">{}</svg>'
    return Markup(markup).format(spoken, WHOLE, Markup("").join(shapes))


def sample(curve: Curve) -> Markup:
    """A short piece of a line, for the table that names it; the name stands beside it, so that screen readers skip it."""
    piece = '<line class="curve {}" x1="0" x2="22" y1="5" y2="5"/>'
    return Markup(f'<svg class="swatch" aria-hidden="true" width="22" height="10">{piece}</svg>').format(curve.look)


@dataclass(frozen=True)
class _Curves(Plot):
    """The plot and what is drawn of its lines."""

    @classmethod
    def around(cls, lines: Sequence[Curve], level: float) -> "_Curves":
        places, heights = zip(*(point for line in lines for point in line.drawn), strict=True)
        low, high = min(places), max(places)
        air = max(0.02 * (high - low), 0.5)
        return cls(Scale(low - air, high + air, steps=6), scale([*heights, *([level] if abs(level) < VAST else [])]))

    def level(self, height: float) -> list[Markup]:
        """The dashed line."""
        if not abs(height) < VAST:
            return []
        return [Markup('<line class="level" x1="0%" x2="100%" y1="{0}" y2="{0}"/>').format(self.y(height))]

    def curve(self, line: Curve) -> Markup:
        """A line with a dot at each of its points."""
        places = [(self.x(across), self.y(up)) for across, up in line.drawn]
        piece = Markup('<line class="curve {}" x1="{}%" y1="{}" x2="{}%" y2="{}"/>')
        dot = Markup('<circle class="{}" cx="{}%" cy="{}" r="3"/>')
        drawn = [piece.format(line.look, *start, *end) for start, end in pairwise(places)]
        drawn += [dot.format(line.look, *place) for place in places]
        title = Markup("<title>{}: {}</title>").format(plain(line.name, 200), plain(line.spoken, 400))
        return Markup("<g>{}{}</g>").format(title, Markup("").join(drawn))

    def names(self, lines: Sequence[Curve]) -> list[Markup]:
        """The name of each line that has a tone, beside its end, or as far from there as it takes not to meet another."""
        named = sorted((line for line in lines if line.tone is not None), key=lambda line: self.y(line.drawn[-1][1]))
        heights = _apart([self.y(line.drawn[-1][1]) for line in named])
        text = Markup('<text class="name {}" x="100%" dx="{}" y="{}" dy="4">{}</text>')
        return [text.format(line.look, _GAP, height, _ending(line.name)) for line, height in zip(named, heights, strict=True)]


def _apart(heights: Sequence[float]) -> list[float]:
    """Ascending heights moved so that lines of words there do not meet, and the last stays on the plot.

    >>> _apart([20.0, 21.0, 100.0])
    [20.0, 36.0, 100.0]
    >>> _apart([279.0, 280.0])
    [264.0, 280.0]
    """
    lower: list[float] = []
    for height in heights:
        lower.append(max(height, lower[-1] + LINE) if lower else height)
    raised: list[float] = []
    for height in reversed(lower):
        raised.append(min(height, raised[-1] - LINE if raised else float(HEIGHT)))
    return raised[::-1]


def _ending(name: str) -> str:
    """The end of a name, where those of layers differ.

    >>> _ending("features.denseblock4.denselayer16.conv2.weight")
    '…enselayer16.conv2.weight'
    """
    words = plain(name)
    return words if len(words) <= _NAME else f"…{words[-_NAME:]}"
