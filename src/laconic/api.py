"""What `import laconic` offers: compress a model, save the file, load it back."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from rich.console import Console
from torch import nn

from laconic.artifact import write
from laconic.base.measures import Measure
from laconic.base.progress import Progress, silent
from laconic.base.records import Record
from laconic.base.sensitivities import Sensitivity
from laconic.datasets.data import Data
from laconic.methods.prune import sensitivity as alone
from laconic.methods.step import Step
from laconic.nn import check_model
from laconic.nn.checks import copied
from laconic.recipe import Recipe, Run, run
from laconic.recipe.ready import check_fit
from laconic.recipe.text import load_recipe
from laconic.report import render, summary
from laconic.runtime import Session
from laconic.train import Task, as_runner, classification, judge


@dataclass(frozen=True, eq=False)
class Result:
    """A compressed network: print it for a table, show it in a notebook for the report, save it for the file."""

    run: Run

    @property
    def model(self) -> nn.Module:
        """The compressed network as a plain torch model."""
        return self.run.network.module

    @property
    def record(self) -> Record:
        """Everything that was measured."""
        return self.run.record

    def save(self, path: str | Path, weights_only: bool = False, *, profile: str = "auto", progress: Progress = silent) -> Path:
        """Write the `.lac` file, verified before it is put in place.

        Args:
            path: of the file.
            weights_only: leave out the graph and the names.
            profile: of the coder: "smallest", "fast", or "auto", with which the record's figures were measured.
            progress: is told how far the work is.

        Raises:
            UsageError, ResourceError: `path` cannot be written, or there is no such profile; what stood there is untouched.
        """
        write(Path(path), self.run.artifact, weights_only, profile=profile, progress=progress)
        return Path(path)

    def __str__(self) -> str:
        console = Console(file=StringIO(), width=110)
        console.print(summary(self.record))
        return console.file.getvalue()  # type: ignore[attr-defined]

    def _repr_html_(self) -> str:
        return render(self.record)


def compress(
    model: nn.Module,
    data: Data,
    recipe: Recipe | Iterable[Step] | str,
    *,
    seed: int = 0,
    task: Task = classification,
    name: str = "",
    progress: Progress = silent,
    folder: str | Path | None = None,
    resume: bool = False,
) -> Result:
    """Make a trained model small.

    Args:
        model: a trained model; it is not touched.
        data: the splits; the test split is read once, for the verdict.
        recipe: steps in their order, a `Recipe`, or the name of a preset or of a YAML file.
        seed: of everything drawn at random, where `recipe` is a list of steps.
        task: loss and score; classification unless you bring your own.
        name: of the model, in the report.
        progress: is told how far the work is.
        folder: where to keep the run, so that it can go on after an interruption.
        resume: go on with the run that was interrupted in `folder`; it ends with the same bytes.

    Raises:
        RecipeError: an order of steps that cannot run. ModelError, DataError: model and data do not fit each other.
    """
    chosen = load_recipe(recipe) if isinstance(recipe, str) else recipe if isinstance(recipe, Recipe) else Recipe(tuple(recipe), seed)
    return Result(
        run(
            model,
            data,
            chosen,
            task=task,
            name=name or type(model).__name__,
            progress=progress,
            folder=None if folder is None else Path(folder),
            resume=resume,
        )
    )


def sensitivity(
    model: nn.Module,
    data: Data,
    sparsities: Sequence[float] = alone.SPARSITIES,
    *,
    layers: Sequence[str] = ("*",),
    samples: int = alone.SAMPLES,
    task: Task = classification,
    progress: Progress = silent,
) -> Sensitivity:
    """How much the score minds it when layers are pruned, one at a time (Han et al. 2015, figure 6).

    `Prune(sparsity=found.at_most(0.5))` is a step in which no layer alone costs more than half a point.

    Args:
        model: a trained model; it is not touched.
        data: the splits; the score is taken on `validation`, and `test` is not read.
        sparsities: shares of zeros to try, each from 0 to below 1.
        layers: patterns of the weights to try, as in the tables of `Prune`; all.
        samples: of the validation split to score on, at most.
        task: loss and score; classification unless you bring your own.
        progress: is told how far the work is.

    Raises:
        UsageError: a sparsity out of its range, no samples, or a pattern that names no weight.
        ModelError, DataError: model and data do not fit each other, or there is no weight to prune.
    """
    alone.tried(sparsities)
    check_model(model)
    check_fit(copied(model), data, task)
    return alone.sensitivity(model, data, sparsities, layers=layers, samples=samples, task=task, progress=progress)


def evaluate(network: nn.Module | Session, data: Data, *, task: Task = classification) -> Measure:
    """The task's metric on the test split, with its standard error: of a model, or of a file that `load` opened.

    Args:
        network: a model, or a session, whose inputs are preprocessed as its file says.
        data: the splits; only `test` is looked at.
        task: loss and score; classification unless you bring your own.

    Raises:
        UsageError: the task's score does not give one value a sample. ModelError, DataError: the network does not take such samples.

    >>> from laconic import build_model, load_data
    >>> print(evaluate(build_model("zoo:lenet-300-100"), load_data("digits", sample_shape=(1, 28, 28))).unit)
    %
    """
    if isinstance(network, Session):
        own = network.notes.preprocessing or data.preprocessing
        return judge(network, data.test, own, task, "file, test split").score
    check_fit(network, data, task)
    return judge(as_runner(network), data.test, data.preprocessing, task, "model, test split").score
