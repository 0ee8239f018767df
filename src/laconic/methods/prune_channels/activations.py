"""What layers give on samples: the mean |output| of each channel."""

import copy
from collections.abc import Collection, Iterable

import numpy as np
import torch
from torch import Tensor, nn

from laconic.nn.checks import at_home
from laconic.nn.maps import Use, Uses

LAST = nn.Linear | nn.Embedding  # layers whose channels are the last axis of what they give
SECOND = nn.modules.conv._ConvNd | nn.modules.batchnorm._NormBase  # those whose channels are the second


def mean_outputs(model: nn.Module, names: Collection[str], batches: Iterable[Tensor]) -> dict[str, np.ndarray]:
    """Weight → mean |output| of each channel that it makes, float64 `(channels,)`, summed over batches; what is not seen is left out.

    It is seen where torch's own function multiplies by the weight, as in its attention; else where the weight's layer is called.

    Args:
        model: stays as it is.
        names: of the weights.
        batches: inputs of the model, `(n, *shape)` each.
    """
    twin = copy.deepcopy(model).eval()
    by_call: dict[str, np.ndarray] = {}
    by_layer: dict[str, np.ndarray] = {}

    def visit(use: Use) -> Tensor:
        outputs = use.call(use.operands.inputs, use.operands.weight, use.operands.bias)
        if use.name in names:
            _add(by_call, use.name, use.operands.map.outputs(outputs).flatten(0, 1))
        return outputs

    for name in names:
        _watch(twin, name, by_layer)
    with torch.no_grad(), Uses(twin, visit):
        for inputs in batches:
            twin(at_home(twin, inputs))
    return by_layer | by_call


def _watch(model: nn.Module, name: str, sums: dict[str, np.ndarray]) -> None:
    def add(layer: nn.Module, _: object, outputs: Tensor) -> None:
        _add(sums, name, outputs.movedim(-1 if isinstance(layer, LAST) else 1, 0).flatten(1))

    layer = model.get_submodule(name.rpartition(".")[0])
    if isinstance(layer, LAST | SECOND):
        layer.register_forward_hook(add)


def _add(sums: dict[str, np.ndarray], name: str, rows: Tensor) -> None:
    """One row a channel."""
    sums[name] = sums.get(name, 0) + rows.abs().mean(1).double().cpu().numpy()
