"""Zeros among weights and activations, and the multiplications that they leave."""

import numpy as np
import torch
from torch import nn

from laconic.profile import count, profile


def test_zeros_in_weights_and_inputs_multiply() -> None:
    model = nn.Sequential(nn.ReLU(), nn.Linear(4, 10))
    with torch.no_grad():
        model[1].weight[:, 0] = 0
    samples = np.float32([[1, 2, -3, -4], [1, -2, -3, -4]])
    layer = profile(model, (4,), repeats=1, samples=samples).layers[1]
    assert (layer.weight_density, layer.input_density) == (0.75, 3 / 8)
    assert layer.effective_macs == round(40 * 0.75 * 3 / 8)


def test_lenet5_as_han_counts_it() -> None:
    """Han et al. 2015, table 4: conv2 keeps 12 % of its weights, 82 % of conv1's activations are not zero: 10 % of the MACs remain."""
    layer = nn.Conv2d(20, 50, 5)
    with torch.no_grad():
        layer.weight.flatten()[3_000:] = 0
    samples = np.ones((1, 20, 12, 12), np.float32)
    samples.reshape(-1)[: round(0.18 * samples.size)] = 0
    found = profile(layer, (20, 12, 12), repeats=1, samples=samples)
    assert found.effective_macs is not None
    assert round(found.effective_macs / found.macs, 2) == 0.10


def test_without_samples_only_weights_are_known() -> None:
    found = count(nn.Linear(4, 10), (4,))
    assert found.layers[0].weight_density == 1
    assert found.effective_macs is None
