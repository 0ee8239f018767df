"""Second moments of the channels that enter a layer: what an error in its weight costs its outputs."""

import copy
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from laconic.nn.checks import at_home

BATCH = 64


@torch.no_grad()
def channel_moments(model: nn.Module, names: Sequence[str], inputs: Tensor) -> dict[str, np.ndarray]:
    """Layer → mean of x xᵀ over all its inputs x, a vector of channels `(C,)` each; float64 `(C, C)`.

    Args:
        model: stays as it is.
        names: of linear layers and convolutions.
        inputs: of the network, `(n, *shape)`.

    >>> channel_moments(nn.Sequential(nn.Linear(2, 3)), ["0"], torch.tensor([[1.0, 2.0], [3.0, 0.0]]))["0"].tolist()
    [[5.0, 1.0], [1.0, 2.0]]
    """
    twin, sums, counts = copy.deepcopy(model).eval(), {}, {}  # type: ignore[var-annotated]

    def watch(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def add(layer: nn.Module, entering: tuple[Tensor, ...]) -> None:
            axis = -1 if isinstance(layer, nn.Linear) else 1
            rows = entering[0].movedim(axis, -1).reshape(-1, entering[0].shape[axis]).double()
            sums[name] = sums.get(name, 0) + rows.T @ rows
            counts[name] = counts.get(name, 0) + len(rows)

        return add

    handles = [twin.get_submodule(name).register_forward_pre_hook(watch(name)) for name in names]
    for part in torch.split(inputs, BATCH):
        twin(at_home(twin, part))
    for handle in handles:
        handle.remove()
    return {name: (sums[name] / counts[name]).cpu().numpy() for name in sums}
