"""What a profile holds: one row per layer, and the totals of the whole model. Plain values, ready for `dataclasses.asdict`."""

from collections.abc import Iterable
from dataclasses import dataclass

from laconic.base.measures import Measure


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
        latency: ms, all its calls together; `None` when only counted.
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
    latency: Measure | None = None


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
        latency: ms of the whole forward pass, measured on the whole and not summed; `None` when only counted.
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
    latency: Measure | None
    conv: Share
    fc: Share
    unknown: tuple[str, ...]

    def rows(self) -> list[dict[str, str | int | float]]:
        """One row (column → value) per layer, for tables; latency in ms."""
        return [_row(layer) for layer in self.layers]


def _row(layer: LayerProfile) -> dict[str, str | int | float]:
    row: dict[str, str | int | float] = {
        "layer": layer.name,
        "kind": layer.kind,
        "input": _sides(layer.input_shape),
        "output": _sides(layer.output_shape),
        "params": layer.params,
        "MACs": layer.macs,
        "bytes in": layer.bytes_in,
        "bytes out": layer.bytes_out,
    }
    return row if layer.latency is None else {**row, "ms": layer.latency.value}


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
