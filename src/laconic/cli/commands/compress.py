"""`laconic compress`: a model, data and a recipe in; a small file and the story of how it came about out."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from laconic.cli.options import Input, Json, Mean, Model, Output, Profile, ProfileWord, Std, Weights, read_sample
from laconic.cli.targets import check_file
from laconic.cli.terminal import found_in, show, show_json, size

if TYPE_CHECKING:
    from laconic.base.records import Record

DataWord = Annotated[str, typer.Option("--data", metavar="DATA", help="digits, mnist:DIR, folder:DIR, npz:FILE …", show_default=False)]
RecipeWord = Annotated[str, typer.Option("--recipe", metavar="NAME|FILE", help="A preset, or a .yaml file.", show_default=False)]
Seed = Annotated[int | None, typer.Option(min=0, help="Instead of the recipe's own.")]
WeightsOnly = Annotated[bool, typer.Option("--weights-only", help="Leave out graph and names; load_into puts the weights into your class.")]
SaveRecipe = Annotated[Path | None, typer.Option(metavar="R.yaml", help="Write the recipe as it was run.")]
RunFolder = Annotated[Path | None, typer.Option("--run", metavar="DIR", help="Keep the run and its report there; else in OUTPUT.run.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the run that was interrupted in that folder.")]


def compress(
    model: Model,
    data: DataWord,
    recipe: RecipeWord,
    output: Output,
    weights: Weights = None,
    seed: Seed = None,
    weights_only: WeightsOnly = False,
    save_recipe: SaveRecipe = None,
    run: RunFolder = None,
    resume: Resume = False,
    profile: Profile = ProfileWord.AUTO,
    shape: Input = None,
    mean: Mean = None,
    std: Std = None,
    as_json: Json = False,
) -> None:
    """Make a trained model small, by a recipe.

    laconic compress net.py:build --data npz:data.npz --recipe deep-compression -o small.lac

    An interrupted run goes on where it was when the same line is given again with --resume, and ends with the same bytes.

    With --weights, or as an ONNX or .lac file, the model is a checkpoint that has seen all training data: choices are then made on
    one half of the test samples, and the verdict on the other.
    """
    from laconic.api import compress as press
    from laconic.base.files import write_atomically
    from laconic.cli.opening import is_checkpoint, open_data, open_model, open_recipe
    from laconic.cli.progress import at_work
    from laconic.recipe import write
    from laconic.report import write as write_report
    from laconic.train.ranks import follows

    sample = read_sample(shape, mean, std)
    chosen = open_recipe(recipe, seed)
    check_file(output)
    check_file(save_recipe)
    story = run or output.with_name(f"{output.name}.run")
    with at_work() as progress:
        samples = open_data(data, model, sample, checkpoint=is_checkpoint(model, weights))
        network = open_model(model, weights, samples.preprocessing.shape, len(samples.classes) or None, chosen.seed)
        result = press(network, samples, chosen, name=model, progress=progress, folder=story, resume=resume)
    if follows():
        return
    result.save(output, weights_only, profile=profile.value)
    if save_recipe is not None:
        write_atomically(save_recipe, write(chosen).encode())
    write_report(result.record, story)
    _tell(result.record, output, weights_only, story, as_json)


def _tell(record: "Record", output: Path, weights_only: bool, story: Path, as_json: bool) -> None:
    from laconic.artifact import read
    from laconic.artifact.files import identity
    from laconic.report import summary

    content = read(output)
    page = str(story / "report.html")
    if as_json:
        told: dict[str, Any] = {"file": str(output), "bytes": len(content), "sha256": identity(content), "weights_only": weights_only}
        show_json(told | {"report": page, "record": asdict(record)})
        return
    scope = f"; the table speaks of the complete file of {size(record.after.size.value)}" if weights_only else ""
    show(summary(record), "", f"{output}: {size(len(content))}{' of weights only' if weights_only else ''}{scope}")
    show(f"sha256 {identity(content)}", found_in("The report", page))
