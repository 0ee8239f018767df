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


class HeStarted(nn.Module):
    """A network whose weights start by `he_normal`: when it is built, and when it is to forget what it learnt."""

    def reset_parameters(self) -> None:
        """Draw the weights of its convolutions and linear layers; a constructor's last line. Normalisations reset themselves."""
        self.apply(he_normal)
