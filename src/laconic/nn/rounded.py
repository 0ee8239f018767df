"""Values rounded to 8 bits on their way through a network, as integer kernels have them (Jacob et al. 2018, §2.1).

    x ↦ (clip(round(x / s) + z, 0, 255) − z) · s

s is the scale, z the zero point: a uint8, so that zero is exact, as padding with zeros asks for. Gradients pass as if nothing was rounded
where x is inside the range, and not at all outside (straight-through estimator, Bengio et al. 2013).
"""

from typing import Any

import torch
from torch import Tensor, nn

LEVELS = 255


@torch.library.custom_op("laconic::rounded", mutates_args=())
def rounded(x: Tensor, scale: Tensor, zero_point: Tensor) -> Tensor:
    """The value on its grid; half to even, as in ONNX's QuantizeLinear. One operator, so that a trace has one node for it."""
    return ((x / scale).round() + zero_point).clamp(0, LEVELS).sub(zero_point).mul(scale).to(x.dtype)


@rounded.register_fake
def _(x: Tensor, scale: Tensor, zero_point: Tensor) -> Tensor:
    return torch.empty_like(x)


def _remember(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
    x, scale, zero_point = inputs
    place = (x / scale).round() + zero_point
    ctx.save_for_backward((place >= 0) & (place <= LEVELS))


def _through(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
    (inside,) = ctx.saved_tensors
    return gradient * inside, None, None


rounded.register_autograd(_through, setup_context=_remember)


class Rounded(nn.Module):
    """One value's rounding.

    >>> value = Rounded()
    >>> value.set(0.5, 2)
    >>> value(torch.tensor([-9.0, 0.2, 0.3, 1.0])).tolist()
    [-1.0, 0.0, 0.5, 1.0]
    """

    scale: Tensor
    zero_point: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("zero_point", torch.zeros((), dtype=torch.uint8))

    def set(self, scale: float, zero_point: int) -> None:
        """Choose the grid."""
        self.scale.fill_(scale)
        self.zero_point.fill_(zero_point)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = rounded(x, self.scale, self.zero_point)
        return out
