"""`laconic run`: what a network says to an image, or to a batch of samples."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from laconic.base.errors import UsageError
from laconic.cli.options import File, Json
from laconic.cli.terminal import show, show_json, sides, table, verdict

if TYPE_CHECKING:
    import numpy as np

Input = Annotated[Path, typer.Argument(metavar="INPUT", help="An image, or a .npy file of raw samples.", show_default=False)]
Top = Annotated[int, typer.Option(min=1, help="How many classes to name for each sample.")]


def run(file: File, samples: Input, top: Top = 5, as_json: Json = False) -> None:
    """Run a file on an image or on a batch of samples.

    Samples are raw: they first go through the preprocessing that the file stores. Images are converted and resized to its shape.
    """
    from laconic.cli.samples import read_samples
    from laconic.runtime import load

    session = load(file)
    outputs = session(read_samples(samples, session.notes.preprocessing, session.sample_shape))
    if outputs.ndim != 2:
        raise UsageError(
            f"the outputs have shape {sides(outputs.shape)} and name no classes",
            hint=f"laconic.load({file.name!r})(inputs) gives them as an array",
        )
    found = [_ranked(row, session.notes.classes, top) for row in outputs]
    if as_json:
        show_json({"file": str(file), "input": str(samples), "samples": found})
    elif len(found) == 1:
        show(_one(found[0]), "", verdict(f"{samples.name} is {found[0][0]['class']} ({found[0][0]['probability']:.1%})."))
    else:
        show(_many(found))


def _ranked(row: "np.ndarray", names: tuple[str, ...], top: int) -> list[dict[str, Any]]:
    """The classes of greatest output, best first, with the softmax of the outputs as their probability."""
    import numpy as np

    weights = np.exp(row.astype(np.float64) - row.max())
    probabilities = weights / weights.sum()
    best = np.argsort(-row, kind="stable")[:top]
    return [
        {"class": names[i] if i < len(names) else str(i), "number": int(i), "probability": float(probabilities[i]), "output": float(row[i])}
        for i in best
    ]


def _one(ranked: list[dict[str, Any]]) -> Table:
    rows = [(entry["class"], f"{entry['probability']:.1%}", f"{entry['output']:.4g}") for entry in ranked]
    return table("class", "probability", "output", rows=rows)


def _many(found: list[list[dict[str, Any]]]) -> Table:
    said = [[f"{entry['class']} ({entry['probability']:.1%})" for entry in ranked] for ranked in found]
    rows = [(str(number), best, ", ".join(others)) for number, (best, *others) in enumerate(said)]
    return table("sample", "class", "then", rows=rows, words=2)
