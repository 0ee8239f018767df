"""Steps that are learnt while the network trains with its integers.

LSQ (Esser et al. 2020, "Learned Step Size Quantization", eqs. 1–3 and §2.2): the step s of v̂ = s · round(clip(v / s)) has a gradient of its
own, inside the range as well,

    ∂v̂/∂s = round(v / s) − v / s  inside,  the last integer  outside,

scaled by 1 / √(N · n), N numbers on a grid that ends at n. PACT (Choi et al. 2018, eq. 3) learns only where the grid of an activation ends:
the gradient comes from what is clipped alone, and the steps of weights stay. Rounding passes gradients straight through in both.
"""

import math

import numpy as np
import torch
from torch import Tensor, nn

from laconic.forms import Grid
from laconic.forms.form import narrow
from laconic.nn.holding import Holder
from laconic.nn.rounded import LEVELS, Rounded
from laconic.nn.weights import to_numpy, to_torch


class LearnedGrid(Holder):
    """Holds a weight on a grid for each row; the weight trains as a real number, and the steps with it.

    Args:
        steps: float32 `(rows,)`, to start from.
        most: the largest integer.
        kept: mask of the weight; where it is false the weight stays zero.
        learn: whether the steps train.
    """

    kept: Tensor

    def __init__(self, steps: np.ndarray, most: int, kept: np.ndarray, learn: bool) -> None:
        super().__init__()
        self.steps = nn.Parameter(to_torch(steps), requires_grad=learn)
        self.most = most
        self.register_buffer("kept", torch.from_numpy(kept))

    def forward(self, weight: Tensor) -> Tensor:
        scale = 1 / math.sqrt(max(weight[0].numel(), 1) * self.most)
        steps = _slowed(self._positive(), scale).reshape(-1, *[1] * (weight.ndim - 1))
        return _straight((weight * self.kept / steps).clamp(-self.most, self.most)) * steps

    def right_inverse(self, weight: Tensor) -> Tensor:
        return weight

    def form(self, trained: Tensor) -> Grid:
        steps = self._positive().detach()
        wide = steps.reshape(-1, *[1] * (trained.ndim - 1))
        integers = (trained.detach() * self.kept / wide).clamp(-self.most, self.most).round()
        return Grid(tuple(trained.shape), narrow(to_numpy(integers.long())), to_numpy(steps))

    def _positive(self) -> Tensor:
        return self.steps.abs().clamp(min=torch.finfo(self.steps.dtype).tiny)


class LearnedRounding(nn.Module):
    """A value's rounding whose scale trains; the zero point stays.

    Args:
        start: the rounding to start from.
        inside: whether numbers inside the range have a say (LSQ), or only those that are clipped (PACT).
    """

    zero_point: Tensor

    def __init__(self, start: Rounded, inside: bool) -> None:
        super().__init__()
        self.scale = nn.Parameter(start.scale.clone())
        self.register_buffer("zero_point", start.zero_point.clone())
        self.inside = inside

    def forward(self, x: Tensor) -> Tensor:
        scale, zero = self.scale.abs().clamp(min=torch.finfo(self.scale.dtype).tiny), self.zero_point.to(self.scale)
        if self.inside:
            scale = _slowed(scale, 1 / math.sqrt(max(x[0].numel(), 1) * LEVELS))
            return _straight((x / scale).clamp(-zero, LEVELS - zero)) * scale
        within = torch.minimum(torch.maximum(x, -zero * scale), (LEVELS - zero) * scale)
        return within + ((within / scale).round() * scale - within).detach()


def start_learning(model: nn.Module, inside: bool) -> None:
    """Let the scales of all rounded values train, in place."""
    for path, module in list(model.named_modules()):
        if isinstance(module, Rounded):
            model.set_submodule(path, LearnedRounding(module, inside))


def _straight(x: Tensor) -> Tensor:
    """Rounded; the gradient passes as if it was not."""
    return x + (x.round() - x).detach()


def _slowed(x: Tensor, by: float) -> Tensor:
    """The same, with a gradient so many times as large."""
    return (x - x * by).detach() + x * by
