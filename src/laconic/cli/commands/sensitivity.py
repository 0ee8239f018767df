"""`laconic sensitivity`: which layers mind it when they are pruned."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from laconic.base.errors import DataError, UsageError
from laconic.cli.commands.compress import DataWord
from laconic.cli.options import Input, Json, Mean, Model, Std, Weights, read_sample
from laconic.cli.targets import check_file
from laconic.cli.terminal import found_in, grouped, show, show_json, table, verdict

if TYPE_CHECKING:
    from laconic.base.sensitivities import Sensitivity
    from laconic.datasets.data import Data

Sparsities = Annotated[str, typer.Option(metavar="S,S,…", help="Shares of zeros to try, from 0 to below 1.")]
Layers = Annotated[str, typer.Option(metavar="PATTERN,…", help="Which weights to try, e.g. 'conv*,fc1'.")]
Drop = Annotated[float | None, typer.Option(min=0, metavar="POINTS", help="Print the recipe line in which no layer alone costs more.")]
Samples = Annotated[int, typer.Option(min=1, metavar="N", help="Of the validation split, at most.")]
Page = Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Draw the curves on a page (HTML).", show_default=False)]


def sensitivity(
    model: Model,
    data: DataWord,
    weights: Weights = None,
    sparsities: Sparsities = "0.5,0.7,0.8,0.9,0.95",
    layers: Layers = "*",
    drop: Drop = None,
    samples: Samples = 1000,
    output: Page = None,
    shape: Input = None,
    mean: Mean = None,
    std: Std = None,
    as_json: Json = False,
) -> None:
    """Prune each layer alone, and see what that costs.

    laconic sensitivity net.py:build --weights net.safetensors --data folder:images --drop 0.5 -o curves.html

    By magnitude, without training, to each of several sparsities; scored on the validation split. Together the layers of the recipe
    line cost more than each does alone, and training afterwards brings much of it back.
    """
    from laconic.api import sensitivity as measure
    from laconic.cli.opening import is_checkpoint, open_data, open_model
    from laconic.cli.progress import at_work
    from laconic.methods.prune.sensitivity import tried

    sample, shares = read_sample(shape, mean, std), tried(read_sparsities(sparsities))
    check_file(output)
    with at_work() as progress:
        opened = open_data(data, model, sample, checkpoint=is_checkpoint(model, weights))
        _check_labels(opened)
        network = open_model(model, weights, opened.preprocessing.shape, len(opened.classes) or None)
        found = measure(network, opened, shares, layers=layers.split(","), samples=samples, progress=progress)
    line = "" if drop is None else recipe_line(found, drop)
    if output is not None:
        _draw(output, found, model, data, drop, line)
    if as_json:
        show_json(_json(found, model, data, drop, line, output))
    else:
        show(*_told(found, drop, line), *([found_in("The page", output)] if output else []))


def read_sparsities(word: str) -> tuple[float, ...]:
    """Numbers with commas between them; whether they are shares is for `tried` to say.

    Raises:
        UsageError: something else.

    >>> read_sparsities("0.5,0.9")
    (0.5, 0.9)
    """
    try:
        return tuple(float(number) for number in word.split(","))
    except ValueError:
        hint = "shares from 0 to below 1, with commas: 0.5,0.8,0.9"
        raise UsageError(f"{word!r} are no sparsities", where="--sparsities", hint=hint) from None


def recipe_line(found: "Sensitivity", drop: float) -> str:
    """The step in which each layer alone costs at most so much; empty where no layer stands any sparsity that was tried."""
    from laconic.methods.prune import Prune
    from laconic.recipe.nodes import line

    stood = found.at_most(drop)
    return f"{Prune.word()}: {line(Prune(sparsity=stood).said())}" if stood else ""


def _check_labels(opened: "Data") -> None:

    if not opened.labelled:
        hint = "an archive with inputs and targets, or a folder with one folder a class"
        raise DataError("a score is taken on targets, and the data have none", where=opened.name, hint=hint)


def _draw(page: Path, found: "Sensitivity", model: str, data: str, drop: float | None, line: str) -> None:
    from laconic.base.files import write_atomically
    from laconic.report.sensitivity import render_sensitivity

    write_atomically(page, render_sensitivity(found, model, data, drop=drop, recipe=line).encode())


def _told(found: "Sensitivity", drop: float | None, line: str) -> list[Any]:
    from laconic.report.sensitivity import verdict as sentence

    basis = f"Change of the {found.metric}, {found.before} as it came, on {grouped(found.before.n)} samples of the validation split."
    none = f"No layer stands any of these sparsities for a drop of {drop or 0:g}."
    return [_table(found), "", basis, verdict(sentence(found)), *([] if drop is None else ["", line or none])]


def _table(found: "Sensitivity") -> Table:
    from laconic.base.sensitivities import percent
    from laconic.report.sensitivity import change

    rows = [(layer, *(change(amount, found.before) for amount in found.changes(layer))) for layer in found.scores]
    return table("layer", *map(percent, found.sparsities), rows=rows)


def _json(found: "Sensitivity", model: str, data: str, drop: float | None, line: str, page: Path | None) -> dict[str, Any]:
    return {
        "model": model,
        "data": data,
        **asdict(found),
        "changes": {layer: found.changes(layer) for layer in found.scores},
        "drop": drop,
        "at_most": None if drop is None else found.at_most(drop),
        "recipe": line or None,
        "page": None if page is None else str(page),
    }
