"""Fire: squeeze to few channels, then expand by 1 × 1 and 3 × 3 filters side by side."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from laconic.zoo.stages import Stage

Bypass = Literal["none", "simple", "complex"]


@dataclass(frozen=True, kw_only=True)
class FireStage(Stage):
    """A stage of Fire modules.

    Args:
        squeeze: channels between, the paper's s₁ₓ₁. Half of the width are 1 × 1 filters, half of them `kernel` × `kernel`.
        bypass: "simple" adds what enters to what leaves where both have as many channels; "complex" also does so where they have not,
            through a 1 × 1 convolution (figure 2).
    """

    squeeze: int
    bypass: Bypass = "none"


class Fire(nn.Module):
    """Iandola et al. 2016, section 3.2 and figure 1.

    Args:
        inputs: channels that enter.
        stage: its width, squeeze, kernel, activation and bypass are taken.
        stride: of the squeezing convolution.

    `(n, inputs, h, w)` → `(n, width, h / stride, w / stride)`, rounded up.

    >>> sum(p.numel() for p in Fire(96, FireStage(width=128, squeeze=16, block=Fire), 1).parameters())  # fire2, table 1
    11920
    """

    def __init__(self, inputs: int, stage: FireStage, stride: int = 1) -> None:
        super().__init__()
        half = stage.width // 2
        self.squeeze = nn.Conv2d(inputs, stage.squeeze, 1, stride)
        self.expand1x1 = nn.Conv2d(stage.squeeze, half, 1)
        self.expand3x3 = nn.Conv2d(stage.squeeze, stage.width - half, stage.kernel, padding=stage.kernel // 2)
        self.activation = stage.activation()
        self.bypass = _bypass(inputs, stage, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Both kinds of filters' maps, the 1 × 1 ones first."""
        squeezed = self.activation(self.squeeze(x))
        expanded = torch.cat([self.activation(self.expand1x1(squeezed)), self.activation(self.expand3x3(squeezed))], 1)
        return expanded if self.bypass is None else expanded + self.bypass(x)


def _bypass(inputs: int, stage: FireStage, stride: int) -> nn.Module | None:
    if stage.bypass != "none" and inputs == stage.width and stride == 1:
        return nn.Identity()
    return nn.Conv2d(inputs, stage.width, 1, stride) if stage.bypass == "complex" else None
