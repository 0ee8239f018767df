"""How many of the values that enter a layer are not zero: what a ReLU before it leaves to multiply by."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from laconic.profile.memory import tensors
from laconic.profile.observe import Part, nonzeros


def densities(model: nn.Module, samples: Tensor, found: Sequence[Part]) -> dict[str, float]:
    """Layer → share, 0 … 1, of its inputs on these samples `(n, *sample_shape)` that are not zero; of layers that multiply by weights.

    >>> import torch
    >>> from laconic.profile.observe import parts
    >>> model = nn.Sequential(nn.ReLU(), nn.Linear(4, 2))
    >>> densities(model, torch.tensor([[-1.0, 1.0, -2.0, -3.0]]), parts(model))
    {'1': 0.25}
    """
    counts: dict[str, list[int]] = {}
    layers = [part for part in found if part.family in ("conv", "fc")]
    handles = [part.module.register_forward_hook(_count(part.name, counts), with_kwargs=True) for part in layers]
    try:
        model(samples)
    finally:
        for handle in handles:
            handle.remove()
    return {name: nonzero / values for name, (nonzero, values) in counts.items() if values}


def _count(name: str, counts: dict[str, list[int]]) -> Any:
    def count(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        entered = next(tensors((args, kwargs)))
        tally = counts.setdefault(name, [0, 0])
        tally[0] += nonzeros(entered)
        tally[1] += entered.numel()

    return count
