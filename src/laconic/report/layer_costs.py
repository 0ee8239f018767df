"""What the page of a profile is told: a network's layers, what each has a share of, what each runs at, and the whole on other batches."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from laconic.base.measures import Measure
from laconic.report.blocks import Kind
from laconic.report.words import MISSING, decimal, grouped


@dataclass(frozen=True)
class Layer:
    """One layer, over all its calls in a forward pass of the whole batch.

    Args:
        name: in the model.
        type: the name of its class.
        kind: which inputs each of its outputs is a sum of.
        output: the shape that leaves, as text.
        params: its parameters, without those that an earlier layer shares with it.
        macs: multiply-adds by its weights.
        moved: bytes of the tensors that enter and leave.
        weights: bytes of the parameters that it reads.
        ms: median latency; None where it was not timed.
        nonzero: share of the values that enter it that are not zero, 0 … 1; None where no samples were given.
        effective: multiply-adds of which neither factor is zero, were zeros spread evenly; None where no samples were given.
        intensity: operations for each byte that moves, two of them a MAC; 0 where nothing is multiplied.
        roof: per cent of what this machine allows such an intensity; None where that is not known.
    """

    name: str
    type: str
    kind: Kind
    output: str
    params: int
    macs: int
    moved: int
    weights: int
    ms: float | None = None
    nonzero: float | None = None
    effective: int | None = None
    intensity: float = 0.0
    roof: float | None = None


@dataclass(frozen=True)
class Pass:
    """A forward pass of the whole network on one batch.

    Args:
        batch: samples in it.
        ms: median latency.
        conv, fc: shares of the layers' time that convolutions and fully connected layers take, in per cent.
        intensity: operations for each byte that the layers move.
        peak: most bytes of activations that are alive at once.
        energy: mJ; None where it is not known.
    """

    batch: int
    ms: float
    conv: float
    fc: float
    intensity: float
    peak: int
    energy: float | None = None


@dataclass(frozen=True)
class Network:
    """A network's cost on a batch.

    Args:
        name: of the model.
        sample: shape of one sample, as text.
        batch: samples in the batch.
        layers: in the order in which they run.
        latency: of the whole forward pass; None where it was not timed.
        notes: sentences on what else is known.
        passes: the network on this batch and on others, where it was asked for several.
    """

    name: str
    sample: str
    batch: int
    layers: tuple[Layer, ...]
    latency: Measure | None = None
    notes: tuple[str, ...] = ()
    passes: tuple[Pass, ...] = ()


@dataclass(frozen=True)
class Quantity:
    """What layers have shares of.

    Args:
        what: a share of what.
        verb: what layers do with it.
        unit: what stands behind a figure.
        order: what the reader chooses to have the greatest first.
        of: how much of it a layer has.
        digits: decimals of a figure.
    """

    what: str
    verb: str
    unit: str
    order: str
    of: Callable[[Layer], float]
    digits: int = 0

    def figure(self, amount: float) -> str:
        """An amount, without its unit."""
        return decimal(amount, self.digits) if self.digits else grouped(amount)


QUANTITIES: Mapping[str, Quantity] = {
    "macs": Quantity("MACs", "do", "MACs", "MACs", lambda layer: layer.macs),
    "moved": Quantity("bytes of activations", "move", "bytes of activations", "activation bytes", lambda layer: layer.moved),
    "weights": Quantity("bytes of weights", "hold", "bytes of weights", "weight bytes", lambda layer: layer.weights),
    "time": Quantity("layers' time", "take", "ms", "milliseconds", lambda layer: layer.ms or 0.0, digits=3),
}


@dataclass(frozen=True)
class Rate:
    """What a layer runs at, which is no share of anything.

    Args:
        heading: of its column.
        order: what the reader chooses to have the greatest first.
        of: the layer's figure; None where it is not known.
        unit: what stands behind the figure.
        digits: its decimals.
    """

    heading: str
    order: str
    of: Callable[[Layer], float | None]
    unit: str = ""
    digits: int = 0

    def text(self, layer: Layer) -> str:
        """The figure as it stands in the table."""
        found = self.of(layer)
        return MISSING if found is None else f"{decimal(found, self.digits) if self.digits else grouped(round(found))}{self.unit}"


RATES: Mapping[str, Rate] = {
    "nonzero": Rate("Inputs not zero", "inputs not zero", lambda one: None if one.nonzero is None else 100 * one.nonzero, "\u00a0%"),
    "effective": Rate("MACs not by zero", "MACs not by zero", lambda layer: layer.effective),
    "intensity": Rate("FLOP a byte", "FLOP a byte", lambda layer: layer.intensity if layer.macs else None, digits=1),
    "roof": Rate("Of the roof", "share of the roof", lambda layer: layer.roof, "\u00a0%"),
}
