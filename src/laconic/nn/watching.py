"""What enters and leaves a layer while its network runs on samples."""

import copy
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from laconic.nn.checks import at_home

BATCH = 64


def entering(model: nn.Module, name: str, inputs: Tensor) -> Tensor:
    """Of all samples, in their order, what the layer is given.

    Args:
        model: run as it is, in evaluation mode.
        name: path of a layer that the forward pass calls once, with one tensor.
        inputs: of the model, `(n, *shape)`.
    """
    return _caught(model, name, inputs, lambda entered, _: entered)


def leaving(model: nn.Module, name: str, inputs: Tensor) -> Tensor:
    """Of all samples, in their order, what the layer returns; arguments as those of `entering`."""
    return _caught(model, name, inputs, lambda _, left: left)


@torch.no_grad()
def channel_moments(model: nn.Module, names: Sequence[str], inputs: Tensor) -> dict[str, np.ndarray]:
    """Layer → mean of x xᵀ over all its inputs x, a vector of channels `(C,)` each: float64 `(C, C)`.

    Args:
        model: stays as it is.
        names: paths of linear layers and convolutions.
        inputs: of the model, `(n, *shape)`.

    >>> channel_moments(nn.Sequential(nn.Linear(2, 3)), ["0"], torch.tensor([[1.0, 2.0], [3.0, 0.0]]))["0"].tolist()
    [[5.0, 1.0], [1.0, 2.0]]
    """
    twin, sums, counts = copy.deepcopy(model).eval(), {}, {}  # type: ignore[var-annotated]

    def watch(name: str) -> Callable[[nn.Module, Sequence[Tensor], Mapping[str, Tensor]], None]:
        def add(layer: nn.Module, given: Sequence[Tensor], named: Mapping[str, Tensor]) -> None:
            axis, entered = -1 if isinstance(layer, nn.Linear) else 1, _first(given, named)
            rows = entered.movedim(axis, -1).reshape(-1, entered.shape[axis]).double()
            sums[name] = sums.get(name, 0) + rows.T @ rows
            counts[name] = counts.get(name, 0) + len(rows)

        return add

    for name in names:
        twin.get_submodule(name).register_forward_pre_hook(watch(name), with_kwargs=True)
    for part in torch.split(inputs, BATCH):
        twin(at_home(twin, part))
    return {name: (sums[name] / counts[name]).cpu().numpy() for name in sums}


@torch.no_grad()
def _caught(model: nn.Module, name: str, inputs: Tensor, choose: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    kept: list[Tensor] = []

    def keep(_: nn.Module, given: Sequence[Tensor], named: Mapping[str, Tensor], output: Tensor) -> None:
        kept.append(choose(_first(given, named), output))

    handle = model.get_submodule(name).register_forward_hook(keep, with_kwargs=True)
    try:
        for part in torch.split(inputs, BATCH):
            model.eval()(at_home(model, part))
    finally:
        handle.remove()
    return torch.cat(kept)


def _first(given: Sequence[Tensor], named: Mapping[str, Tensor]) -> Tensor:
    """The one argument of a layer, by place or by keyword."""
    return (*given, *named.values())[0]
