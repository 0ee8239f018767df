"""How much the score minds it when layers are pruned, as one HTML page that carries all it needs (Han et al. 2015, figure 6)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from laconic.base.measures import Measure
from laconic.base.sensitivities import Sensitivity, percent
from laconic.report.curves import TONES, Curve, curves, sample
from laconic.report.templates import fitted
from laconic.report.words import MISSING, decimal, decimals, figure, grouped, plain, spread


@dataclass(frozen=True)
class LayerRow:
    """One layer: the change of its score at each sparsity, and whether that is more than the allowed drop."""

    name: str
    swatch: Markup
    changes: tuple[tuple[str, bool], ...]


def render_sensitivity(found: Sensitivity, model: str, data: str, *, drop: float | None = None, recipe: str = "") -> str:
    """The page: a line and a table row a layer; names are escaped, and where layers are too many, some are left out and said to be.

    Args:
        found: what was measured.
        model: its name.
        data: their name.
        drop: the drop that is allowed, in the score's unit; cells from the first beyond it are marked.
        recipe: the line that stays within it, layer by layer; empty where there is none.
    """
    return fitted("sensitivity.html", lambda rows: _contents(found, model, data, drop, recipe, rows))


def change(amount: float, of: Measure) -> str:
    """The change of a score with its sign, in the score's own unit.

    >>> change(-0.34, Measure(97.0, "%", "", n=360)), change(0.0, Measure(97.0, "%", "", n=360))
    ('−0.3', '0.0')
    >>> change(0.01234, Measure(2.5, "bits", ""))
    '+0.0123'
    """
    if not math.isfinite(amount):
        return MISSING
    text = decimal(amount, decimals(of)) if of.unit == "%" else f"{amount:z.3g}".replace("-", "−")
    return f"+{text}" if float(text.replace("−", "-")) > 0 else text


def most_sensitive(found: Sensitivity) -> list[str]:
    """The layers, the one whose pruning costs most first: by their mean drop over all sparsities."""
    return sorted(found.scores, key=lambda layer: -_mean(found.drops(layer)))


def verdict(found: Sensitivity) -> str:
    """Which layer minds most and which least, in a sentence."""
    first, *others = most_sensitive(found)
    most = f"{plain(first, 80)} minds pruning most: {_told(found, first)} at {_share(found)} of zeros"
    return f"{most}; {plain(others[-1], 80)} minds it least ({_told(found, others[-1])})." if others else f"{most}."


def _contents(found: Sensitivity, model: str, data: str, drop: float | None, recipe: str, rows: int) -> dict[str, Any]:
    lines = _curves(found)
    kept = set(most_sensitive(found)[:rows])
    drawn = [line for line in lines if line.name in kept]
    return {
        "rows": rows,
        "model": model,
        "data": data,
        "metric": found.metric,
        "verdict": verdict(found),
        "chart": curves(
            f"{found.metric} with one layer pruned", "weights of the layer that are zero (%)", _up(found), drawn, found.before.value
        ),
        "grey": len(drawn) - TONES,
        "tones": TONES,
        "before": f"{figure(found.before)} {spread(found.before)}".strip(),
        "samples": grouped(found.before.n),
        "unit": _unit(found.before),
        "sparsities": [_nobreak(percent(sparsity)) for sparsity in found.sparsities],
        "layers": [_row(found, line, drop) for line in drawn],
        "count": len(lines),
        "drop": None if drop is None else f"{drop:g} {_unit(found.before).removesuffix('s' if drop == 1 else '')}",
        "recipe": recipe,
    }


def _curves(found: Sensitivity) -> list[Curve]:
    """A line a layer, in the order of the network; those that mind most have a tone."""
    tones = {layer: tone for tone, layer in enumerate(most_sensitive(found)[:TONES])}
    return [Curve(layer, _points(found, layer), _spoken(found, layer), tones.get(layer)) for layer in found.scores]


def _points(found: Sensitivity, layer: str) -> list[tuple[float, float]]:
    return [(100 * sparsity, score.value) for sparsity, score in zip(found.sparsities, found.scores[layer], strict=True)]


def _spoken(found: Sensitivity, layer: str) -> str:
    figures = zip(found.sparsities, found.scores[layer], strict=True)
    return ", ".join(f"{figure(score)} at {_nobreak(percent(sparsity))}" for sparsity, score in figures)


def _row(found: Sensitivity, line: Curve, drop: float | None) -> LayerRow:
    within = found.sparsities if drop is None else found.within(line.name, drop)
    changes = zip(found.sparsities, found.changes(line.name), strict=True)
    cells = tuple((change(amount, found.before), sparsity not in within) for sparsity, amount in changes)
    return LayerRow(plain(line.name, 120), sample(line), cells)


def _told(found: Sensitivity, layer: str) -> str:
    return f"{change(found.changes(layer)[-1], found.before)} {_unit(found.before)}"


def _share(found: Sensitivity) -> str:
    return _nobreak(percent(found.sparsities[-1]))


def _up(found: Sensitivity) -> str:
    return f"{found.metric} ({found.before.unit})" if found.before.unit else found.metric


def _unit(measure: Measure) -> str:
    return "points" if measure.unit == "%" else plain(measure.unit, 20)


def _nobreak(text: str) -> str:
    return text.replace(" ", "\u00a0")


def _mean(drops: Sequence[float]) -> float:
    finite = [drop for drop in drops if math.isfinite(drop)]
    return sum(finite) / len(finite) if finite else math.inf
