"""The charts of the page: which figures of a Record each of them draws."""

from markupsafe import Markup

from laconic.base.measures import Measure
from laconic.base.records import Record
from laconic.report.charts import Bar, bars, strip
from laconic.report.words import figure, spread


def waterfall(record: Record, rows: int) -> Markup:
    """Bytes before, after each of the first `rows` stages, and of the finished file; what a step took away is left as a ghost."""
    steps: list[tuple[str, Measure, Measure | None]] = [("before", record.before.size, None)]
    steps += [(stage.line, stage.size, stage.score) for stage in record.stages[:rows]]
    steps += [("the finished file", record.after.size, None)]
    ghosts = [0.0, *(size.value for _, size, _ in steps)]
    tones = ["before"] + ["after"] * (len(steps) - 1)
    drawn = [
        Bar(line, size.value, f"{figure(size)} · {figure(score)}" if score else figure(size), ghost, tone=tone)
        for (line, size, score), ghost, tone in zip(steps, ghosts, tones, strict=False)
    ]
    return bars("Bytes after each stage, with the validation score", drawn)


def latencies(record: Record) -> Markup:
    """Milliseconds before and after, with their spread."""
    sides = (("before", record.before.latency), ("after", record.after.latency))
    drawn = [Bar(side, time.value, f"{figure(time)} {spread(time)}", spread=time.spread, tone=side) for side, time in sides if time]
    return bars("Latency of one sample", drawn)


def sections(record: Record, rows: int) -> Markup:
    """The whole file as one line, the largest sections first."""
    largest_first = sorted(record.parts.items(), key=lambda part: part[1], reverse=True)
    return strip("Sections of the file", largest_first[:rows])
