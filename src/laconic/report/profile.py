"""What a network's layers cost, as one HTML page that carries all it needs: the network drawn as blocks, and its layers in a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from laconic.report.blocks import Block, Kind, even, picture, square
from laconic.report.charts import percent
from laconic.report.layer_costs import QUANTITIES, RATES, Layer, Network, Pass, Quantity, Rate
from laconic.report.templates import fitted
from laconic.report.views import Tile, ranks
from laconic.report.words import MISSING, decimal, figure, grouped, plain, prefixed, spread

MARKED = 6  # layers that have their name below the picture


@dataclass(frozen=True)
class Line:
    """A row of either table: of what, (figure, share of the whole) of each quantity, and the rates; `order` places it among the others."""

    head: Markup
    words: tuple[str, ...]
    cells: tuple[tuple[str, str], ...]
    rates: tuple[str, ...] = ()
    order: str = ""


@dataclass(frozen=True)
class Largest:
    """A layer that has its name below the picture."""

    mark: str
    swatch: Markup
    name: str
    shares: str


def render_profile(network: Network) -> str:
    """The page: a block and a table row a layer; names are escaped, and where layers are too many, some are left out and said to be."""
    return fitted("profile.html", lambda rows: _contents(network, rows))


def verdict(network: Network) -> str:
    """Which kind of layer has most of the MACs, the weights, the activations and the time, in a sentence."""
    led: dict[Kind, list[str]] = {}
    for quantity, by_kind in ((one, _by_kind(network.layers, one)) for one in QUANTITIES.values()):
        whole = sum(by_kind.values())
        if whole:
            first = max(by_kind, key=by_kind.__getitem__)
            led.setdefault(first, []).append(f"{quantity.verb} {_share(by_kind[first], whole)} of the {quantity.what}")
    sentence = "; ".join(f"{kind.words} {_enumerated(shares)}" for kind, shares in led.items())
    return f"{_capital(sentence)}." if sentence else "Nothing in it multiplies, moves or holds anything."


def _contents(network: Network, rows: int) -> dict[str, Any]:
    totals = {name: sum(map(quantity.of, network.layers)) for name, quantity in QUANTITIES.items()}
    ranked = sorted(network.layers, key=lambda layer: -_greatest(layer, totals))
    kept = {id(layer) for layer in ranked[:rows]}
    shown = [layer for layer in network.layers if id(layer) in kept]
    marks = {id(layer): str(number) for number, layer in enumerate(ranked[:MARKED], 1)} if len(shown) > 1 else {}
    rates = {name: rate for name, rate in RATES.items() if any(rate.of(layer) is not None for layer in network.layers)}
    return {
        "rows": rows,
        "network": network,
        "verdict": verdict(network),
        "tiles": _tiles(network, totals),
        "picture": picture(f"{plain(network.name, 80)}, layer by layer", [_block(one, totals, marks.get(id(one), "")) for one in shown]),
        "largest": [_largest(marks[id(layer)], layer, totals) for layer in ranked if id(layer) in marks],
        "even": decimal(even(len(shown)) * len(shown), 0) if shown and totals["macs"] else "",
        "kinds": _kind_lines(network.layers, totals),
        "layers": _layer_lines(shown, totals, rates),
        "headings": [rate.heading for rate in rates.values()],
        "orders": {name: quantity.order for name, quantity in QUANTITIES.items() if totals[name]} | {n: r.order for n, r in rates.items()},
        "passes": [_pass_line(one) for one in network.passes],
        "basis": f"{figure(network.latency)} {spread(network.latency)}".strip() if network.latency else "",
    }


def _by_kind(layers: Sequence[Layer], quantity: Quantity) -> dict[Kind, float]:
    return {kind: sum(quantity.of(layer) for layer in layers if layer.kind is kind) for kind in Kind}


def _greatest(layer: Layer, totals: Mapping[str, float]) -> float:
    """The greatest of its shares, in per cent."""
    return max(percent(quantity.of(layer), totals[name]) for name, quantity in QUANTITIES.items())


def _tiles(network: Network, totals: Mapping[str, float]) -> list[Tile]:
    """How much there is of each quantity, and which layer has most of it."""
    figures = {
        "macs": ("MACs", prefixed(totals["macs"])),
        "moved": ("Activations moved", prefixed(totals["moved"], "B")),
        "weights": ("Weights", prefixed(totals["weights"], "B")),
        "time": ("Time", figure(network.latency) if network.latency else MISSING),
    }
    return [Tile(*figures[name], _most(network.layers, quantity, totals[name])) for name, quantity in QUANTITIES.items() if totals[name]]


def _most(layers: Sequence[Layer], quantity: Quantity, whole: float) -> str:
    first = max(layers, key=quantity.of)
    return f"most: {plain(first.name, 60)}, {_share(quantity.of(first), whole)}"


def _block(layer: Layer, totals: Mapping[str, float], mark: str) -> Block:
    return Block(layer.macs, layer.moved, layer.weights, layer.kind, _spoken(layer, totals), mark)


def _spoken(layer: Layer, totals: Mapping[str, float]) -> str:
    """Its name and all its figures."""
    cells = zip(QUANTITIES.values(), _cells([layer], totals), strict=True)
    figures = "; ".join(f"{text} {quantity.unit} ({share})" for quantity, (text, share) in cells if share)
    return f"{plain(layer.name, 120)}, {plain(layer.type, 60)}: {figures}"


def _largest(mark: str, layer: Layer, totals: Mapping[str, float]) -> Largest:
    shares = [f"{_share(quantity.of(layer), totals[name])} of the {quantity.what}" for name, quantity in QUANTITIES.items() if totals[name]]
    return Largest(mark, square(layer.kind), plain(layer.name, 120), ", ".join(shares))


def _kind_lines(layers: Sequence[Layer], totals: Mapping[str, float]) -> list[Line]:
    """A line for each kind that there is."""
    groups = [(kind, [layer for layer in layers if layer.kind is kind]) for kind in Kind]
    return [Line(_headed(kind), (grouped(len(own)),), _cells(own, totals)) for kind, own in groups if own]


def _layer_lines(layers: Sequence[Layer], totals: Mapping[str, float], rates: Mapping[str, Rate]) -> list[Line]:
    """A line a layer, with its place in each of the orders that the reader may choose."""
    orders = {name: [quantity.of(layer) for layer in layers] for name, quantity in QUANTITIES.items()}
    orders |= {name: [_known(rate.of(layer)) for layer in layers] for name, rate in rates.items()}
    places = {name: ranks(values) for name, values in orders.items()}
    styles = [";".join(f"--at-{name}:{own[row]}" for name, own in places.items()) for row in range(len(layers))]
    return [_layer_line(layer, totals, rates, style) for layer, style in zip(layers, styles, strict=True)]


def _known(amount: float | None) -> float:
    """What is not known comes last."""
    return -1.0 if amount is None else amount


def _layer_line(layer: Layer, totals: Mapping[str, float], rates: Mapping[str, Rate], order: str) -> Line:
    head = Markup("{} <code>{}</code>").format(square(layer.kind), plain(layer.name, 120))
    words = (plain(layer.type, 60), plain(layer.output, 40), grouped(layer.params))
    return Line(head, words, _cells([layer], totals), tuple(rate.text(layer) for rate in rates.values()), order)


def _pass_line(one: Pass) -> list[str]:
    """A batch, and what a sample of it takes."""
    return [
        grouped(one.batch),
        decimal(one.ms, 3),
        decimal(one.ms / one.batch, 3),
        _share(one.conv, 100),
        _share(one.fc, 100),
        decimal(one.intensity, 1),
        prefixed(one.peak, "B"),
        MISSING if one.energy is None else decimal(one.energy / one.batch, 2),
    ]


def _headed(kind: Kind) -> Markup:
    return Markup("{} {}").format(square(kind), _capital(kind.words))


def _cells(layers: Sequence[Layer], totals: Mapping[str, float]) -> tuple[tuple[str, str], ...]:
    """Figure and share of each quantity that these layers have together."""
    amounts = {name: sum(map(quantity.of, layers)) for name, quantity in QUANTITIES.items()}
    return tuple(
        (quantity.figure(amounts[name]), _share(amounts[name], totals[name])) if totals[name] else (MISSING, "")
        for name, quantity in QUANTITIES.items()
    )


def _share(part: float, whole: float) -> str:
    """Per cent, with a decimal where it is near none or all.

    >>> [_share(part, 1000).replace("\u00a0", " ") for part in (333, 33, 998, 1000)]
    ['33 %', '3.3 %', '99.8 %', '100 %']
    """
    share = percent(part, whole)
    return f"{decimal(share, 0 if 9.95 <= share < 99.5 or share == 100 else 1)}\u00a0%"


def _enumerated(words: Sequence[str]) -> str:
    """Words with commas, and an "and" before the last.

    >>> _enumerated(["a"]), _enumerated(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return " and ".join([*filter(None, [", ".join(words[:-1])]), *words[-1:]])


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
