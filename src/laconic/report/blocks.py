"""A network as a row of blocks, inline SVG: across in per cent of the picture's width, down in pixels.

One block a layer, in the order in which they run. Its width is its share of the MACs, its height above the line what it moves of
activations, its depth below what it reads of weights, its colour its kind. Where MACs alone gave the width, most layers of a network
(activations, normalisations) would have none: a part of the width is therefore shared out evenly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from markupsafe import Markup

from laconic.report.charts import percent
from laconic.report.plot import LINE, Scale, labelled
from laconic.report.words import PREFIXES, plain

_TOP, _UP, _DOWN = 3 * LINE, 170, 110  # pixels: above the highest block, of the highest block, of the deepest
_BASE, _WHOLE = _TOP + _UP, _TOP + _UP + _DOWN + 2 * LINE
_EVEN, _LEAST = 30.0, 0.7  # per cent of the width: shared evenly at most, to one layer at most
_FINEST = 2  # pixels of the narrowest block
_MARK = 2.5  # per cent of the width between two marks that do not meet


class Kind(StrEnum):
    """Which inputs each output of a layer is a weighted sum of."""

    FULL = "full"
    POINTWISE = "pointwise"
    GROUPED = "grouped"
    LINEAR = "linear"
    OTHER = "other"

    @property
    def words(self) -> str:
        """Its name for many layers."""
        return _WORDS[self]

    @property
    def look(self) -> str:
        """Its class in the style sheet."""
        return _LOOKS[self]


_WORDS = {
    Kind.FULL: "full convolutions",
    Kind.POINTWISE: "1 × 1 convolutions",
    Kind.GROUPED: "depthwise and grouped convolutions",
    Kind.LINEAR: "linear layers",
    Kind.OTHER: "other layers",
}
_LOOKS = {Kind.FULL: "tone-1", Kind.POINTWISE: "tone-2", Kind.GROUPED: "tone-4", Kind.LINEAR: "tone-3", Kind.OTHER: "rest"}


@dataclass(frozen=True)
class Block:
    """One layer.

    Args:
        macs: multiply-adds by its weights; they give the width.
        moved: bytes of activations that enter and leave; the height.
        weights: bytes of its weights; the depth.
        kind: the colour.
        spoken: its name and figures as text.
        mark: what stands above it; empty for most.
    """

    macs: int
    moved: int
    weights: int
    kind: Kind
    spoken: str
    mark: str = ""


def even(count: int) -> float:
    """Per cent of the picture's width that each of so many blocks gets whatever its MACs.

    >>> even(10), even(300)
    (0.7, 0.1)
    """
    return min(_LEAST, _EVEN / count)


def widths(macs: Sequence[int]) -> list[float]:
    """Of each block, in per cent of the picture's; all equal where nothing is multiplied.

    >>> [round(width, 2) for width in widths([30, 0, 10])], widths([0, 0])
    ([74.12, 0.7, 25.18], [50.0, 50.0])
    """
    whole, least = sum(macs), even(len(macs))
    if not whole:
        return [100 / len(macs)] * len(macs)
    return [least + (100 - least * len(macs)) * own / whole for own in macs]


def picture(title: str, blocks: Sequence[Block]) -> Markup:
    """The row of blocks, a list to screen readers; where it is wider than its place, its place has to scroll."""
    if not blocks:
        return Markup("")
    drawn = _Picture.around(blocks)
    shapes = Markup("").join([*drawn.grid(), *drawn.all(blocks), drawn.base(), *drawn.marks(blocks)])
    markup = '<svg class="chart blocks" role="list" aria-label="{}" width="100%" height="{}" style="min-width:{}px">{}</svg>'
    return Markup(markup).format(plain(title, 300), _WHOLE, round(100 * _FINEST / even(len(blocks))), shapes)


def square(kind: Kind) -> Markup:
    """A piece of its colour, for tables; its name stands beside it, so that screen readers skip it."""
    shape = '<rect class="{}" width="12" height="12" rx="2"/>'
    return Markup(f'<svg class="swatch" aria-hidden="true" width="12" height="12">{shape}</svg>').format(kind.look)


@dataclass(frozen=True)
class _Picture:
    """Where blocks begin and how wide they are, and what the highest and the deepest stand for."""

    starts: Sequence[float]
    widths: Sequence[float]
    most_moved: int
    most_weights: int

    @classmethod
    def around(cls, blocks: Sequence[Block]) -> "_Picture":
        found = widths([block.macs for block in blocks])
        starts = [sum(found[:place]) for place in range(len(found))]
        return cls(starts, found, max(block.moved for block in blocks), max(block.weights for block in blocks))

    def up(self, block: Block) -> float:
        """Pixels above the line."""
        return round(_UP * percent(block.moved, self.most_moved) / 100, 1)

    def down(self, block: Block) -> float:
        """Pixels below the line."""
        return round(_DOWN * percent(block.weights, self.most_weights) / 100, 1)

    def all(self, blocks: Sequence[Block]) -> list[Markup]:
        """Each block, and behind it a column as high as the picture, so that the flat ones can be pointed at as well."""
        markup = Markup(
            '<g role="listitem"><title>{}</title><rect class="column" x="{x}%" width="{width}%" y="{}" height="{}"/>'
            '<rect class="block {look}" x="{x}%" width="{width}%" y="{}" height="{}"/></g>'
        )
        return [
            markup.format(
                plain(block.spoken, 400),
                _TOP,
                _UP + _DOWN,
                _BASE - self.up(block),
                round(self.up(block) + self.down(block), 1),
                x=round(start, 3),
                width=round(width, 3),
                look=block.kind.look,
            )
            for block, start, width in zip(blocks, self.starts, self.widths, strict=True)
        ]

    def base(self) -> Markup:
        """The line between activations and weights."""
        return Markup('<line class="base" aria-hidden="true" x1="0%" x2="100%" y1="{0}" y2="{0}"/>').format(_BASE)

    def grid(self) -> list[Markup]:
        """Lines at round values to both sides, their figures, and what they are of."""
        above, below = _axis(self.most_moved, -_UP), _axis(self.most_weights, _DOWN)
        line = Markup(
            '<g aria-hidden="true"><line class="grid" x1="0%" x2="100%" y1="{0}" y2="{0}"/>'
            '<text class="figure" x="-8" y="{0}" dy="4" text-anchor="end">{1}</text></g>'
        )
        heading = Markup('<text class="figure" aria-hidden="true" x="{}" y="{}">{}</text>')
        return [
            *(line.format(height, text) for height, text in above.lines + below.lines),
            heading.format(-40, LINE - 4, f"↑ activations moved ({above.unit})"),
            heading.format(-40, _WHOLE - 4, f"↓ weights ({below.unit})"),
        ]

    def marks(self, blocks: Sequence[Block]) -> list[Markup]:
        """What stands above blocks, raised where it would meet the one before."""
        text = Markup('<text class="mark" aria-hidden="true" x="{}%" y="{}" text-anchor="middle">{}</text>')
        placed: list[tuple[float, float]] = []
        for block, start, width in zip(blocks, self.starts, self.widths, strict=True):
            if block.mark:
                placed.append(_free(round(start + width / 2, 2), round(_BASE - self.up(block) - 5, 1), placed))
        return [text.format(*place, block.mark) for place, block in zip(placed, (block for block in blocks if block.mark), strict=True)]


def _free(x: float, y: float, taken: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The first place at or above this one that no mark has."""
    while any(abs(x - left) < _MARK and abs(y - top) < LINE for left, top in taken):
        y = round(y - LINE, 1)
    return x, y


@dataclass(frozen=True)
class _Axis:
    """Pixels from the top and figure of each line, and their unit."""

    lines: list[tuple[float, str]]
    unit: str


def _axis(most: int, length: int) -> _Axis:
    """Round values from the base line to `most` bytes, which is `length` pixels below it."""
    power = min((len(str(most)) - 1) // 3, len(PREFIXES) - 1)
    if not most:
        return _Axis([], "bytes")
    levels = Scale(0, most / 1000**power, steps=3).ticks()[1:]
    lines = [(round(_BASE + length * value * 1000**power / most, 1), text) for value, text in labelled(levels)]
    return _Axis(lines, f"{PREFIXES[power]}B" if power else "bytes")
