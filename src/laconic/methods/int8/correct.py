"""Bias correction: rounding moves the mean of what a channel puts out, and its bias can take that back (Nagel et al. 2019, §4.2).

The means are measured: those of the network as it was, and, layer after layer in one pass, those of the rounded one, each with the layers
before it already put right.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from laconic.nn.checks import at_home


@torch.no_grad()
def correct_biases(model: nn.Module, original: nn.Module, layers: Sequence[str], inputs: Tensor) -> None:
    """Change the biases of these layers, in place, so that each channel's mean output is what it was. Layers without a bias stay.

    Args:
        model: the rounded network.
        original: the network as it was, with the same layers.
        layers: paths.
        inputs: `(n, *shape)`, all in one batch.
    """
    wanted: dict[str, Tensor] = {}

    def note(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        def keep(layer: nn.Module, _: object, output: Tensor) -> None:
            wanted.setdefault(name, _means(layer, output))  # of its first call, as below

        return keep

    def correct(name: str) -> Callable[[nn.Module, object, Tensor], Tensor | None]:
        def shift(layer: nn.Module, _: object, output: Tensor) -> Tensor | None:
            if not isinstance(layer.bias, Tensor) or name not in wanted:
                return None
            by = wanted.pop(name) - _means(layer, output)  # once, where a layer is called again
            layer.bias += by
            return output + (by if isinstance(layer, nn.Linear) else by.reshape(-1, *[1] * (output.ndim - 2)))

        return shift

    for network, hook in ((original, note), (model, correct)):
        handles = [network.get_submodule(name).register_forward_hook(hook(name)) for name in layers]
        network.eval()(at_home(network, inputs))
        for handle in handles:
            handle.remove()


def _means(layer: nn.Module, output: Tensor) -> Tensor:
    return output.mean([axis for axis in range(output.ndim) if axis != (output.ndim - 1 if isinstance(layer, nn.Linear) else 1)])
