"""Carry a recipe out: step by step, then export, pack, load again, and measure what was loaded."""

import copy
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from laconic.artifact import Artifact, pack, unpack
from laconic.artifact.files import identity
from laconic.base.errors import DataError, ModelError
from laconic.base.measures import Measure
from laconic.base.progress import Progress, silent
from laconic.base.records import Record, Stage
from laconic.base.seeds import derive
from laconic.datasets.data import Data
from laconic.graph.network import Network
from laconic.methods.step import Context, Step
from laconic.nn import weights
from laconic.recipe.legality import check_order
from laconic.recipe.measure import Runnable, compare, environment
from laconic.recipe.package import package
from laconic.recipe.recipe import Recipe
from laconic.recipe.text import write
from laconic.train import Task, as_runner, classification, evaluate


@dataclass(frozen=True, eq=False)
class Run:
    """What came out.

    Args:
        network: the compressed network, in torch.
        artifact: what the file says.
        content: the file's bytes; every figure of the record was measured on them.
        record: the story of the run.
    """

    network: Network
    artifact: Artifact
    content: bytes
    record: Record


def run(
    model: nn.Module, data: Data, recipe: Recipe, *, task: Task = classification, name: str = "model", progress: Progress = silent
) -> Run:
    """Compress `model` by `recipe`. The model is not touched; the test split is read once, at the end.

    Raises:
        RecipeError: an order of steps that cannot run on this model. DataError, ModelError: they do not fit each other.
    """
    check_order(recipe.steps, list(weights(model)))
    original = Network(copy.deepcopy(model).eval())
    check_fit(original.module, data, task)
    network, stages = original, []
    for number, step in enumerate(recipe.steps):
        context = Context(data, original.module, task, derive(recipe.seed, number), progress)
        network, stage = _carry_out(step, network, context)
        stages.append(stage)
    progress("measure", 0.0, "export, pack, load again")
    before = package(original, data)
    after = package(network, data, before if network.edits == original.edits else None)
    content = pack(after)
    compared = compare(Runnable(original.module, before), Runnable(network.module, unpack(content)), content, data, task)
    record = Record(
        model=name,
        data=data.name,
        metric=task.metric,
        recipe=write(recipe),
        seed=recipe.seed,
        before=compared.before,
        after=compared.after,
        stages=tuple(stages),
        layers=compared.layers,
        speed_ratio=compared.speed_ratio,
        speed_line=compared.speed_line,
        parts=compared.parts,
        sha256=identity(content),
        environment=environment() | {"data": data.provenance},
        warnings=(after.notes.reason,) if after.notes.reason else (),
        weights_only=Measure(len(pack(after, weights_only=True)), "bytes", "length of the weights-only file"),
    )
    return Run(network, after, content, record)


def _carry_out(step: Step, network: Network, context: Context) -> tuple[Network, Stage]:
    start = time.perf_counter()
    torch.manual_seed(context.seed)  # dropout and the like draw from torch's global generator
    plan = step.plan(network, context)
    context.progress(step.word(), 0.0, str(step))
    network = step.apply(network, plan, context)
    seconds = time.perf_counter() - start
    size = Measure(len(pack(Artifact(network.tensors()), weights_only=True)), "bytes", f"weights-only file after {step.word()}")
    score = evaluate(as_runner(network.module), context.data.validation, context.data.preprocessing, context.task, "validation split")
    return network, Stage(str(step), plan.rows, seconds, size, score)


def check_fit(model: nn.Module, data: Data, task: Task) -> None:
    """Two samples through the model and the loss: whatever does not fit is found in a second, not after an hour.

    Raises:
        ModelError: the model does not take such samples. DataError: the outputs do not fit the targets.
    """
    few = data.train.take(np.arange(min(2, len(data.train))))
    try:
        outputs = torch.from_numpy(as_runner(model)(data.preprocessing.apply(few.inputs)))
    except (RuntimeError, TypeError, AttributeError, ValueError, IndexError) as cause:
        where, hint = f"one batch of shape {few.inputs.shape}", "the model must take one float tensor and return one"
        raise ModelError(f"the model does not run on these data: {_first_line(cause)}", where=where, hint=hint) from cause
    if task is classification and (outputs.ndim != 2 or outputs.shape[1] <= int(data.train.targets.max())):
        found = f"the model's outputs have shape {tuple(outputs.shape[1:])}, the labels reach {int(data.train.targets.max())}"
        raise DataError(found, hint=f"build the model with classes={int(data.train.targets.max()) + 1}")


def _first_line(cause: Exception) -> str:
    return (str(cause).strip() or type(cause).__name__).splitlines()[0]
