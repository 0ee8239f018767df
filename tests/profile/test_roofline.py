"""What a machine allows, and what a layer moves for what it multiplies."""

import pytest
from torch import nn

from laconic.base.measures import Measure
from laconic.profile import Roofline, by_batch, count, profile

ROOF = Roofline(Measure(100, "GFLOP/s", "said"), Measure(20, "GB/s", "said"))


def test_below_the_ridge_memory_is_the_limit() -> None:
    assert ROOF.ridge == 5
    assert [ROOF.attainable(intensity) for intensity in (0.5, 5, 500)] == [10, 100, 100]


def test_a_fully_connected_layer_moves_its_weights_once_a_batch() -> None:
    one, eight = (count(nn.Linear(100, 50, bias=False), (100,), batch=batch).layers[0] for batch in (1, 8))
    assert one.moved_bytes == 4 * (100 + 5000 + 50)
    assert eight.moved_bytes == 4 * (8 * 150 + 5000)
    assert one.intensity == pytest.approx(2 * 5000 / one.moved_bytes)
    assert eight.intensity > 6 * one.intensity


def test_ceilings_and_shares_of_them_are_measured() -> None:
    found = profile(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()), (3, 16, 16), repeats=3)
    assert found.roofline is not None
    assert found.roofline.compute.value > 0
    assert found.roofline.bandwidth.value > 0
    layer = found.layers[0]
    assert layer.latency is not None
    reached = 2 * layer.macs / (layer.latency.value / 1e3) / 1e9
    assert found.efficiency(layer) == pytest.approx(100 * reached / found.roofline.attainable(layer.intensity))
    assert found.efficiency(found.layers[1]) is None


def test_layers_and_what_is_between_them_sum_up(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(10_000))
    monkeypatch.setattr("laconic.profile.stopwatch.perf_counter", lambda: float(next(ticks)))
    found = profile(nn.Sequential(nn.ReLU(), nn.Flatten()), (4,), repeats=4)
    # of five ticks between begin and end of a watched pass, one is in each layer and three are around them
    assert found.between is not None
    assert (found.between.value, found.summed) == (3000, 5000)


def test_one_profile_a_batch() -> None:
    found = list(by_batch(nn.Linear(4, 2), (4,), (1, 3), repeats=2))
    assert [one.batch for one in found] == [1, 3]
    assert [one.macs for one in found] == [8, 24]
