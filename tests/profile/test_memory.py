"""The activation memory of a forward pass, against sums made by hand."""

import pytest
import torch
from torch import Tensor, nn

from laconic.profile import count, profile

FLOAT = 4


def test_a_chain_needs_its_two_largest_neighbours() -> None:
    found = count(nn.Sequential(nn.Linear(4, 100), nn.ReLU(), nn.Linear(100, 7)), (4,))
    assert found.peak_bytes == FLOAT * (4 + 100 + 100)  # the sample is the caller's and stays
    assert found.peak_layer == "1"


def test_what_works_in_place_needs_nothing() -> None:
    found = count(nn.Sequential(nn.Linear(4, 100), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(100, 7)), (4,))
    assert found.peak_bytes == FLOAT * (4 + 100 + 7)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(10, 30), nn.Linear(30, 10))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x)


def test_a_shortcut_is_held_until_it_is_added() -> None:
    found = count(nn.Sequential(nn.Linear(2, 10), Residual()), (2,))
    assert found.peak_bytes == FLOAT * (2 + 10 + 30 + 10)
    assert found.peak_layer == "1.inner.1"


@pytest.mark.parametrize("batch", [1, 5])
def test_it_grows_with_the_batch_and_is_the_same_with_values_and_without(batch: int) -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))
    counted = count(model, (1, 6, 6), batch=batch)
    assert counted.peak_bytes == batch * count(model, (1, 6, 6)).peak_bytes
    assert profile(model, (1, 6, 6), batch=batch, repeats=1).peak_bytes >= counted.peak_bytes  # a kernel may want room of its own


def test_parameters_are_not_activations() -> None:
    found = count(nn.Linear(1000, 1, bias=False), (1000,))
    assert found.peak_bytes == FLOAT * 1001
    with torch.device("meta"):
        assert count(nn.Linear(1000, 1, bias=False), (1000,)).peak_bytes == FLOAT * 1001
