"""`laconic pack`: anything with weights becomes a file, as it is."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from laconic.cli.options import Input, Json, Mean, Output, Std, Weights, read_sample
from laconic.cli.targets import check_file
from laconic.cli.terminal import complain, show, show_json, sides, size, table, times, verdict

if TYPE_CHECKING:
    from laconic.artifact import Artifact

Source = Annotated[
    str, typer.Argument(metavar="ANY", help="MODEL, an ONNX file, a checkpoint (.safetensors, .pt, .pth, .th) or arrays (.npz).")
]


def pack(
    source: Source, output: Output, weights: Weights = None, shape: Input = None, mean: Mean = None, std: Std = None, as_json: Json = False
) -> None:
    """Write a model, a checkpoint or arrays as a .lac file.

    They are packed as they are: not a bit of any weight is changed. Few different values, multiples of a step and zeros are
    found by looking at the weights, and cost little.
    """
    from laconic.artifact import write
    from laconic.artifact.files import identity
    from laconic.cli.packing import artifact_of
    from laconic.cli.progress import at_work

    sample = read_sample(shape, mean, std)
    check_file(output)
    with at_work() as progress:
        progress("pack", 0.0, source)
        artifact = artifact_of(source, weights, sample)
        content = write(output, artifact)
    if artifact.graph is None:
        complain(f"the file holds weights and their names, but no graph: {artifact.notes.reason}", "warning")
    raw = sum(form.array().nbytes for form in {id(form): form for form in artifact.tensors.values()}.values())
    if as_json:
        told = {"file": str(output), "bytes": len(content), "sha256": identity(content), "decoded_bytes": raw}
        forms = {name: form.kind for name, form in artifact.tensors.items()}
        show_json(told | {"graph": artifact.graph is not None, "forms": forms})
    else:
        sentence = f"{output}: {size(len(content))} for {size(raw)} of weights ({_change(raw, len(content))})."
        show(_tensors(artifact), "", verdict(sentence), f"sha256 {identity(content)}")


def _tensors(artifact: "Artifact") -> Table:
    rows = [(name, form.kind, sides(form.shape), form.dtype.name) for name, form in artifact.tensors.items()]
    return table("tensor", "form", "shape", "type", rows=rows, words=3)


def _change(before: int, after: int) -> str:
    return f"{times(before / after)} smaller" if before > after else f"{times(after / max(before, 1))} larger"
