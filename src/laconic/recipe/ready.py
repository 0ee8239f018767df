"""Whether a model, data, a recipe and a task fit each other: all that can be refused in a second, before anything is trained."""

import numpy as np
import torch
from torch import nn

from laconic.base.errors import DataError, UsageError
from laconic.base.imports import foreign_code
from laconic.datasets.batches import batches
from laconic.datasets.data import Data
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.nn import check_model, weights
from laconic.nn.checks import copied
from laconic.nn.passing import passing
from laconic.recipe.legality import check_order
from laconic.recipe.recipe import Recipe
from laconic.train import Task, as_runner, classification
from laconic.train.evaluate import aggregated, decisions, score


def ready(model: nn.Module, data: Data, recipe: Recipe, task: Task) -> Network:
    """A copy of the model in evaluation mode, ready for the first step of the recipe; the model is not touched.

    Raises:
        RecipeError: an order of steps that cannot run on this model.
        ModelError: the model has no plain, finite weights, cannot be copied, or does not run on the data.
        DataError, UsageError: the data do not fit the model, or the task does not fit either.
    """
    check_model(model)
    check_order(recipe.steps, list(weights(model)))
    original = Network(copied(model).eval())
    check_fit(original.module, data, task)
    context = Context(data, original.module, task)
    for step in recipe.steps:
        step.check_training(context)
        step.check(original, context)
    return original


def check_fit(model: nn.Module, data: Data, task: Task) -> None:
    """Two samples through the model, the loss and the score.

    Raises:
        ModelError: the model does not take such samples. DataError: the outputs do not fit the targets.
        UsageError: the task's loss is no single number, its score not one a sample, or its aggregate no single number.
    """
    few = data.train.take(np.arange(min(2, len(data.train))))
    inputs, targets = next(batches(few, data.preprocessing, 2))
    with passing(model, f"the model does not run on a batch of shape {tuple(inputs.shape)}", _hint(model, data)):
        outputs = torch.from_numpy(as_runner(model)(inputs.numpy()))
    if task is classification:
        _check_classes(outputs, data, type(model).__name__)
    with foreign_code(f"the task does not take outputs of shape {tuple(outputs.shape)}", DataError):
        loss = task.loss(outputs, targets)
        aggregated(task, score(task, outputs, targets))
        decisions(task, outputs, targets)
    if loss.shape != ():
        raise UsageError(
            f"the task's loss has shape {tuple(loss.shape)}", where=task.metric, hint="Task(loss=…) returns the mean over the batch"
        )


def _hint(model: nn.Module, data: Data) -> str:
    """What to do where the model does not take the samples."""
    looks_up = any(isinstance(layer, nn.Embedding | nn.EmbeddingBag) for layer in model.modules())
    if looks_up and data.train.inputs.dtype.kind in "iu" and data.preprocessing.dtype.startswith("float"):
        length = ", ".join(map(str, data.preprocessing.shape))
        return f"whole numbers that the network looks up come with from_arrays(…, preprocessing=laconic.tokens({length}))"
    return "the model must take one float tensor of this shape; --input CxHxW says another"


def _check_classes(outputs: torch.Tensor, data: Data, where: str) -> None:
    targets = data.train.targets
    if targets.ndim != 1 or targets.dtype.kind not in "iu":
        found = f"targets of dtype {targets.dtype} and shape {targets.shape} are no class numbers"
        hint = "give one integer per sample: one_hot.argmax(1), or .astype('int64'); for another loss, compress(…, task=Task(…))"
        raise DataError(found, where="train split", hint=hint)
    classes = max(len(data.classes), int(targets.max()) + 1)  # the names count for the test split, which nobody reads yet
    if outputs.ndim != 2 or outputs.shape[1] < classes:
        found = f"the model's outputs have shape {tuple(outputs.shape[1:])}, the labels reach {classes - 1}"
        raise DataError(found, where=where, hint=f"build the model with classes={classes}; class numbers count from 0")
