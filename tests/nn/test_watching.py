"""What is caught at a layer is what enters and leaves it."""

import numpy as np
import torch
from torch import nn

from laconic.nn.watching import channel_moments, entering, leaving


def test_all_samples_are_caught_in_their_order_over_several_batches() -> None:
    torch.manual_seed(0)
    model, inputs = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), torch.randn(150, 3)
    with torch.no_grad():
        assert torch.allclose(entering(model, "2", inputs), model[:2](inputs))
        assert torch.allclose(leaving(model, "2", inputs), model(inputs))
    assert not model[2]._forward_hooks


def test_the_moments_of_channels_are_taken_over_samples_and_positions() -> None:
    torch.manual_seed(0)
    model, inputs = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(12, 1)), torch.randn(150, 2, 4, 4)
    found = channel_moments(model, ["0", "2"], inputs)
    rows = inputs.permute(0, 2, 3, 1).reshape(-1, 2).double()
    np.testing.assert_allclose(found["0"], rows.T @ rows / len(rows), rtol=1e-6)
    assert found["2"].shape == (12, 12)


class Named(nn.Module):
    """Calls its layers by keyword."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(2, 3, 3), nn.Linear(12, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(input=self.conv(input=x).flatten(1))


def test_a_layer_that_is_called_by_keyword_is_watched_too() -> None:
    torch.manual_seed(0)
    model, inputs = Named(), torch.randn(5, 2, 4, 4)
    assert torch.equal(entering(model, "conv", inputs), inputs)
    rows = inputs.permute(0, 2, 3, 1).reshape(-1, 2).double()
    np.testing.assert_allclose(channel_moments(model, ["conv"], inputs)["conv"], rows.T @ rows / len(rows), rtol=1e-6)
