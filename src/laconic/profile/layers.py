"""What a profile holds: one row per layer, and the totals of the whole model. Plain values, ready for `dataclasses.asdict`."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from laconic.base.measures import Measure
from laconic.profile.roofline import Roofline


@dataclass(frozen=True)
class LayerProfile:
    """One layer, over all its calls in one forward pass of the whole batch.

    Args:
        name: its name in the model.
        kind: the name of its class.
        family: "conv", "fc", "free" (no multiplication by a weight worth counting) or "unknown".
        input_shape: shape of the first tensor of its first call, with the batch; empty if it was never called.
        output_shape: likewise, of what it returned.
        params: its parameters, without those that an earlier layer shares with it.
        macs: multiply-adds by its weights; 0 for an unknown family.
        bytes_in: bytes of all tensors that entered.
        bytes_out: bytes of all tensors that left.
        calls: how often the forward pass went through it; 0 for an unused layer, or one whose weights its parent uses directly.
        weight_bytes: bytes of the parameters that one call reads.
        weight_density: share of its weights that are not zero.
        input_density: share of the values that enter it that are not zero; `None` where no samples were given.
        latency: ms, all its calls together; `None` when only counted.
        connectivity: which inputs its outputs are sums of: "full", "pointwise", "grouped", "linear" or "other".
    """

    name: str
    kind: str
    family: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    params: int
    macs: int
    bytes_in: int
    bytes_out: int
    calls: int
    weight_bytes: int = 0
    weight_density: float = 1.0
    input_density: float | None = None
    latency: Measure | None = None
    connectivity: str = "other"

    @property
    def effective_macs(self) -> int | None:
        """MACs of which neither factor is zero, were zeros spread evenly: weight density × input density × MACs (Han et al. 2015)."""
        return None if self.input_density is None else round(self.macs * self.weight_density * self.input_density)

    @property
    def moved_bytes(self) -> int:
        """What has to come from memory or go there when nothing is in a cache: inputs, outputs, and the parameters at each call."""
        return self.bytes_in + self.bytes_out + self.calls * self.weight_bytes

    @property
    def intensity(self) -> float:
        """Operations (two a MAC) for each byte that moves; 0 where nothing is multiplied."""
        return 2 * self.macs / self.moved_bytes if self.moved_bytes else 0.0


@dataclass(frozen=True)
class Share:
    """What one family of layers takes of the whole, in per cent; `time` is its part of the layers' summed latencies."""

    params: float
    macs: float
    time: float | None


@dataclass(frozen=True)
class Profile:
    """A model's cost on a batch.

    Args:
        sample_shape: one sample, without the batch.
        batch: samples in the batch; MACs and bytes are for all of them.
        layers: in the order of their first call, then those that hold parameters but were never called.
        params: all parameters, shared ones once.
        macs: the layers' MACs.
        outside_macs: multiply-adds that the model's own code does beside its layers (attention's products, `F.conv2d`), as
            torch's FlopCounterMode sees them; not in `macs`.
        activation_bytes: bytes that the layers put out.
        peak_bytes: most bytes of activations that are alive at once, the sample included, as torch's eager mode runs the model.
        peak_layer: the layer at work then; empty where it is the model's own code.
        latency: ms of the whole forward pass, measured on the whole and not summed; `None` when only counted.
        between: ms of the forward pass outside of all layers: the model's own code, such as additions and `F.relu`.
        energy: mJ of the forward pass; estimated where the processor has no counter to read. `None` when only counted.
        roofline: this machine's ceilings; `None` when only counted.
        conv: the convolutions' share.
        fc: the fully-connected layers' share.
        unknown: names of parameter-holding modules whose MACs this profiler has no formula for: `macs` leaves them out.
    """

    sample_shape: tuple[int, ...]
    batch: int
    layers: tuple[LayerProfile, ...]
    params: int
    macs: int
    outside_macs: int
    activation_bytes: int
    peak_bytes: int
    peak_layer: str
    latency: Measure | None
    between: Measure | None
    energy: Measure | None
    roofline: Roofline | None
    conv: Share
    fc: Share
    unknown: tuple[str, ...]

    @property
    def effective_macs(self) -> int | None:
        """Of all layers; `None` where no samples were given."""
        known = [layer.effective_macs for layer in self.layers if layer.macs]
        return None if None in known else sum(macs for macs in known if macs is not None)

    @property
    def intensity(self) -> float:
        """Operations (two a MAC) for each byte that the layers move; 0 where nothing moves."""
        moved = sum(layer.moved_bytes for layer in self.layers)
        return 2 * self.macs / moved if moved else 0.0

    @property
    def summed(self) -> float | None:
        """ms of all layers and of what is between them: close to `latency`, or the clock is not to be trusted."""
        return None if self.between is None else _milliseconds(self.layers) + self.between.value

    def efficiency(self, layer: LayerProfile) -> float | None:
        """Share of what the roofline allows the layer that it reaches, in per cent; `None` where nothing is multiplied or timed."""
        if self.roofline is None or layer.latency is None or not layer.macs or not layer.latency.value:
            return None
        reached = 2 * layer.macs / layer.latency.value / 1e6
        return 100 * reached / self.roofline.attainable(layer.intensity)

    def rows(self) -> list[dict[str, Any]]:
        """One row (column → value) per layer, for tables; latency in ms. What was not measured is not in it."""
        return [{name: value for name, value in self._row(layer).items() if value is not None} for layer in self.layers]

    def _row(self, layer: LayerProfile) -> dict[str, Any]:
        return {
            "layer": layer.name,
            "kind": layer.kind,
            "input": _sides(layer.input_shape),
            "output": _sides(layer.output_shape),
            "params": layer.params,
            "MACs": layer.macs,
            "effective MACs": layer.effective_macs,
            "bytes in": layer.bytes_in,
            "bytes out": layer.bytes_out,
            "FLOP a byte": round(layer.intensity, 2),
            "ms": layer.latency.value if layer.latency else None,
            "% of the roofline": self.efficiency(layer),
        }


def _sides(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def share_of(family: str, layers: Iterable[LayerProfile]) -> Share:
    """What the layers of one family take of all these layers."""
    everything = list(layers)
    chosen = [layer for layer in everything if layer.family == family]
    return Share(
        _percent(sum(layer.params for layer in chosen), sum(layer.params for layer in everything)),
        _percent(sum(layer.macs for layer in chosen), sum(layer.macs for layer in everything)),
        _percent(_milliseconds(chosen), _milliseconds(everything)) if any(layer.latency for layer in everything) else None,
    )


def _milliseconds(layers: Iterable[LayerProfile]) -> float:
    return sum(layer.latency.value for layer in layers if layer.latency)


def _percent(part: float, whole: float) -> float:
    return 100 * part / whole if whole else 0.0
