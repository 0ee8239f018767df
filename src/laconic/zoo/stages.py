"""Tables of stages: what a network is made of, as values that can be read, printed and changed.

A table is a tuple of rows in the order of the data's way. A `Stage` holds blocks that have weights, a `Pool` has none. A paper's table
stands at the top of its file; whatever varies a network (a width multiplier, small images, later downsampling, a search) maps a table to
a table.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from torch import nn


@dataclass(frozen=True)
class Row:
    """What all rows have.

    Args:
        kernel: side of its windows, in pixels.
        stride: by how much it divides the image's sides; in a stage of several blocks the first one does.
    """

    kernel: int = 3
    stride: int = 1


@dataclass(frozen=True)
class Pool(Row):
    """Max pooling.

    Args:
        kernel, stride: as for a row. At stride 1 nothing is pooled.
        padding: pixels on every side.
        ceil: count a window that overhangs the edge.
    """

    stride: int = 2
    padding: int = 0
    ceil: bool = False

    def build(self) -> nn.Module:
        """The layer, an identity at stride 1."""
        return nn.MaxPool2d(self.kernel, self.stride, self.padding, ceil_mode=self.ceil) if self.stride > 1 else nn.Identity()


@dataclass(frozen=True, kw_only=True)
class Stage(Row):
    """Blocks in a row, all of one kind and width.

    Args:
        kernel, stride: as for a row.
        width: channels that leave each block.
        depth: number of blocks.
        multiple: what the width stays a multiple of when it is scaled: its groups of channels ask for that, or a machine's vectors.
        activation: class of the activation.
        block: builds one from the channels that enter it, its stage and its stride.
    """

    width: int
    depth: int = 1
    multiple: int = 8
    activation: type[nn.Module] = nn.ReLU
    block: Callable[..., nn.Module]

    def blocks(self, inputs: int) -> Iterator[nn.Module]:
        """The blocks, freshly initialised.

        Args:
            inputs: channels that enter the first.
        """
        for number in range(self.depth):
            first = number == 0
            yield self.block(inputs if first else self.width, self, self.stride if first else 1)


R = TypeVar("R", bound=Row)


def build(inputs: int, rows: Sequence[Row]) -> Iterator[nn.Sequential]:
    """The modules of a table, a sequence for each row.

    Args:
        inputs: channels of the image.
        rows: stages and poolings.
    """
    for row in rows:
        if isinstance(row, Stage):
            yield nn.Sequential(*row.blocks(inputs))
            inputs = row.width
        elif isinstance(row, Pool):
            yield nn.Sequential(row.build())


def build_flat(inputs: int, rows: Sequence[Row]) -> nn.Sequential:
    """The modules of a table, one block after the other.

    Args:
        inputs, rows: as for `build`.
    """
    return nn.Sequential(*(block for row in build(inputs, rows) for block in row))


def channels_of(rows: Sequence[Row]) -> int:
    """Channels that leave a table: those of its last stage."""
    return next(row.width for row in reversed(rows) if isinstance(row, Stage))


def divisible(width: float, by: int = 8) -> int:
    """The multiple of `by` nearest to a width, at least `by` and not more than a tenth below the width (Howard et al. 2019, section 6.1).

    >>> divisible(24 * 0.75), divisible(16 * 0.35), divisible(80 * 2.3)
    (24, 8, 184)
    """
    nearest = max(by, int(width + by / 2) // by * by)
    return nearest + by if nearest < 0.9 * width else nearest


def scaled(rows: Sequence[R], factor: float) -> tuple[R, ...]:
    """The table at `factor` times the width (Howard et al. 2017, section 3.3), in the stages' multiples; at 1 it stays as it is."""
    if factor == 1:
        return tuple(rows)
    return tuple(replace(row, width=divisible(row.width * factor, row.multiple)) if isinstance(row, Stage) else row for row in rows)


def fitted(rows: Sequence[R], side: int, skip: int | None = None, *, least: int = 4) -> tuple[R, ...]:
    """The table for images of a size: small ones are not downsampled to nothing, as the first strides are left out.

    A stage of wide windows (above 5 pixels) that loses its stride gets windows of 3 × 3. On 224 × 224 pixels the networks stay as their
    papers have them; on 32 × 32 those that divide by 32 lose two strides, which is what is usually done for CIFAR.

    Args:
        rows: stages and poolings.
        side: the shorter side of the image, in pixels.
        skip: how many strides to leave out; None leaves out no more than it takes for the last map to have `least` pixels a side.
        least: see `skip`.

    >>> rows = [Pool(stride=2)] * 5
    >>> [row.stride for row in fitted(rows, side=32)], [row.stride for row in fitted(rows, side=32, skip=1)]
    ([1, 1, 2, 2, 2], [1, 2, 2, 2, 2])
    """
    striding = [place for place, row in enumerate(rows) if row.stride > 1]
    if skip is None:
        skip = next((n for n in range(len(striding)) if side >= least * math.prod(rows[i].stride for i in striding[n:])), len(striding))
    return tuple(_unstrided(row) if place in striding[:skip] else row for place, row in enumerate(rows))


def _unstrided(row: R) -> R:
    return replace(row, stride=1, kernel=3 if row.kernel > 5 else row.kernel)


def delayed(rows: Sequence[R], by: int = 1) -> tuple[R, ...]:
    """The table with every downsampling `by` stages later, in the same order: larger maps, more MACs, the same weights.

    It is the third design rule of SqueezeNet (Iandola et al. 2016, section 3.1). No two downsamplings come to one stage, and none leaves
    the table: those at its end stay where they are. A table that divides at every stage to its end, as ResNet's does, has no room and
    stays as it is; there `fitted(rows, side, skip=1)` makes larger maps.

    Args:
        rows: stages and poolings.
        by: number of stages.

    >>> rows = [Stage(width=8, stride=2, block=nn.Conv2d), *[Stage(width=8, block=nn.Conv2d)] * 2, Pool(), Stage(width=8, block=nn.Conv2d)]
    >>> [(type(row).__name__, row.stride) for row in delayed(rows)]
    [('Stage', 1), ('Stage', 2), ('Stage', 1), ('Pool', 2), ('Stage', 1)]
    """
    stages = [row for row in rows if not isinstance(row, Pool)]
    # What divides the image, and before or in which stage: a pooling, or the stride of a stage.
    found = [(sum(not isinstance(r, Pool) for r in rows[:place]), row) for place, row in enumerate(rows) if row.stride > 1]
    moved: dict[int, R] = {}
    last = len(stages) - 1
    for place, row in reversed(found):
        target = max(place, min(place + by, last))
        moved[target] = row
        last = target - 1
    late: list[R] = []
    for place, stage in enumerate(stages):
        cause = moved.get(place)
        late += [cause] if isinstance(cause, Pool) else []
        late.append(replace(stage, stride=cause.stride if isinstance(cause, Stage) else 1))
    return (*late, *(row for place, row in moved.items() if place >= len(stages)))
