"""How weights start."""

from torch import nn


def he_normal(module: nn.Module) -> None:
    """Zero-mean normal weights of variance 2 / fan-in (He et al., "Delving Deep into Rectifiers", ICCV 2015, equation 10); biases of zero.

    Only convolutions and linear layers are changed: `network.apply(he_normal)`.
    """
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
