"""Which layers mind it when they are pruned (Han, Pool, Tran & Dally 2015, "Learning both Weights and Connections", figure 6).

For each layer, that layer alone loses its weights of least magnitude, up to each of several sparsities, and the score is taken;
all other layers stay as they are, and nothing is trained. The curves tell which layers can be pruned hard and which cannot: in
Han's AlexNet the first convolution minds most. From them, the sparsity of each layer is chosen.

Ours differs in one thing: the score is taken on the validation split, since a choice follows from it.

Each layer is seen alone. Where all are pruned at once their drops add up, or worse; where training follows, most of it comes back.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from laconic.base.errors import ModelError, UsageError
from laconic.base.measures import Measure
from laconic.base.progress import Progress, silent
from laconic.base.sensitivities import Sensitivity, percent
from laconic.datasets.data import Data, Split
from laconic.forms import Dense
from laconic.forms.magnitude import greatest, magnitude
from laconic.nn import check_model, matching, weights
from laconic.nn.checks import copied
from laconic.nn.weights import to_numpy
from laconic.train import Task, as_runner, classification, evaluate

SPARSITIES = (0.5, 0.7, 0.8, 0.9, 0.95)
SAMPLES = 1000


def sensitivity(
    model: nn.Module,
    data: Data,
    sparsities: Sequence[float] = SPARSITIES,
    *,
    layers: Sequence[str] = ("*",),
    samples: int = SAMPLES,
    task: Task = classification,
    progress: Progress = silent,
) -> Sensitivity:
    """The score on the validation split with each layer pruned alone, to each of these sparsities (Han et al. 2015, figure 6).

    Args:
        model: a trained model; it is not touched.
        data: the splits; only `validation` is looked at.
        sparsities: shares of zeros to try, each from 0 to below 1.
        layers: patterns of the weights to try, as in the tables of `Prune`; all.
        samples: of the validation split to score on, evenly spread, at most.
        task: whose score is taken.
        progress: is told how far the work is.

    Raises:
        UsageError: a sparsity out of its range, no samples, or a pattern that names no weight.
        ModelError: the model has no plain, finite weights, or none of two or more axes.

    >>> from laconic.datasets import load_data
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    >>> found = sensitivity(model, load_data("digits"), sparsities=(0.0, 0.9), samples=50)
    >>> list(found.scores), found.before.n, found.changes("1.weight")[0]
    (['1.weight'], 50, 0.0)
    """
    shares = tried(sparsities)
    if samples < 1:
        raise UsageError(f"no score can be taken on {samples} samples", where="samples", hint=f"a whole number from 1, such as {SAMPLES}")
    check_model(model)
    own = copied(model)
    parameters = _chosen(own, layers)
    few = _spread(data.validation, samples)

    def score() -> Measure:
        return evaluate(as_runner(own), few, data.preprocessing, task, f"validation split, {len(few)} samples")

    before, scores = score(), {}
    for place, (name, parameter) in enumerate(parameters.items()):
        found: list[Measure] = []
        for share in shares:
            progress("sensitivity", (place + len(found) / len(shares)) / len(parameters), f"{name} at {percent(share)}")
            with _pruned(parameter, share):
                found.append(score())
        scores[name] = tuple(found)
    return Sensitivity(task.metric, task.higher_is_better, shares, before, scores)


def tried(sparsities: Sequence[float]) -> tuple[float, ...]:
    """The sparsities to try, ascending, each once.

    Raises:
        UsageError: none, or one that is no share from 0 to below 1.

    >>> tried([0.9, 0.5, 0.9])
    (0.5, 0.9)
    """
    hint = "shares from 0 to below 1, such as 0.5, 0.8 and 0.9"
    if not sparsities:
        raise UsageError("there is no sparsity to try", where="sparsities", hint=hint)
    for sparsity in sparsities:
        if not 0 <= sparsity < 1:
            raise UsageError(f"a layer cannot be pruned to a sparsity of {sparsity:g}", where="sparsities", hint=hint)
    return tuple(sorted({float(sparsity) for sparsity in sparsities}))


def _chosen(model: nn.Module, patterns: Sequence[str]) -> dict[str, nn.Parameter]:
    known = weights(model)
    if not known:
        hint = "biases and normalisations are not pruned; give a network with linear layers or convolutions"
        raise ModelError("the model has no weight of two or more axes to prune", where=type(model).__name__, hint=hint)
    chosen: dict[str, bool] = matching(list(known), dict.fromkeys(patterns, True), "sensitivity")
    return {name: known[name] for name in chosen}


def _spread(split: Split, samples: int) -> Split:
    """So many samples, evenly spread (many data lie class by class); the split itself where it has no more."""
    if len(split) <= samples:
        return split
    return split.take(np.arange(samples) * len(split) // samples)


@contextmanager
def _pruned(parameter: nn.Parameter, sparsity: float) -> Iterator[None]:
    """The weight with so many zeros as long as the block lasts, the same zeros as `Prune` sets at once; then it is whole again."""
    whole = parameter.detach().clone()
    magnitudes = magnitude(Dense.of(to_numpy(whole)))
    stay = torch.from_numpy(greatest(magnitudes, magnitudes.size - round(sparsity * magnitudes.size)))
    parameter.detach().copy_(whole.masked_fill(~stay.to(whole.device), 0))
    try:
        yield
    finally:
        parameter.detach().copy_(whole)
