"""AdaRound: up or down, whichever the layer's output asks for (Nagel et al. 2020, "Up or Down? Adaptive Rounding").

    min over V of  E‖W x − W̃ x̂‖² + λ Σ (1 − |2 h(V) − 1|^β),    W̃ = s · clip(⌊W / s⌋ + h(V), −n, n)      (eqs. 21–25)

h is a stretched sigmoid that ends at 0 and 1, β falls from 20 to 2: the second term lets V free at first and then drives every h to one of
its ends. Layer after layer, each on inputs x̂ that come through the layers rounded before; x are those of the network as it was.
"""

import numpy as np
import torch
from torch import Tensor, nn

from laconic.base.progress import Progress
from laconic.forms import Grid
from laconic.forms.form import narrow
from laconic.nn.watching import entering, leaving
from laconic.nn.weights import to_torch

LOW, HIGH = -0.1, 1.1  # of the stretched sigmoid
RATE, BATCH, PULL = 1e-2, 32, 0.01
FREE = 0.2  # share of the iterations without the pull
BETAS = 20.0, 2.0


def round_adaptively(
    model: nn.Module, original: nn.Module, steps: dict[str, np.ndarray], most: int, inputs: Tensor, iterations: int, progress: Progress
) -> dict[str, Grid]:
    """The weights of these layers on their grids; they are set in `model` as they are found.

    Args:
        model: the network in which values are rounded.
        original: the network as it was, with the same layers.
        steps: path of a layer → step of each row of its weight; in the order of the network.
        most: the largest integer.
        inputs: calibration samples `(n, *shape)`.
        iterations: of each layer.
        progress: is told.
    """
    found = {}
    for number, (name, own) in enumerate(steps.items()):
        progress("int8", number / len(steps), f"rounding {name}")
        before, wanted = entering(model, name, inputs), leaving(original, name, inputs)
        found[name] = _rounded(model.get_submodule(name), own, most, before, wanted, iterations)
        with torch.no_grad():
            model.get_parameter(f"{name}.weight").copy_(to_torch(found[name].array()))
    return found


def _rounded(layer: nn.Module, steps: np.ndarray, most: int, inputs: Tensor, wanted: Tensor, iterations: int) -> Grid:
    weight = layer.get_parameter("weight").detach()
    scale = to_torch(steps).reshape(-1, *[1] * (weight.ndim - 1)).to(weight)
    floor, alive = (weight / scale).floor(), weight != 0  # zeros stay zero
    rest = (weight / scale - floor).clamp(1e-3, 1 - 1e-3)
    free = (-torch.log((HIGH - LOW) / (rest - LOW) - 1)).requires_grad_()
    optimizer, draw = torch.optim.Adam([free], RATE), torch.Generator().manual_seed(0)
    for step in range(iterations):
        some = torch.randint(len(inputs), (BATCH,), generator=draw)
        up = _share(free) * alive
        out = torch.func.functional_call(layer, {"weight": scale * (floor + up).clamp(-most, most)}, (inputs[some],))
        loss = (out - wanted[some]).square().sum(1 if out.ndim > 2 else -1).mean()
        if step >= FREE * iterations:
            done = (step / iterations - FREE) / (1 - FREE)
            beta = BETAS[1] + (BETAS[0] - BETAS[1]) * 0.5 * (1 + np.cos(np.pi * done))
            loss = loss + PULL * (1 - (2 * up - 1).abs().pow(beta)).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    integers = (floor + (_share(free) * alive >= 0.5)).clamp(-most, most).detach().cpu().numpy().astype(np.int64)
    return Grid(tuple(weight.shape), narrow(integers), steps)


def _share(free: Tensor) -> Tensor:
    return (free.sigmoid() * (HIGH - LOW) + LOW).clamp(0, 1)
