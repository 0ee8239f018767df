"""What is left makes up for what goes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from laconic import Fold, Prune
from laconic.base.errors import RecipeError
from laconic.datasets.data import Data
from laconic.graph.network import Network
from laconic.methods.prune.compensate import thinned
from laconic.nn.moments import Moments

Apply = Callable[..., Network]


def correlated(columns: int, seed: int = 0) -> torch.Tensor:
    """Samples `(n, columns)` whose neighbours resemble each other."""
    rng, shape = np.random.default_rng(seed), (4 * columns + 40, columns)
    return torch.from_numpy(np.cumsum(rng.standard_normal(shape), 1) / 3 + rng.standard_normal(shape))


def seen(x: torch.Tensor) -> list[Moments]:
    square, none = (x.T @ x)[None] / len(x), torch.zeros(1, x.shape[1], dtype=x.dtype)
    return [Moments(1, square, square, none, none)]


def matrix(rows: int, columns: int) -> torch.Tensor:
    return torch.randn(1, rows, columns, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def lost(weight: torch.Tensor, pruned: torch.Tensor, x: torch.Tensor) -> float:
    return float(((pruned - weight)[0] @ x.T).square().sum())


def test_one_weight_in_front_is_made_up_for_as_optimal_brain_surgeon_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hassibi & Stork 1993, eq. 5."""
    monkeypatch.setattr("laconic.methods.prune.compensate.DAMPING", 0.0)
    x, weight = correlated(6), matrix(1, 6)
    weight[0, 0, 0] = 1e-3  # goes
    pruned, stays = thinned(weight, torch.ones_like(weight, dtype=torch.bool), seen(x), kept=5)
    inverse = torch.linalg.inv(seen(x)[0].own[0])
    wanted = weight[0, 0] - weight[0, 0, 0] / inverse[0, 0] * inverse[0]
    assert stays[0, 0].tolist() == [False, True, True, True, True, True]
    torch.testing.assert_close(pruned[0, 0], wanted, atol=1e-9, rtol=1e-6)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_outputs_lose_less_than_with_the_same_number_of_greatest_weights(share: float) -> None:
    x, weight = correlated(150), matrix(20, 150)
    kept = round(share * weight.numel())
    pruned, stays = thinned(weight, torch.ones_like(weight, dtype=torch.bool), seen(x), kept)
    greatest = weight * (weight.abs() >= weight.abs().flatten().topk(kept).values[-1])
    assert int(stays.sum()) == kept
    assert not pruned[~stays].any()
    assert lost(weight, pruned, x) < 0.7 * lost(weight, greatest, x)


def test_what_is_gone_stays_gone_and_the_number_is_still_met() -> None:
    x, weight = correlated(300), matrix(4, 300)
    alive = torch.ones_like(weight, dtype=torch.bool)
    alive[:, :, :100] = False
    pruned, stays = thinned(weight * alive, alive, seen(x), kept=700)
    assert not stays[~alive].any()
    assert not pruned[~stays].any()
    assert int(stays.sum()) == 700


def loss(network: Network, data: Data) -> float:
    inputs = torch.from_numpy(data.preprocessing.apply(data.validation.inputs))
    with torch.no_grad():
        return float(nn.functional.cross_entropy(network.module.eval()(inputs), torch.from_numpy(data.validation.targets)))


def test_a_network_keeps_more_of_what_it_knows(data: Data, trained: nn.Module, apply: Apply) -> None:
    network = apply(Fold(), Network(trained))
    plain = apply(Prune(sparsity=0.7), network)
    better = apply(Prune(sparsity=0.7, compensate=True), network)
    assert loss(better, data) < loss(plain, data)
    for name, form in better.forms.items():
        if form.kind == "masked":
            assert np.mean(form.array() == 0) == pytest.approx(np.mean(plain.forms[name].array() == 0), abs=0.02)
    assert torch.equal(network.module.fc.weight, Network(apply(Fold(), Network(trained)).module).module.fc.weight), "as it was"


def test_a_bias_makes_up_for_the_means(data: Data, apply: Apply) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 8))
    pruned = apply(Prune(sparsity=0.9, compensate=True), Network(model))
    inputs = torch.from_numpy(data.preprocessing.apply(data.calibration(256)))
    with torch.no_grad():
        torch.testing.assert_close(pruned.module(inputs).mean(0), model(inputs).mean(0), atol=1e-4, rtol=0)


@pytest.mark.parametrize("fields", [{"pattern": "2:4", "sparsity": None}, {"rounds": 2}, {"samples": 0}])
def test_what_makes_no_sense_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(RecipeError):
        Prune(**{"sparsity": 0.5, "compensate": True} | fields)


@pytest.fixture(scope="module")
def trained(data: Data) -> nn.Module:
    from laconic import Finetune

    torch.manual_seed(0)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm, self.fc = nn.Conv2d(1, 12, 3), nn.BatchNorm2d(12), nn.Linear(12 * 36, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(self.norm(self.conv(x)).relu().flatten(1))

    return Finetune(epochs=3, lr=0.05, batch=32)(Net(), data).module
