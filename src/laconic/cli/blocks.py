"""A profile as the plain values that the report draws."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from laconic.base.files import write_atomically
from laconic.cli.terminal import sides
from laconic.report.blocks import Kind
from laconic.report.layer_costs import Layer, Network, Pass
from laconic.report.profile import render_profile

if TYPE_CHECKING:
    from laconic.profile import LayerProfile, Profile


def draw(page: Path, model: str, found: Sequence["Profile"], notes: Sequence[str]) -> None:
    """Write the page of a model's profile: its layers on the first batch, and a line for each where there are several.

    Args:
        page: the file.
        model: its name.
        found: what was counted and timed, a batch after the other.
        notes: sentences to put below the table.

    Raises:
        ResourceError: the file cannot be written.
    """
    first = found[0]
    layers = tuple(_layer(layer, first) for layer in first.layers)
    passes = tuple(map(_pass, found)) if len(found) > 1 else ()
    network = Network(model, sides(first.sample_shape), first.batch, layers, first.latency, tuple(notes), passes)
    write_atomically(page, render_profile(network).encode())


def _pass(one: "Profile") -> Pass:
    return Pass(
        batch=one.batch,
        ms=one.latency.value if one.latency else 0.0,
        conv=one.conv.time or 0.0,
        fc=one.fc.time or 0.0,
        intensity=one.intensity,
        peak=one.peak_bytes,
        energy=one.energy.value if one.energy else None,
    )


def _layer(layer: "LayerProfile", found: "Profile") -> Layer:
    return Layer(
        name=layer.name,
        type=layer.kind,
        kind=Kind(layer.connectivity),
        output=sides(layer.output_shape[1:]) if layer.output_shape else "",
        params=layer.params,
        macs=layer.macs,
        moved=layer.bytes_in + layer.bytes_out,
        weights=layer.weight_bytes,
        ms=layer.latency.value if layer.latency else None,
        nonzero=layer.input_density,
        effective=layer.effective_macs if layer.macs else None,
        intensity=layer.intensity,
        roof=found.efficiency(layer),
    )
