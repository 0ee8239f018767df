"""One network from many that were trained from the same start: the mean of their weights (Wortsman et al. 2022, "Model soups", §2).

    uniform   the mean of all
    greedy    from the best on, each is added if the mean is then no worse on the validation split (algorithm 1)

It costs one forward pass and one file, where an ensemble costs all of them.
"""

import copy
from collections.abc import Sequence
from typing import Literal

import torch
from torch import nn

from laconic.base.errors import ModelError, UsageError
from laconic.datasets.batches import batches
from laconic.datasets.data import Data
from laconic.train.average import estimate_statistics
from laconic.train.evaluate import goodness
from laconic.train.precision import wide
from laconic.train.task import Task, classification

BATCH = 256  # samples at a time, to estimate statistics from
KINDS = ("greedy", "uniform")


def soup(
    models: Sequence[nn.Module], data: Data, kind: Literal["greedy", "uniform"] = "greedy", *, task: Task = classification
) -> nn.Module:
    """A new model whose weights are the mean of those of `models`; none of them is touched.

    Statistics of batch normalisations are estimated anew, on the training split. A weight that is zero in all of them is zero in the mean,
    so networks that were trained under one mask keep it; values that were shared are not shared any more.

    Args:
        models: of one architecture, trained from the same start; else the mean of their weights means nothing.
        data: the greedy soup is tasted on `validation`; `test` is not read.
        kind: "greedy" or "uniform".
        task: whose score says which is better.

    Raises:
        UsageError: no models, or another kind. ModelError: they differ in the names or shapes of their weights.

    >>> from laconic.datasets import load_data
    >>> nets = [nn.Sequential(nn.Flatten(), nn.Linear(64, 10)) for _ in range(2)]
    >>> mean = soup(nets, load_data("digits"), "uniform")
    >>> torch.allclose(mean[1].weight, (nets[0][1].weight + nets[1][1].weight) / 2)
    True
    """
    if kind not in KINDS:
        raise UsageError(f"there is no soup of the kind {kind!r}", hint=" or ".join(KINDS))
    _check_alike(models)
    if kind == "uniform":
        return _mean(models, data)
    ranked = sorted(models, key=lambda model: goodness(model, data, task), reverse=True)
    chosen, best = ranked[:1], goodness(ranked[0], data, task)
    for model in ranked[1:]:
        found = goodness(_mean([*chosen, model], data), data, task)
        if found >= best:
            chosen, best = [*chosen, model], found
    return _mean(chosen, data)


def _mean(models: Sequence[nn.Module], data: Data) -> nn.Module:
    """A single model comes as it is."""
    mean = copy.deepcopy(models[0]).eval()
    if len(models) == 1:
        return mean
    others = [dict(model.named_parameters()) for model in models]
    with torch.no_grad():
        for name, parameter in mean.named_parameters():
            parameter.copy_(torch.stack([wide(own[name].to(parameter.device)) for own in others]).mean(0))
    inputs = (inputs for inputs, _ in batches(data.train, data.preprocessing, BATCH))
    estimate_statistics(mean, inputs)
    return mean


def _check_alike(models: Sequence[nn.Module]) -> None:
    if not models:
        raise UsageError("a soup of no models", hint="soup([one, another, …], data)")
    shapes = [{name: tuple(parameter.shape) for name, parameter in model.named_parameters()} for model in models]
    for number, own in enumerate(shapes):
        for name in shapes[0] | own:
            if own.get(name) != shapes[0].get(name):
                found = f"model {number} has {own.get(name, 'no such weight')}, model 0 has {shapes[0].get(name, 'no such weight')}"
                raise ModelError(found, where=name, hint="a soup is made of one architecture, trained from the same start")
