"""Which predictions changed between two networks that judged the same samples, class by class."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from laconic.base.records import Verdicts
from laconic.report.words import grouped, plain


@dataclass(frozen=True)
class ClassRow:
    """The samples of one true class.

    Args:
        name: of the class, or its number.
        samples: how many there are.
        before: how many of them were right before.
        after: how many are right after.
        lost: right before, wrong after.
        gained: wrong before, right after.
    """

    name: str
    samples: int
    before: int
    after: int
    lost: int
    gained: int


@dataclass(frozen=True)
class Changes:
    """All that changed: `rows` are those of the most changed classes in the order of their numbers, none where nothing changed.

    `samples` and `classes` count all that there are.
    """

    samples: int
    classes: int
    sentence: str
    rows: tuple[ClassRow, ...]


def changes(verdicts: Verdicts, names: Sequence[str], most: int) -> Changes:
    """The table of changes, at most `most` of its rows.

    >>> found = changes(Verdicts(target=(0, 0, 1, 1), before=(0, 0, 1, 0), after=(0, 1, 1, 2)), ["cat", "dog"], 9)
    >>> found.sentence
    '2 of 4 predictions changed: 1 lost, 0 gained, 1 wrong either way.'
    >>> found.rows[0]
    ClassRow(name='cat', samples=2, before=2, after=1, lost=1, gained=0)
    """
    samples = list(zip(verdicts.target, verdicts.before, verdicts.after, strict=True))
    changed = Counter(target for target, before, after in samples if before != after)
    classes = sorted(set(verdicts.target))
    kept = sorted(sorted(classes, key=lambda number: -changed[number])[:most]) if changed else []
    return Changes(len(samples), len(classes), _sentence(samples), _rows(samples, kept, names))


def _rows(samples: list[tuple[int, int, int]], classes: list[int], names: Sequence[str]) -> tuple[ClassRow, ...]:
    total, before, after, lost, gained = _tallies(samples)
    return tuple(ClassRow(_name(n, names), total[n], before[n], after[n], lost[n], gained[n]) for n in classes)


def _tallies(samples: list[tuple[int, int, int]]) -> tuple[Counter[int], ...]:
    """By true class: samples, right before, right after, lost, gained."""
    return (
        Counter(target for target, _, _ in samples),
        Counter(target for target, before, _ in samples if before == target),
        Counter(target for target, _, after in samples if after == target),
        Counter(target for target, before, after in samples if before == target != after),
        Counter(target for target, before, after in samples if before != target == after),
    )


def _sentence(samples: list[tuple[int, int, int]]) -> str:
    changed = [(target, before, after) for target, before, after in samples if before != after]
    if not changed:
        return f"None of {grouped(len(samples))} predictions changed."
    lost = sum(before == target for target, before, _ in changed)
    gained = sum(after == target for target, _, after in changed)
    kinds = f"{grouped(lost)} lost, {grouped(gained)} gained, {grouped(len(changed) - lost - gained)} wrong either way"
    return f"{grouped(len(changed))} of {grouped(len(samples))} predictions changed: {kinds}."


def _name(number: int, names: Sequence[str]) -> str:
    return plain(names[number], 80) if 0 <= number < len(names) else f"class {number}"
