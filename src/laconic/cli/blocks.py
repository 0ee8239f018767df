"""A profile as the plain values that the report draws."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from laconic.base.files import write_atomically
from laconic.cli.terminal import sides
from laconic.report.blocks import Kind
from laconic.report.profile import Layer, Network, render_profile

if TYPE_CHECKING:
    from laconic.profile import LayerProfile, Profile


def draw(page: Path, model: str, found: "Profile", notes: Sequence[str]) -> None:
    """Write the page of a model's profile.

    Args:
        page: the file.
        model: its name.
        found: what was counted and timed.
        notes: sentences to put below the table.

    Raises:
        ResourceError: the file cannot be written.
    """
    layers = tuple(map(_layer, found.layers))
    network = Network(model, sides(found.sample_shape), found.batch, layers, found.latency, tuple(notes))
    write_atomically(page, render_profile(network).encode())


def _layer(layer: "LayerProfile") -> Layer:
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
    )
