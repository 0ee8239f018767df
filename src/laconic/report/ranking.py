"""Contenders against one another: on what they may be compared, who leads, who is dominated, and all of it in a sentence."""

from collections import Counter
from collections.abc import Mapping, Sequence

from laconic.report.contenders import Contender
from laconic.report.pareto import Cost, better, dominates, front
from laconic.report.words import figure, plain

SIZE, SCORE, LATENCY = "size", "score", "latency"

Key = tuple[str, str]
"""A quantity, and what its figures have to have in common to be compared."""


def costs(one: Contender) -> dict[Key, Cost]:
    """What a contender costs, less being better; only costs under the same key may be compared."""
    found: dict[Key, Cost] = {(SIZE, ""): (one.size.value, 0.0)}
    if one.score:
        found[SCORE, one.judged_on] = (-one.score.value if one.higher_is_better else one.score.value, one.score.spread)
    if one.latency:
        found[LATENCY, one.clocked_in] = (one.latency.value, one.latency.spread)
    return found


def ranked(contenders: Sequence[Contender], quantity: str) -> dict[str, Cost]:
    """Name → cost of the largest group whose figures may be compared; nothing where no two of them may."""
    keyed = [(one.name, key, cost) for one in contenders for key, cost in costs(one).items() if key[0] == quantity]
    groups = Counter(key for _, key, _ in keyed).most_common(1)
    if not groups or groups[0][1] < 2:
        return {}
    return {name: cost for name, key, cost in keyed if key == groups[0][0]}


def on_front(contenders: Sequence[Contender], quantity: str) -> list[str]:
    """Names of those that no other beats in both size and `quantity`, of all whose figures may be compared; the smallest first."""
    group = ranked(contenders, quantity)
    sizes = ranked(contenders, SIZE)
    names = sorted(group, key=lambda name: (sizes[name], group[name]))
    return [names[place] for place in front([(sizes[name], group[name]) for name in names])]


def dominators(one: Contender, contenders: Sequence[Contender]) -> list[str]:
    """Names of those that are nowhere worse than `one` and somewhere better; without comparable scores nobody is."""
    return [other.name for other in contenders if _dominates(other, one)]


def _dominates(one: Contender, other: Contender) -> bool:
    mine, theirs = costs(one), costs(other)
    common = [key for key in mine if key in theirs]
    judged = any(quantity == SCORE for quantity, _ in common)
    return judged and dominates([mine[key] for key in common], [theirs[key] for key in common])


def verdict(contenders: Sequence[Contender]) -> str:
    """Who is smallest, fastest and most accurate, as far as their spreads let anyone say so; and who is dominated."""
    size = {one.name: figure(one.size) for one in contenders}
    score = {one.name: figure(one.score) for one in contenders if one.score}
    latency = {one.name: figure(one.latency) for one in contenders if one.latency}
    sentences = (
        _lead(("is the smallest", "are the smallest", "All are of one size"), ranked(contenders, SIZE), size),
        _lead(("is the fastest", "are the fastest", "Within their spread all are equally fast"), ranked(contenders, LATENCY), latency),
        _lead(("scores best", "score best", "Within their spread all score alike"), ranked(contenders, SCORE), score),
        _unranked(contenders),
        _dominated(contenders),
    )
    return " ".join(f"{sentence}." for sentence in sentences if sentence)


def _lead(words: tuple[str, str, str], group: Mapping[str, Cost], figures: Mapping[str, str]) -> str:
    """Who leads, as one or as several whom their spreads do not tell apart; `words` for one, for several, for all."""
    if not group:
        return ""
    one, several, all_of_them = words
    best = min(group, key=lambda name: group[name])
    leaders = [best, *(name for name in group if name != best and not better(group[best], group[name]))]
    if len(leaders) == len(group):
        return f"{all_of_them} ({_listed([figures[name] for name in leaders])})"
    said = [f"{plain(name, 60)} ({figures[name]})" for name in leaders]
    return f"{_listed(said)} {one if len(said) == 1 else several}"


def _unranked(contenders: Sequence[Contender]) -> str:
    apart = [
        words
        for quantity, words in ((SCORE, "scores are of different test samples"), (LATENCY, "latencies are of different runs"))
        if sum(key[0] == quantity for one in contenders for key in costs(one)) > max(1, len(ranked(contenders, quantity)))
    ]
    return f"Not all can be ranked: {' and '.join(apart)}" if apart else ""


def _dominated(contenders: Sequence[Contender]) -> str:
    beaten = [one.name for one in contenders if dominators(one, contenders)]
    if not beaten:
        return "None is dominated" if ranked(contenders, SCORE) else ""
    verb = "is" if len(beaten) == 1 else "are"
    return f"{_listed([plain(name, 60) for name in beaten])} {verb} dominated: another is nowhere worse and somewhere better"


def _listed(words: Sequence[str], most: int = 5) -> str:
    shown = [*words[:most], *([f"{len(words) - most} more"] if len(words) > most else [])]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
