"""Who teaches, and what several teachers say together."""

import copy
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from laconic.base.errors import ModelError
from laconic.base.imports import call_attribute
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.nn import home
from laconic.nn.weights import to_numpy, to_torch
from laconic.train.precision import wide
from laconic.zoo.checkpoint import load_weights
from laconic.zoo.reference import build_model

ORIGINAL, ITSELF = "original", "self"
LIBRARIES = ("zoo:", "torchvision:", "timm:")
LEAST = 1e-8  # probability that any class keeps where teachers vote

Function = Callable[..., Any]  # of arrays
Reference = str | Function
Combine = Literal["mean", "geometric", "vote"]


class Called(nn.Module):
    """A teacher that is any function of arrays, inputs `(n, *shape)` → outputs `(n, …)`: a Session, a service, a rule."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function

    def forward(self, inputs: Tensor) -> Tensor:
        """What the function says."""
        given = inputs.float() if inputs.is_floating_point() else inputs  # as a network's file takes them
        return to_torch(np.asarray(self.function(to_numpy(given)))).to(inputs.device)


def named(teacher: Reference) -> str:
    """A teacher in a word."""
    return teacher if isinstance(teacher, str) else type(teacher).__name__


def build_teacher(teacher: Reference, weights: str, network: Network, context: Context) -> nn.Module:
    """A teacher of its own, in evaluation mode, where the student is and of its type.

    Args:
        teacher: "original", "self" (the student as it is before this step), a model reference, a model, or a function of arrays.
        weights: checkpoint of a referenced teacher; "" where it has its own.

    Raises:
        ModelError: no such model, or its weights do not fit.
    """
    device, dtype = home(network.module)
    return _found(teacher, weights, network, context).eval().to(device, dtype)


def _found(teacher: Reference, weights: str, network: Network, context: Context) -> nn.Module:
    if teacher == ORIGINAL:
        return copy.deepcopy(context.original)
    if teacher == ITSELF:
        return copy.deepcopy(network.module)
    if isinstance(teacher, nn.Module):
        return copy.deepcopy(teacher)
    if not isinstance(teacher, str):
        return Called(teacher)
    model = _referenced(teacher, context)
    return load_weights(model, weights) if weights else model


def _referenced(reference: str, context: Context) -> nn.Module:
    _, colon, _ = reference.rpartition(":")
    if not colon or reference.startswith(LIBRARIES):
        shape, classes = context.data.preprocessing.shape, len(context.data.classes) or None
        return build_model(reference, classes=classes, sample_shape=shape)
    made = call_attribute(reference, error=ModelError)
    if not callable(made):
        raise ModelError(
            f"{reference} returned a {type(made).__name__}, which cannot teach", hint="return a model, or a function of arrays"
        )
    return made if isinstance(made, nn.Module) else Called(made)


def together(outputs: Sequence[Tensor], shares: Sequence[float], combine: Combine, temperature: float) -> Tensor:
    """One teacher's logits `(n, classes, …)` for several: softmax(z / τ) is what they say together.

    Args:
        outputs: of each teacher.
        shares: of each teacher, positive; only their proportions count.
        combine: "mean" of their probabilities at τ, "geometric" mean of those (that of their logits; Hinton 2015, §1), or a "vote", in
            which each has one class, and which τ softens as it softens anybody's probabilities.
        temperature: τ.

    >>> z = together([torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 2.0]])], (1, 1), "mean", 1.0)
    >>> bool(torch.allclose(z.softmax(1), torch.tensor([[0.5, 0.5]])))
    True
    """
    own = torch.tensor(shares, dtype=torch.float64) / sum(shares)
    if combine == "geometric" or len(outputs) == 1:
        return _weighted(outputs, own)
    if combine == "vote":
        votes = [F.one_hot(values.argmax(1), values.shape[1]).movedim(-1, 1).to(wide(values).dtype) for values in outputs]
        return _weighted(votes, own).clamp_min(LEAST).log()
    return temperature * _weighted([(wide(values) / temperature).softmax(1) for values in outputs], own).clamp_min(LEAST).log()


def averaged(outputs: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    """The mean of several teachers' outputs, each with its share: for outputs that are no logits."""
    return _weighted(outputs, torch.tensor(shares, dtype=torch.float64) / sum(shares))


def _weighted(values: Sequence[Tensor], shares: Tensor) -> Tensor:
    return torch.stack([float(share) * wide(one) for share, one in zip(shares, values, strict=True)]).sum(0)
