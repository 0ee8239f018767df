"""Before against after: the verdict in one sentence, and the table behind it."""

from dataclasses import dataclass

from laconic.base.measures import Measure
from laconic.base.records import Record
from laconic.report.words import MISSING, decimal, decimals, factor, figure, grouped, note, plain, spread


@dataclass(frozen=True)
class Cell:
    """One figure as text: the value with its unit, its spread, and how it was measured."""

    figure: str = MISSING
    spread: str = ""
    note: str = ""


@dataclass(frozen=True)
class Line:
    """One quantity before and after; `change` is the sentence that joins them, empty where one is missing."""

    quantity: str
    before: Cell
    after: Cell
    change: Cell


def verdict(record: Record) -> str:
    """What the run came to, in one sentence; it speaks of what was measured and leaves out what was not.

    >>> from laconic.base.records import Figures
    >>> before, after = (Figures(Measure(size, "bytes", "")) for size in (3000, 1000))
    >>> verdict(Record("LeNet-5", "mnist", "accuracy", "", 0, before, after)).replace("\u202f", " ").replace("\u00a0", " ")
    'LeNet-5 is 3.0 × smaller (1 000 B instead of 3 000 B).'
    """
    before, after = record.before, record.after
    clauses = [_size_clause(before.size, after.size)]
    if after.score:
        clauses.append(f"scores {figure(after.score)}" + _against(before.score, after.score))
    if record.speed_ratio:
        clauses.append(f"runs {factor(record.speed_ratio.value)} as fast")
    return f"{plain(record.model, 200) or 'The network'} {_joined(clauses)}."


def lines(record: Record) -> list[Line]:
    """The before/after table: size, score, latency, parameters and MACs, each only if one side of it is known."""
    before, after, metric = record.before, record.after, plain(record.metric, 60)
    size = Line("File size", _cell(before.size), _cell(after.size), Cell(_smaller(before.size, after.size)))
    weights = Line("Weights-only file", Cell(), _cell(record.weights_only), Cell(""))
    score = Line(f"Score ({metric})" if metric else "Score", _cell(before.score), _cell(after.score), _score_change(record))
    latency = Line("Latency", _cell(before.latency), _cell(after.latency), _speed(record.speed_ratio))
    counts = [_counted("Parameters", before.params, after.params), _counted("MACs", before.macs, after.macs)]
    return [line for line in (size, weights, score, latency, *counts) if line.before != Cell() or line.after != Cell()]


def smaller(before: float, after: float) -> str:
    """`31.2 × smaller`, `1.3 × larger`, `unchanged`; nothing where a ratio makes no sense.

    >>> smaller(10, 4), smaller(10, 20), smaller(10, 10), smaller(0, 10)
    ('2.5\\xa0× smaller', '2.0\\xa0× larger', 'unchanged', '')
    """
    if not (before > 0 and after > 0):
        return ""
    if before == after:
        return "unchanged"
    return f"{factor(before / after)} smaller" if before > after else f"{factor(after / before)} larger"


def _smaller(before: Measure, after: Measure) -> str:
    return smaller(before.value, after.value)


def _size_clause(before: Measure, after: Measure) -> str:
    change = _smaller(before, after)
    if not change:
        return f"weighs {figure(after)}"
    return (
        f"is as large as before ({figure(after)})"
        if before.value == after.value
        else f"is {change} ({figure(after)} instead of {figure(before)})"
    )


def _against(before: Measure | None, after: Measure) -> str:
    return f" against {figure(before)} before ({_difference(before, after)})" if before else ""


def _difference(before: Measure, after: Measure) -> str:
    """The difference of the figures as they are printed, so that whoever subtracts them finds the same."""
    if after.unit != "%":
        return f"{after.value - before.value:+.3g}".replace("-", "−")
    digits = min(decimals(before), decimals(after))
    change = round(after.value, digits) - round(before.value, digits)
    return f"{'+' if change > 0 else ''}{decimal(change, digits)} points"


def _score_change(record: Record) -> Cell:
    before, after = record.before.score, record.after.score
    return Cell(_difference(before, after)) if before and after else Cell("")


def _speed(ratio: Measure | None) -> Cell:
    return Cell(f"{factor(ratio.value)} as fast", spread(ratio), note(ratio)) if ratio else Cell("")


def _cell(measure: Measure | None) -> Cell:
    return Cell(figure(measure), spread(measure), note(measure)) if measure else Cell()


def _counted(quantity: str, before: int, after: int) -> Line:
    fewer = smaller(before, after).replace("smaller", "fewer").replace("larger", "more")
    return Line(quantity, _count(before), _count(after), Cell(fewer))


def _count(number: int) -> Cell:
    return Cell(grouped(number)) if number else Cell()


def _joined(clauses: list[str]) -> str:
    if len(clauses) < 3:
        return " and ".join(clauses)
    return ", ".join(clauses[:-1]) + ", and " + clauses[-1]
