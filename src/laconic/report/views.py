"""The tables of the page: the rows of a Record with the figures that follow from them, all as text."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from markupsafe import Markup

from laconic.base.records import Layer, LayerCost, Record, Stage
from laconic.report.charts import cell, percent, swatch
from laconic.report.comparison import smaller
from laconic.report.words import MISSING, decimal, factor, figure, grouped, plain, spread

_COLUMNS = 12  # of a plan; more do not fit on a page


@dataclass(frozen=True)
class Tile:
    """A figure that people look for first."""

    name: str
    figure: str
    detail: str


@dataclass(frozen=True)
class StageRow:
    """One stage of the recipe."""

    line: str
    size: str
    change: str
    score: str
    spread: str
    seconds: str


@dataclass(frozen=True)
class LayerRow:
    """One tensor of the file; `nonzero` and `share` are per cent, `share` is of the whole file."""

    name: str
    form: str
    shape: str
    nonzero: str
    different: str
    bits: str
    bytes: str
    share: str
    bar: Markup


@dataclass(frozen=True)
class CostRow:
    """One layer's cost before and after; `order` places the row for each of the orders that the reader may choose."""

    name: str
    kind: str
    params: str
    macs: str
    moved: str
    before: str
    after: str
    change: str
    order: str


@dataclass(frozen=True)
class SectionRow:
    """One section of the file."""

    swatch: Markup
    name: str
    bytes: str
    share: str


@dataclass(frozen=True)
class PlanTable:
    """What a stage decided: columns as (heading, whether it holds numbers only), and the cells row by row.

    `length` is the number of rows that the plan has, `rows` the first of them.
    """

    line: str
    length: int
    columns: list[tuple[str, bool]]
    rows: list[list[str]]


def tiles(record: Record) -> list[Tile]:
    """Size, score and speed; the latter two where they were measured."""
    before, after = record.before, record.after
    size = smaller(before.size.value, after.size.value) or figure(after.size)
    found = [Tile("File size", size, f"{figure(before.size)} → {figure(after.size)}")]
    if after.score:
        metric = plain(record.metric, 60)
        found.append(
            Tile(f"Score ({metric})" if metric else "Score", figure(after.score), f"before: {figure(before.score)}" if before.score else "")
        )
    if record.speed_ratio:
        both = f"{figure(before.latency)} → {figure(after.latency)}" if before.latency and after.latency else ""
        found.append(Tile("Speed", f"{factor(record.speed_ratio.value)} as fast", both))
    return found


def stage_rows(record: Record) -> list[StageRow]:
    """One row a stage, in the order of the recipe."""
    return [_stage_row(stage, record.before.size.value) for stage in record.stages]


def _stage_row(stage: Stage, before: float) -> StageRow:
    return StageRow(
        line=plain(stage.line, 200),
        size=figure(stage.size),
        change=smaller(before, stage.size.value),
        score=figure(stage.score) if stage.score else MISSING,
        spread=spread(stage.score) if stage.score else "",
        seconds=decimal(stage.seconds, 1),
    )


def layer_rows(record: Record, rows: int) -> list[LayerRow]:
    """The `rows` largest tensors, in the order of the file."""
    kept = sorted(range(len(record.layers)), key=lambda at: record.layers[at].bytes, reverse=True)[:rows]
    largest = max((record.layers[at].bytes for at in kept), default=0)
    return [_layer_row(record.layers[at], record.after.size.value, largest) for at in sorted(kept)]


def _layer_row(layer: Layer, whole: float, largest: int) -> LayerRow:
    weights = prod(layer.shape)
    return LayerRow(
        name=plain(layer.name, 120),
        form=plain(layer.form, 40),
        shape="×".join(map(str, layer.shape)) or "scalar",
        nonzero=decimal(100 * layer.nonzero / weights, 1) if weights else MISSING,
        different=grouped(layer.values),
        bits=decimal(8 * layer.bytes / weights, 2) if weights else MISSING,
        bytes=grouped(layer.bytes),
        share=decimal(percent(layer.bytes, whole), 1),
        bar=cell(layer.bytes, largest),
    )


ORDERS: Mapping[str, Callable[[LayerCost], float]] = {
    "before": lambda cost: cost.ms[0],
    "after": lambda cost: cost.ms[1],
    "macs": lambda cost: max(cost.macs),
    "params": lambda cost: max(cost.params),
    "moved": lambda cost: max(cost.moved),
}


def cost_rows(record: Record, rows: int) -> list[CostRow]:
    """The `rows` slowest layers, in the order in which they run."""
    costs = record.costs
    kept = sorted(sorted(range(len(costs)), key=lambda at: max(costs[at].ms), reverse=True)[:rows])
    places = {name: ranks([cost(costs[at]) for at in kept]) for name, cost in ORDERS.items()}
    return [_cost_row(costs[at], ";".join(f"--at-{name}:{own[row]}" for name, own in places.items())) for row, at in enumerate(kept)]


def ranks(values: list[float]) -> list[int]:
    """Of each value among all, the greatest first."""
    ordered = sorted(range(len(values)), key=lambda at: values[at], reverse=True)
    return sorted(range(len(values)), key=ordered.__getitem__)


def _cost_row(cost: LayerCost, order: str) -> CostRow:
    return CostRow(
        plain(cost.name, 120),
        plain(cost.kind, 60),
        _pair(cost.params),
        _pair(cost.macs),
        _pair(cost.moved),
        decimal(cost.ms[0], 4) if cost.ms[0] else MISSING,
        decimal(cost.ms[1], 4) if cost.ms[1] else MISSING,
        factor(cost.ms[0] / cost.ms[1]) if all(cost.ms) else MISSING,
        order,
    )


def _pair(values: tuple[int, int]) -> str:
    """Both where they differ."""
    return grouped(values[0]) if values[0] == values[1] else f"{grouped(values[0])} → {grouped(values[1])}"


def spent(record: Record) -> list[tuple[str, str]]:
    """What the run cost, with how that is known."""
    costs = {"energy of the run": record.energy, "CO2e of the run": record.co2e}
    return [(name, f"{cost.value:.3g} {cost.unit}, {cost.how}") for name, cost in costs.items() if cost is not None]


def section_rows(record: Record) -> list[SectionRow]:
    """The sections of the file, the largest first."""
    whole = sum(record.parts.values())
    ordered = sorted(record.parts.items(), key=lambda part: part[1], reverse=True)
    return [
        SectionRow(swatch(rank), plain(name, 120), grouped(size), decimal(percent(size, whole), 1))
        for rank, (name, size) in enumerate(ordered)
    ]


def plan_tables(record: Record, rows: int) -> list[PlanTable]:
    """What each stage decided, its first `rows` rows; stages without a plan have no table."""
    return [_plan_table(stage, rows) for stage in record.stages[:rows] if stage.plan]


def _plan_table(stage: Stage, rows: int) -> PlanTable:
    names = list(dict.fromkeys(name for row in stage.plan for name in row))[:_COLUMNS]
    columns = [(plain(name, 60), all(_is_number(row.get(name)) for row in stage.plan)) for name in names]
    return PlanTable(plain(stage.line, 200), len(stage.plan), columns, [_cells(row, names) for row in stage.plan[:rows]])


def _cells(row: Mapping[str, Any], names: list[str]) -> list[str]:
    return [_entry(row.get(name)) for name in names]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _entry(value: object) -> str:
    """One cell of a plan: whatever the step put there."""
    match value:
        case None:
            return MISSING
        case bool():
            return "yes" if value else "no"
        case int():
            return grouped(value)
        case float():
            return f"{value:.4g}".replace("-", "−")
        case _:
            return plain(value, 120)
