"""`laconic check`: what a recipe would do to a model, found out in seconds."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from laconic.cli.commands.compress import DataWord
from laconic.cli.options import Input, Json, Mean, Model, Std, Weights, read_sample
from laconic.cli.terminal import complain, printable, show, sides, table, verdict

if TYPE_CHECKING:
    from laconic.recipe.check import Check

RecipeWord = Annotated[str, typer.Option("--recipe", metavar="NAME|FILE", help="A preset, or a .yaml file.")]


def check(
    model: Model,
    data: DataWord,
    recipe: RecipeWord = "deep-compression",
    weights: Weights = None,
    shape: Input = None,
    mean: Mean = None,
    std: Std = None,
    as_json: Json = False,
) -> None:
    """Say in seconds what a recipe would do to a model.

    A dry run: the model is built, run, exported and pressed without training; the first steps of each training are timed. Tells
    what would be pressed and what would stay dense, what the trained network would learn from, the size (good to 20 %) and the time
    (good to half), and what is odd about the data. Nothing is written.
    """
    from laconic.cli.opening import is_checkpoint, open_data, open_model, open_recipe
    from laconic.cli.progress import at_work
    from laconic.recipe.check import check as look

    sample = read_sample(shape, mean, std)
    chosen = open_recipe(recipe, None)
    with at_work() as progress:
        samples = open_data(data, model, sample, checkpoint=is_checkpoint(model, weights))
        network = open_model(model, weights, samples.preprocessing.shape, len(samples.classes) or None, chosen.seed)
        found = look(network, samples, chosen, name=model, progress=progress)
    if as_json:
        print(found.to_json())
        return
    for warning in found.warnings:
        complain(warning, "warning")
    show(_table(found), *_plans(found), "", verdict(found.verdict))


def _table(found: "Check") -> Table:
    rows = [(fate.name, sides(fate.shape), " → ".join(fate.steps) or "stays dense", fate.remark) for fate in found.fates]
    return table("weight", "shape", "steps", "remark", rows=rows, words=3)


def _plans(found: "Check") -> list[Text]:
    """Below the words of each step that does nothing but train, its plan as it prints itself."""
    lines = [line for step, plan in found.plans.items() for line in ("", step, *str(plan).split("\n"))]
    return [Text(printable(line), no_wrap=True) for line in lines]
