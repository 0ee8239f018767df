"""MODEL, DATA and RECIPE as they are typed, brought together. Imports torch."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from laconic.base.errors import UsageError
from laconic.cli.options import Sample
from laconic.cli.terminal import complain
from laconic.datasets.data import Data
from laconic.datasets.reference import load_data
from laconic.graph.importing import SUFFIXES, sample_shape_of
from laconic.recipe import Recipe, load_recipe
from laconic.zoo.checkpoint import load_weights
from laconic.zoo.reference import build_model, entry

_BROUGHT_TO_SIZE = ("digits", "folder")  # data that take the network's input size; all others have their own
_UNTRAINED = ("zoo", "torchvision", "timm")
_IMAGENET = (3, 224, 224)


def open_model(reference: str, weights: Path | None, shape: tuple[int, ...] | None, classes: int | None = None, seed: int = 0) -> nn.Module:
    """The network with its weights; a warning where nobody has trained it.

    Raises:
        ModelError: it cannot be built, or the weights do not fit.
    """
    torch.manual_seed(seed)
    model = build_model(reference, classes=classes, sample_shape=shape)
    if weights is not None:
        return load_weights(model, weights)
    if _source(reference) in _UNTRAINED:
        complain(f"{reference} has random weights; --weights FILE loads trained ones", "warning")
    return model


def open_data(reference: str, model: str, sample: Sample, checkpoint: bool) -> Data:
    """The data as this network takes them.

    Args:
        reference: DATA.
        model: MODEL, whose input size digits and image folders are brought to.
        sample: what was said of the samples; it has the last word.
        checkpoint: the network was trained elsewhere, on all of the training data.

    Raises:
        UsageError, DataError: as `load_data`.
    """
    fitted = own_shape(model) if _source(reference) in _BROUGHT_TO_SIZE else None
    data = load_data(reference, sample_shape=sample.shape or fitted, mean=sample.mean, std=sample.std)
    return data.for_checkpoint() if checkpoint else data


def open_recipe(reference: str, seed: int | None) -> Recipe:
    """The recipe, with another seed if one was said.

    Raises:
        RecipeError: no such recipe, or one that cannot run.
    """
    recipe = load_recipe(reference)
    return recipe if seed is None else replace(recipe, seed=seed)


def needed_shape(reference: str, said: tuple[int, ...] | None) -> tuple[int, ...]:
    """The sample that was said, or the architecture's own.

    Raises:
        UsageError: neither is known.
    """
    shape = said or own_shape(reference)
    if shape is None:
        raise UsageError(f"only {reference} itself knows its input", hint="say the shape of one sample: --input 3x32x32")
    return shape


def own_shape(reference: str) -> tuple[int, ...] | None:
    """The sample that an architecture or a file's graph is made for, without the batch; None where only its builder knows."""
    if reference.endswith(SUFFIXES):
        return sample_shape_of(Path(reference))
    source, _, name = reference.partition(":")
    if source == "zoo":
        return entry(name).sample_shape
    return _IMAGENET if source in _UNTRAINED else None


def is_checkpoint(reference: str, weights: Path | None) -> bool:
    """Whether the network was trained elsewhere, on all of the training data: its weights are those of a file."""
    return weights is not None or reference.endswith(SUFFIXES)


def _source(reference: str) -> str:
    return reference.partition(":")[0]
