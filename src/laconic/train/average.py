"""The mean of the weights along the way, in place of the last: it is nearer to the middle of the valley than any single step.

    ema   θ′ ← α θ′ + (1 − α) θ after every step, α = min(decay, t / (t + 1))     Tarvainen & Valpola 2017, "Mean teachers", §2
    swa   the plain mean of the last quarter, at a constant rate                  Izmailov et al. 2018, "Averaging Weights", algorithm 1

Izmailov takes one set of weights an epoch; here every step counts, so that it also works where the quarter is shorter than an epoch.

What is averaged is what trains: of a weight that is held in a Form, its table. So masks, codebooks and grids hold in the mean.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from laconic.nn.checks import at_home
from laconic.train.precision import wide
from laconic.train.schedules import last_quarter
from laconic.train.training import Training

Norm = nn.modules.batchnorm._BatchNorm


class Average:
    """The mean so far of a model's parameters that train, and of the statistics of its normalisations.

    Args:
        model: whose weights are followed.
        decay: the most that the mean keeps of itself in a step; 1 for the plain mean of all steps.
        start: the first step that counts.
    """

    def __init__(self, model: nn.Module, decay: float, start: int) -> None:
        self._live = [*(p for p in model.parameters() if p.requires_grad), *_statistics(model)]
        self._mean = [wide(tensor.detach()).clone() for tensor in self._live]
        self._decay, self._start, self._taken = decay, start, 0

    @torch.no_grad()
    def follow(self, step: int) -> None:
        """Take the weights in as they are after the step of this number."""
        if step < self._start:
            return
        keep = min(self._decay, self._taken / (self._taken + 1))
        torch._foreach_lerp_(self._mean, [wide(tensor.detach()) for tensor in self._live], 1 - keep)
        self._taken += 1

    @torch.no_grad()
    def give(self) -> None:
        """Put the mean into the model."""
        for live, mean in zip(self._live, self._mean, strict=True):
            live.copy_(mean)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The model has the mean for as long as this lasts, and then its own weights again."""
        own = [tensor.detach().clone() for tensor in self._live]
        self.give()
        try:
            yield
        finally:
            with torch.no_grad():
                for live, before in zip(self._live, own, strict=True):
                    live.copy_(before)

    def state(self) -> dict[str, Any]:
        """All that the next step depends on."""
        return {"mean": self._mean, "taken": self._taken}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from such a state."""
        for mean, kept in zip(self._mean, state["mean"], strict=True):
            mean.copy_(kept)
        self._taken = state["taken"]


def averaging(model: nn.Module, training: Training, steps: int) -> Average | None:
    """The average that the training asks for, if it asks for one."""
    if training.average is None:
        return None
    return Average(model, training.kept, 0) if training.average == "ema" else Average(model, 1.0, last_quarter(steps))


def estimate_statistics(model: nn.Module, batches: Iterable[Tensor]) -> None:
    """Mean and variance of each batch normalisation anew, over these inputs `(n, *shape)`: those that were kept belong to other weights.

    Nothing else of the model is in training mode meanwhile, and all of it is in evaluation mode afterwards.
    """
    model.eval()
    norms = [module for module in model.modules() if isinstance(module, Norm) and module.running_mean is not None]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch's word for the plain mean over batches
        norm.train()
    try:
        with torch.no_grad():
            for inputs in batches:
                model(at_home(model, inputs))
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()


def _statistics(model: nn.Module) -> list[Tensor]:
    norms = [module for module in model.modules() if isinstance(module, Norm)]
    return [tensor for norm in norms for tensor in (norm.running_mean, norm.running_var) if tensor is not None]
