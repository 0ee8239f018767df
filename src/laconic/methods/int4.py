"""Linear layers with weights of 4 bits, a step for every few of them: round to nearest, as weight-only kernels take it.

Each output's weights are cut into groups of neighbouring inputs; a group's step is the one of least squared error. Nothing else is rounded:
at batch 1 a linear layer waits for its weights to come from memory, and an eighth of the bytes come sooner (group-wise quantisation as in
Q-BERT, Shen et al. 2020, §3.3). A session in ONNX Runtime runs large ones by its kernel for 4 bits (runtime/four_bits.py); that kernel
rounds inputs to 8 bits on the way.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import nn

from laconic.base.errors import ModelError
from laconic.forms import Grid, Masked
from laconic.forms.rows import GROUPS, levels, nearest, row_steps
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.methods.plan import Plan
from laconic.methods.step import Step, check_fields
from laconic.nn import weights

MOST = levels(4)


@dataclass(frozen=True)
class Int4(Step):
    """Put the weights of linear layers on grids of 4 bits.

    Args:
        group: weights with a step, 16 … 256; half of it, and so on, where that does not divide a layer's inputs.

    >>> print(Int4())
    int4: {group: 32}
    """

    group: int = 32

    def __post_init__(self) -> None:
        check_fields(self, ("group", self.group in GROUPS, f"one of {', '.join(map(str, GROUPS))}"))

    def takes(self) -> Mapping[str, str]:
        return {"dense": "grid", "masked": "grid", "grid": "grid", "codebook": "codebook"}

    def check(self, network: Network, context: Context) -> None:
        if not self._layers(network):
            raise ModelError("the model has no linear layer with a multiple of 16 inputs", where=type(network.module).__name__)

    def plan(self, network: Network, context: Context) -> Plan:
        """The group of every linear layer, and the relative error of its weight."""
        rows = []
        for name, group in self._layers(network).items():
            array = network.array(name)
            error = float(np.linalg.norm(_rounded(array, group).array() - array) / max(np.linalg.norm(array), np.finfo(array.dtype).tiny))
            rows.append({"layer": name, "of": array.size, "group": group, "relative error": error})
        return Plan(tuple(rows))

    def apply(self, network: Network, plan: Plan, context: Context) -> Network:
        return network.reformed({row["layer"]: _rounded(network.array(row["layer"]), row["group"]) for row in plan.rows})

    def _layers(self, network: Network) -> dict[str, int]:
        """Weights of linear layers that are not on a grid or shared, and their groups."""
        known = weights(network.module)
        linear = {f"{path}.weight": layer for path, layer in network.module.named_modules() if isinstance(layer, nn.Linear)}
        fitting = {
            name: next((group for group in reversed(GROUPS) if group <= self.group and layer.in_features % group == 0), 0)
            for name, layer in linear.items()
            if name in known and network.kind(name) in ("dense", Masked.kind)
        }
        return {name: group for name, group in fitting.items() if group}


def _rounded(array: np.ndarray, group: int) -> Grid:
    groups = array.reshape(-1, group)
    grid = nearest(groups, row_steps(groups, MOST), MOST)
    assert grid.integers is not None
    return Grid(array.shape, grid.integers.reshape(array.shape), grid.table)
