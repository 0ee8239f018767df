"""A weight that trains as a real number v and is used as ŵ = s · round(v / s); the step s is trained too.

Rounding passes gradients straight through (Bengio, Léonard & Courville 2013), by which that of the step becomes round(v / s) − v / s,
as in LSQ (Esser et al. 2020, eq. 3).
"""

import torch
from torch import nn

from laconic.forms import Form, Grid
from laconic.forms.form import narrow
from laconic.nn.holding import Holder
from laconic.nn.weights import to_numpy

ROUNDING = 0.5  # the dead zone of plain rounding, in steps


class Latent(Holder):
    """Holds a weight on a grid that moves.

    Args:
        step: to start from.
        kept: mask of the weight; where it is false the weight stays zero.
        dtype: of the weight in use, whatever that of the latent one.
    """

    kept: torch.Tensor
    context: torch.Tensor

    def __init__(self, step: float, kept: torch.Tensor, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.log_step = nn.Parameter(torch.tensor(step).log())
        self.register_buffer("kept", kept)
        self.register_buffer("context", torch.zeros(kept.shape, dtype=torch.uint8))
        self.dead_zone, self.dtype = ROUNDING, dtype

    def step(self) -> torch.Tensor:
        """s, in the 8 significant bits that the file gives it, and not below what the weight's type can hold."""
        step = self.log_step.exp().clamp(min=torch.finfo(self.dtype).tiny)
        return step + (step.bfloat16().to(step) - step).detach()

    def latent(self, weight: torch.Tensor) -> torch.Tensor:
        """v / s, of the weight's shape."""
        return weight * self.kept / self.step().to(weight)

    def integers(self, weight: torch.Tensor) -> torch.Tensor:
        """round(v / s), and 0 in the dead zone."""
        latent = self.latent(weight).detach()
        return torch.where(latent.abs() < self.dead_zone, 0, latent.round())

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        latent = self.latent(weight)
        return ((latent + (latent.round() - latent).detach()) * self.step().to(weight)).to(self.dtype)

    def right_inverse(self, weight: torch.Tensor) -> torch.Tensor:
        return weight

    def form(self, trained: torch.Tensor) -> Form:
        step = self.step().detach().to(self.dtype).reshape(1)
        return Grid(tuple(trained.shape), narrow(to_numpy(self.integers(trained).long())), to_numpy(step))
