"""`laconic pack`: anything with weights becomes a file, as it is."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from laconic.cli.options import Input, Json, Mean, Output, Profile, ProfileWord, Std, Weights, read_sample
from laconic.cli.targets import check_file
from laconic.cli.terminal import complain, show, show_json, sides, size, table, times, verdict

if TYPE_CHECKING:
    from laconic.artifact import Layout

Source = Annotated[
    str, typer.Argument(metavar="ANY", help="MODEL, an ONNX file, a checkpoint (.safetensors, .pt, .pth, .th) or arrays (.npz).")
]
Size = Annotated[int | None, typer.Option("--size", min=1, metavar="BYTES", help="Of the file, at most; needs --data.")]
Drop = Annotated[float | None, typer.Option(min=0, metavar="POINTS", help="That the accuracy may fall, at most; needs --data.")]
DataWord = Annotated[str | None, typer.Option("--data", metavar="DATA", help="Samples to calibrate on, with labels for --drop.")]


def pack(
    source: Source,
    output: Output,
    weights: Weights = None,
    size_wanted: Size = None,
    drop: Drop = None,
    data: DataWord = None,
    profile: Profile = ProfileWord.AUTO,
    shape: Input = None,
    mean: Mean = None,
    std: Std = None,
    as_json: Json = False,
) -> None:
    """Write a model, a checkpoint or arrays as a .lac file.

    They are packed as they are: not a bit of any weight is changed. Few different values, multiples of a step and zeros are
    found by looking at the weights, and cost little. Archives and .safetensors are read tensor by tensor, however large they are.

    With --size or --drop, the weights of a MODEL are put on grids that are as coarse as that allows, chosen from samples of --data;
    nothing is trained. --size needs no labels.

    laconic pack model.onnx --data npz:samples.npz --size 60000 -o small.lac
    """
    from laconic.artifact import layout, read, write
    from laconic.cli.packing import artifact_of, lossy_artifact_of, read_target
    from laconic.cli.progress import at_work

    sample = read_sample(shape, mean, std)
    check_file(output)
    with at_work() as progress:
        progress("pack", 0.0, source)
        if size_wanted is None and drop is None:
            artifact = artifact_of(source, weights, sample)
        else:
            artifact = lossy_artifact_of(source, weights, sample, data, read_target(size_wanted, drop, data), progress)
        written = write(output, artifact, profile=profile.value, progress=progress)
    if artifact.graph is None:
        complain(f"the file holds weights and their names, but no graph: {artifact.notes.reason}", "warning")
    found = layout(read(output))
    raw = sum(entry.size * entry.width for entry in found.entries if entry.form != "tied")
    if as_json:
        told = {"file": str(output), "bytes": written.bytes, "sha256": written.sha256, "decoded_bytes": raw}
        show_json(told | {"graph": artifact.graph is not None, "forms": _forms(found)})
    else:
        sentence = f"{output}: {size(written.bytes)} for {size(raw)} of weights ({_change(raw, written.bytes)})."
        show(_tensors(found), "", verdict(sentence), f"sha256 {written.sha256}")


def _forms(found: "Layout") -> dict[str, str]:
    """Name → Form; of a tied tensor, that of the one that it is tied to."""
    return {entry.name: (entry if entry.tied_to < 0 else found.entries[entry.tied_to]).form for entry in found.entries}


def _tensors(found: "Layout") -> Table:
    forms = _forms(found)
    rows = [(entry.name, forms[entry.name], sides(entry.shape), entry.dtype) for entry in found.entries]
    return table("tensor", "form", "shape", "type", rows=rows, words=3)


def _change(before: int, after: int) -> str:
    return f"{times(before / after)} smaller" if before > after else f"{times(after / max(before, 1))} larger"
