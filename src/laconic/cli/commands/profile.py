"""`laconic profile`: where a model's parameters, multiplications and milliseconds are."""

from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from laconic.cli.options import Input, Json, Model, read_shape
from laconic.cli.terminal import grouped, show, show_json, sides, table, verdict

if TYPE_CHECKING:
    from laconic.profile import LayerProfile, Profile, Share


class Order(StrEnum):
    """What layers can be ordered by, greatest first."""

    PARAMS = "params"
    MACS = "macs"
    LATENCY = "latency"


Sort = Annotated[Order | None, typer.Option("--sort", help="Greatest first; without it, in the order in which they run.")]
Batch = Annotated[int, typer.Option(min=1, help="Samples in the batch.")]


def profile(model: Model, shape: Input = None, batch: Batch = 1, sort: Sort = None, as_json: Json = False) -> None:
    """Count a model's parameters, MACs and bytes; time its layers.

    Latency is measured in evaluation mode on one thread. MACs and bytes are for the whole batch.
    """
    from laconic.cli.opening import needed_shape
    from laconic.cli.progress import at_work
    from laconic.profile import profile as measure
    from laconic.zoo.reference import build_model

    said = read_shape(shape)
    with at_work() as progress:
        network = build_model(model, sample_shape=said)
        sample = needed_shape(model, said)
        progress("profile", 0.0, f"{model} on {batch} × {sides(sample)}")
        found = measure(network, sample, batch=batch)
    layers = list(found.layers) if sort is None else sorted(found.layers, key=lambda layer: _cost(layer, sort), reverse=True)
    if as_json:
        show_json(asdict(found) | {"model": model, "layers": [asdict(layer) for layer in layers]})
    else:
        show(_table(layers, found), "", verdict(_sentence(model, found)), *_notes(found))


def _cost(layer: "LayerProfile", order: Order) -> float:
    return {Order.PARAMS: layer.params, Order.MACS: layer.macs, Order.LATENCY: _milliseconds(layer)}[order]


def _milliseconds(layer: "LayerProfile") -> float:
    return layer.latency.value if layer.latency else 0.0


def _table(layers: list["LayerProfile"], found: "Profile") -> Table:
    rows = [
        (
            layer.name,
            layer.kind,
            sides(layer.output_shape[1:]) if layer.output_shape else "",
            grouped(layer.params),
            grouped(layer.macs),
            grouped(layer.bytes_out),
            f"{_milliseconds(layer):.3f}",
        )
        for layer in layers
    ]
    whole = found.latency.value if found.latency else 0.0
    total = ("whole", "", "", grouped(found.params), grouped(found.macs), grouped(found.activation_bytes), f"{whole:.3f}")
    return table("layer", "kind", "output", "params", "MACs", "bytes out", "ms", rows=[*rows, total], words=2)


def _sentence(model: str, found: "Profile") -> str:
    parts = [f"{model}: {grouped(found.params)} parameters, {grouped(found.macs)} MACs"]
    parts += [f"{found.latency} for a batch of {found.batch}, on one thread"] if found.latency else []
    return ", ".join(parts) + "."


def _notes(found: "Profile") -> list[str]:
    notes = [f"Convolutions take {_share(found.conv)}; fully connected layers take {_share(found.fc)}."]
    notes += [f"{grouped(found.outside_macs)} more MACs are done outside of layers, by the model's own code."] if found.outside_macs else []
    notes += [f"No formula for the MACs of {', '.join(found.unknown)}: they are left out."] if found.unknown else []
    return notes


def _share(share: "Share") -> str:
    return f"{share.params:.0f} % of the parameters, {share.macs:.0f} % of the MACs and {share.time or 0:.0f} % of the layers' time"
