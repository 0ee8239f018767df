"""A weight that trains as a real number u and is used as ŵ = s · round(u), or as zero in the dead zone; the step s is trained too.

Rounding passes gradients straight through (Bengio, Léonard & Courville 2013). u counts steps, so that one learning rate suits all
weights: where an error costs more, the steps are finer, and the optimiser moves with care. Only where they are very fine, as those of
biases, of which there are few, would it never get anywhere; what trains there is u / g, and g is the *grain*. The step follows in per
cents, s₀ · exp(θ / 20).
"""

import torch
from torch import nn

from laconic.forms import Form, Grid
from laconic.forms.form import narrow
from laconic.nn.holding import Holder
from laconic.nn.weights import to_numpy

ROUNDING = 0.5  # the dead zone of plain rounding, in steps
STRETCH = 0.05  # by which ln s moves where θ moves by 1


class Latent(Holder):
    """Holds a weight on a grid that moves. What trains is the latent u / g, of the weight's shape, and θ.

    Args:
        step: to start from.
        grain: steps that a latent of 1 is.
        kept: mask of the weight; where it is false the weight stays zero.
        dtype: of the weight in use, whatever that of the latent one.
    """

    first: torch.Tensor
    kept: torch.Tensor
    context: torch.Tensor
    dead_zone: torch.Tensor

    def __init__(self, step: float, kept: torch.Tensor, dtype: torch.dtype = torch.float32, grain: float = 1.0) -> None:
        super().__init__()
        self.stretch = nn.Parameter(torch.zeros(()))
        self.register_buffer("first", torch.tensor(step))
        self.register_buffer("kept", kept)
        self.register_buffer("context", torch.zeros(kept.shape, dtype=torch.uint8))
        self.register_buffer("dead_zone", torch.tensor(ROUNDING))
        self.dtype, self.grain = dtype, grain

    def step(self) -> torch.Tensor:
        """s, in the 8 significant bits that the file gives it, and not below what the weight's type can hold."""
        step = (self.first * (STRETCH * self.stretch).exp()).clamp(min=torch.finfo(self.dtype).tiny)
        return step + (step.bfloat16().to(step) - step).detach()

    def steps(self, latent: torch.Tensor) -> torch.Tensor:
        """u, and 0 where the weight is masked."""
        return latent * self.grain * self.kept

    def integers(self, latent: torch.Tensor) -> torch.Tensor:
        """round(u), and 0 in the dead zone."""
        steps = self.steps(latent).detach()
        return torch.where(steps.abs() < self.dead_zone, 0, steps.round())

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        steps = self.steps(latent)
        return ((steps + (self.integers(latent) - steps).detach()) * self.step().to(steps)).to(self.dtype)

    def right_inverse(self, weight: torch.Tensor) -> torch.Tensor:
        return self.latent(weight).to(weight)

    @torch.no_grad()
    def latent(self, weight: torch.Tensor) -> torch.Tensor:
        """That of a weight; in 32 bits at least, as in 16, Adam's small steps would be none."""
        wide = weight.to(torch.promote_types(weight.dtype, torch.float32))
        return wide / (self.step().to(wide) * self.grain)

    def form(self, trained: torch.Tensor) -> Form:
        step = self.step().detach().to(self.dtype).reshape(1)
        return Grid(tuple(trained.shape), narrow(to_numpy(self.integers(trained).long())), to_numpy(step))
