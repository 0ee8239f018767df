"""Correction of moments: rounding moves the mean of what a channel puts out, and its bias can take that back (Nagel et al. 2019, §4.2).

The means are measured: those of the network as it was, and, layer after layer in one pass, those of the rounded one, each with the layers
before it already put right.

Coarse grids also flatten what channels put out, and a layer later the more so, however right the means are: at 4 bits a deep network can
lose more with them than without (bench/int8.py). A factor for each channel gives the standard deviation back (Banner et al. 2019 do so with
the moments of the weights themselves), and costs nothing where the steps of the weight's grid can take it in.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence

import torch
from torch import Tensor, nn

from laconic.nn.checks import at_home

MOST = 2.0  # a factor, or one by it: a channel that is all noise is not blown up


@torch.no_grad()
def correct_moments(
    model: nn.Module, original: nn.Module, layers: Sequence[str], inputs: Tensor, spread: Collection[str] = ()
) -> dict[str, Tensor]:
    """Change the biases of these layers, in place, so that each channel's mean output is what it was, and their rows where they may.

    Layers without a bias stay.

    Args:
        model: the rounded network.
        original: the network as it was, with the same layers.
        layers: paths.
        inputs: `(n, *shape)`, all in one batch.
        spread: those of the layers whose weights may change too, each row by a factor, so that standard deviations are what they were.

    Returns:
        The factors of the rows, by layer.
    """
    wanted: dict[str, tuple[Tensor, Tensor]] = {}
    factors: dict[str, Tensor] = {}

    def note(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        def keep(layer: nn.Module, _: object, output: Tensor) -> None:
            wanted.setdefault(name, _moments(layer, output))  # of its first call, as below

        return keep

    def correct(name: str) -> Callable[[nn.Module, object, Tensor], Tensor | None]:
        def put_right(layer: nn.Module, _: object, output: Tensor) -> Tensor | None:
            if not isinstance(layer.bias, Tensor) or name not in wanted:
                return None
            (mean, deviation), (now, flat) = wanted.pop(name), _moments(layer, output)  # once, where a layer is called again
            by = _factor(deviation, flat) if name in spread else torch.ones_like(flat)
            if name in spread:
                factors[name], weight = by, layer.get_parameter("weight")
                weight.mul_(by.reshape(-1, *[1] * (weight.ndim - 1)))
            shift = mean - by * now
            layer.bias.copy_(by * layer.bias + shift)
            return _along(layer, by, output) * output + _along(layer, shift, output)

        return put_right

    for network, hook in ((original, note), (model, correct)):
        handles = [network.get_submodule(name).register_forward_hook(hook(name)) for name in layers]
        network.eval()(at_home(network, inputs))
        for handle in handles:
            handle.remove()
    return factors


def scalable(model: nn.Module, layers: Sequence[str]) -> set[str]:
    """Those layers whose rows are their output channels, and whose weights are nobody else's."""
    used = Counter(id(parameter) for _, parameter in model.named_parameters(remove_duplicate=False))
    found = {name: model.get_submodule(name) for name in layers}
    ours = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
    return {name for name, layer in found.items() if isinstance(layer, ours) and used[id(layer.weight)] == 1}


def _factor(wanted: Tensor, found: Tensor) -> Tensor:
    return torch.where((found > 0) & (wanted > 0), wanted / found, 1.0).clamp(1 / MOST, MOST)


def _moments(layer: nn.Module, output: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel."""
    channel = output.ndim - 1 if isinstance(layer, nn.Linear) else 1
    others = [axis for axis in range(output.ndim) if axis != channel]
    return output.mean(others), output.std(others, correction=0)


def _along(layer: nn.Module, channels: Tensor, output: Tensor) -> Tensor:
    """A number a channel, beside these outputs."""
    return channels if isinstance(layer, nn.Linear) else channels.reshape(-1, *[1] * (output.ndim - 2))
