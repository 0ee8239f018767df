"""A network that reads digits: trained in seconds, and good enough to lose something."""

import pytest
import torch
from torch import nn

from laconic import Finetune
from laconic.datasets.data import Data
from laconic.datasets.digits import load_digits


@pytest.fixture(scope="session")
def digits() -> Data:
    return load_digits()


@pytest.fixture(scope="session")
def trained(digits: Data) -> nn.Module:
    """8 × 8 digits → 10 logits, through convolutions with normalisation, one of them grouped, and a linear layer; 96 % right."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2, groups=2)]
    net = nn.Sequential(*layers, nn.BatchNorm2d(32), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10))
    return Finetune(epochs=3, lr=0.05, batch=32)(net, digits).module.eval()
