"""`laconic profile`: where a model's parameters, multiplications, bytes, milliseconds and joules are."""

from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from laconic.base.errors import UsageError
from laconic.cli.options import Input, Json, Mean, Model, Std, Weights, read_sample
from laconic.cli.targets import check_file
from laconic.cli.terminal import found_in, grouped, show, show_json, sides, table, verdict

if TYPE_CHECKING:
    import numpy as np

    from laconic.cli.options import Sample
    from laconic.profile import LayerProfile, Profile, Share

SAMPLES = 64  # of the data, to count zeros in
MIB = 1 << 20


class Order(StrEnum):
    """What layers can be ordered by, greatest first."""

    PARAMS = "params"
    MACS = "macs"
    BYTES = "bytes"
    INTENSITY = "intensity"
    LATENCY = "latency"


Sort = Annotated[Order | None, typer.Option("--sort", help="Greatest first; without it, in the order in which they run.")]
Batch = Annotated[str, typer.Option(metavar="N[,N…]", help="Samples in the batch; with several, a line for each.")]
DataOption = Annotated[str | None, typer.Option("--data", metavar="DATA", help="To count how many activations are zero.")]

Tokens = Annotated[
    bool, typer.Option("--tokens", help="The network reads whole numbers, as those of words; so it does where --data has such.")
]
Page = Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Draw the layers on a page (HTML).", show_default=False)]


def profile(
    model: Model,
    shape: Input = None,
    weights: Weights = None,
    data: DataOption = None,
    mean: Mean = None,
    std: Std = None,
    batch: Batch = "1",
    tokens: Tokens = False,
    sort: Sort = None,
    output: Page = None,
    as_json: Json = False,
) -> None:
    """Count a model's parameters, MACs and bytes; time its layers.

    The table's bytes are those that a layer moves, its roof is what this machine could do at best with them.

    Latency is measured in evaluation mode on one thread. MACs and bytes are for the whole batch.

    The page shows the network as blocks, one a layer: as wide as its MACs, as high as its activations, as deep as its weights; with
    several batches, the layers on the first, and a line for each.
    """
    from laconic.cli.blocks import draw
    from laconic.cli.opening import needed_shape
    from laconic.cli.progress import at_work
    from laconic.profile import profile as measure
    from laconic.zoo.checkpoint import load_weights
    from laconic.zoo.reference import build_model

    said, batches = read_sample(shape, mean, std), read_batches(batch)
    check_file(output)
    with at_work() as progress:
        network = build_model(model, sample_shape=said.shape)
        network = network if weights is None else load_weights(network, weights)
        sample = needed_shape(model, said.shape)
        inputs = None if data is None else _inputs(data, model, said)
        dtype = "int64" if tokens or (inputs is not None and inputs.dtype.kind == "i") else "float32"
        found: list[Profile] = []
        for samples in batches:
            progress("profile", len(found) / len(batches), f"{model} on {samples} × {sides(sample)}")
            found.append(measure(network, sample, batch=samples, dtype=dtype, samples=inputs))
    if output is not None:
        draw(output, model, found, _notes(found[0]))
    if as_json:
        show_json(_json(model, found, sort) | {"page": None if output is None else str(output)})
    else:
        told = [_by_batch(found)] if len(found) > 1 else _one(model, found[0], sort)
        show(*told, *([found_in("The page", output)] if output else []))


def read_batches(word: str) -> tuple[int, ...]:
    """Whole numbers from 1 with commas between them.

    Raises:
        UsageError: something else.

    >>> read_batches("1,32")
    (1, 32)
    """
    words = word.split(",")
    if not all(size.isascii() and size.isdigit() and int(size) > 0 for size in words):
        raise UsageError(f"{word!r} is no batch size", where="--batch", hint="a whole number from 1, or several: --batch 1,8,32")
    return tuple(map(int, words))


def _inputs(data: str, model: str, said: "Sample") -> "np.ndarray":
    """A few of the validation split's samples, as the network takes them."""
    from laconic.cli.opening import open_data

    opened = open_data(data, model, said, checkpoint=False)
    return opened.preprocessing.apply(opened.validation.inputs[:SAMPLES])


def _one(model: str, found: "Profile", sort: Order | None) -> list[Any]:
    return [_table(_sorted(found, sort), found), "", verdict(_sentence(model, found)), *_notes(found)]


def _sorted(found: "Profile", order: Order | None) -> list["LayerProfile"]:
    return list(found.layers) if order is None else sorted(found.layers, key=lambda layer: _cost(layer, order), reverse=True)


def _cost(layer: "LayerProfile", order: Order) -> float:
    match order:
        case Order.PARAMS:
            return layer.params
        case Order.MACS:
            return layer.macs
        case Order.BYTES:
            return layer.moved_bytes
        case Order.INTENSITY:
            return layer.intensity
        case Order.LATENCY:
            return _milliseconds(layer)


def _milliseconds(layer: "LayerProfile") -> float:
    return layer.latency.value if layer.latency else 0.0


def _json(model: str, found: Sequence["Profile"], sort: Order | None) -> dict[str, Any]:
    """The first batch's profile; where there are more, all of them as well."""
    whole = [
        asdict(one)
        | {
            "model": model,
            "layers": [_layer_json(layer, one) for layer in _sorted(one, sort)],
            "effective_macs": one.effective_macs,
            "summed_ms": one.summed,
        }
        for one in found
    ]
    return whole[0] | ({"batches": whole} if len(whole) > 1 else {})


def _layer_json(layer: "LayerProfile", found: "Profile") -> dict[str, Any]:
    derived = {"effective_macs": layer.effective_macs, "moved_bytes": layer.moved_bytes, "intensity": layer.intensity}
    return asdict(layer) | derived | {"roofline_percent": found.efficiency(layer)}


def _table(layers: Sequence["LayerProfile"], found: "Profile") -> Table:
    counted = found.effective_macs is not None
    rows = [_row(layer, found, counted) for layer in layers]
    if found.between:
        rows.append(("between", *[""] * (7 if counted else 6), f"{found.between.value:.3f}", ""))
    whole = found.latency.value if found.latency else 0.0
    effective = (grouped(found.effective_macs or 0),) if counted else ()
    moved = sum(layer.moved_bytes for layer in layers)
    total = ("whole", "", "", grouped(found.params), grouped(found.macs), *effective, grouped(moved), "", f"{whole:.3f}", "")
    headings = ("kind", "output", "params", "MACs", *(("not by zero",) if counted else ()), "bytes", "FLOP/B", "ms", "roof")
    return table("layer", *headings, rows=[*rows, total], words=2)


def _row(layer: "LayerProfile", found: "Profile", counted: bool) -> tuple[str, ...]:
    efficiency = found.efficiency(layer)
    return (
        layer.name,
        layer.kind,
        sides(layer.output_shape[1:]) if layer.output_shape else "",
        grouped(layer.params),
        grouped(layer.macs),
        *((grouped(layer.effective_macs or 0),) if counted else ()),
        grouped(layer.moved_bytes),
        f"{layer.intensity:.1f}" if layer.macs else "",
        f"{_milliseconds(layer):.3f}",
        "" if efficiency is None else f"{efficiency:.0f} %",
    )


def _by_batch(found: Sequence["Profile"]) -> Table:
    rows = [
        (
            str(one.batch),
            f"{one.latency.value:.3f}" if one.latency else "",
            f"{one.latency.value / one.batch:.3f}" if one.latency else "",
            f"{one.conv.time or 0:.0f} %",
            f"{one.fc.time or 0:.0f} %",
            f"{one.intensity:.1f}",
            f"{one.peak_bytes / MIB:.2f}",
            f"{one.energy.value / one.batch:.3g}" if one.energy else "",
        )
        for one in found
    ]
    return table("batch", "ms", "ms a sample", "conv", "fc", "FLOP/B", "peak MiB", "mJ a sample", rows=rows)


def _sentence(model: str, found: "Profile") -> str:
    parts = [f"{model}: {grouped(found.params)} parameters, {grouped(found.macs)} MACs"]
    parts += [f"{found.latency} for a batch of {found.batch}, on one thread"] if found.latency else []
    return ", ".join(parts) + "."


def _notes(found: "Profile") -> list[str]:
    notes = [f"Convolutions take {_share(found.conv)}; fully connected layers take {_share(found.fc)}."]
    at = f", when {found.peak_layer} runs" if found.peak_layer else ""
    notes += [f"At most {grouped(found.peak_bytes)} bytes of activations are alive at once{at}."]
    if found.roofline:
        ridge = f"; a layer of fewer than {found.roofline.ridge:.0f} FLOP a byte waits for memory"
        notes += [f"This machine multiplies at {found.roofline.compute} and copies at {found.roofline.bandwidth}{ridge}."]
    if any((found.efficiency(layer) or 0) > 100 for layer in found.layers):
        notes += ["Above 100 % of the roof, what moved came from a cache and not from memory."]
    notes += [f"A pass takes {found.energy}, {found.energy.how}."] if found.energy else []
    notes += [f"{grouped(found.outside_macs)} more MACs are done outside of layers, by the model's own code."] if found.outside_macs else []
    notes += [f"No formula for the MACs of {', '.join(found.unknown)}: they are left out."] if found.unknown else []
    return notes


def _share(share: "Share") -> str:
    return f"{share.params:.0f} % of the parameters, {share.macs:.0f} % of the MACs and {share.time or 0:.0f} % of the layers' time"
