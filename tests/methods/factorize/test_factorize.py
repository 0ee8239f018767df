"""Layers are split where it pays, to a target; what comes out is a network like any other."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from laconic import compress, load, load_into
from laconic.base.errors import BudgetError, RecipeError
from laconic.datasets.data import Data
from laconic.graph.network import Network
from laconic.graph.persist import preserve, revive
from laconic.methods.context import Context
from laconic.methods.factorize import Factorize
from laconic.methods.fold import Fold
from laconic.profile import count
from laconic.recipe import parse
from laconic.train import as_runner, evaluate

SHAPE = (1, 8, 8)


def always_faster(candidate: Network, before: Network, inputs: np.ndarray) -> float:
    return 0.5


def split(step: Factorize, model: nn.Module, data: Data, clock: Callable[..., float] = always_faster) -> Network:
    network, context = Network(model), Context(data, model, clock=clock)
    return step.apply(network, step.plan(network, context), context)


@pytest.mark.parametrize("kind", ["auto", "svd", "spatial", "tucker", "separable"])
def test_a_share_of_macs_is_met_and_nearly_used(kind: Any, model: nn.Module, data: Data) -> None:
    found = count(split(Factorize(macs=0.6, kind=kind), model, data).module, SHAPE).macs / count(model, SHAPE).macs
    assert 0.35 < found <= 0.6


def test_a_share_of_parameters_is_met(model: nn.Module, data: Data) -> None:
    small = split(Factorize(params=0.5), model, data, clock=lambda *_: 2.0).module
    assert sum(p.numel() for p in small.parameters()) <= 0.5 * sum(p.numel() for p in model.parameters())


def test_a_layer_that_would_not_be_faster_stays(model: nn.Module, data: Data) -> None:
    def clock(candidate: Network, before: Network, inputs: np.ndarray) -> float:
        assert inputs.shape[0] == 1
        return 0.9 if isinstance(before.module[0], nn.Linear) else 1.1

    small = split(Factorize(rank=2, samples=0), model, data, clock)
    assert [edit.layer for edit in small.edits] == ["fc"]


def only_linear_faster(candidate: Network, before: Network, inputs: np.ndarray) -> float:
    return 0.9 if isinstance(before.module[0], nn.Linear) else 1.1


def test_where_a_layer_stays_the_others_meet_the_target(data: Data) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.Flatten(), nn.Linear(512, 32), nn.Linear(32, 4))
    network, context = Network(model), Context(data, model, clock=only_linear_faster)
    step = Factorize(macs=0.35)
    rows = {row["layer"]: row for row in step.plan(network, context).rows}
    assert rows["0"]["kind"] == "stays: slower in parts here"
    assert (rows["0"]["ranks"], rows["0"]["MACs"]) == ("", 1.0)
    small = split(step, model, data, only_linear_faster)
    assert count(small.module, SHAPE).macs <= 0.35 * count(model, SHAPE).macs
    assert "0" not in {edit.layer for edit in small.edits}


def test_a_target_that_the_faster_layers_cannot_meet_is_refused(model: nn.Module, data: Data) -> None:
    with pytest.raises(BudgetError, match="where that is faster, the target is not met"):
        split(Factorize(macs=0.6), model, data, clock=lambda *_: 1.1)


def test_a_layer_may_be_named_with_its_weight(model: nn.Module, data: Data) -> None:
    assert [edit.layer for edit in split(Factorize(rank={"fc.weight": 2}), model, data).edits] == ["fc"]


def test_with_its_full_energy_nothing_is_lost(model: nn.Module, data: Data) -> None:
    small = split(Factorize(energy=0.999999999), model, data).module
    inputs = torch.randn(4, *SHAPE)
    with torch.no_grad():
        assert torch.allclose(small.eval()(inputs), model.eval()(inputs), atol=1e-3)


def test_an_allowed_drop_is_kept(data: Data) -> None:
    from laconic.methods.finetune import Finetune

    torch.manual_seed(0)
    model = Finetune(epochs=5, lr=0.05, batch=32)(nn.Sequential(nn.Flatten(), nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 4)), data).module
    small = split(Factorize(drop=2.0), model, data)

    def score(module: nn.Module) -> float:
        return evaluate(as_runner(module), data.validation, data.preprocessing, Context(data, model).task, "").value

    assert score(model) - score(small.module) <= 2.0
    assert small.edits


def test_ranks_above_the_noise(data: Data) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 4))
    with torch.no_grad():
        model[1].weight.copy_(torch.randn(48, 3) @ torch.randn(3, 64) + 0.1 * torch.randn(48, 64))
    assert {edit.layer: edit.ranks for edit in split(Factorize(vbmf=True), model, data).edits}["1"] == (3,)


def test_a_run_goes_on_from_it_and_folds_go_with_it(model: nn.Module, data: Data) -> None:
    folded = Fold()(model, data)
    step, context = Factorize(rank={"stem": 3, "block.*": 2}, kind="svd"), Context(data, model, clock=always_faster)
    small = step.apply(folded, step.plan(folded, context), context)
    back = revive(preserve(small), model)
    assert (back.edits[0], list(back.module.state_dict())) == (small.edits[-3], list(small.module.state_dict()))
    inputs = torch.randn(4, *SHAPE)
    with torch.no_grad():
        assert torch.equal(back.module.eval()(inputs), small.module.eval()(inputs))


RECIPE = "steps:\n- factorize: {macs: 0.6}\n- fold\n- prune-channels: {macs: 0.9, criterion: l2}\n- share: {bits: 6}"


def test_the_whole_way_to_the_file_and_back(model: nn.Module, data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from laconic.recipe import measure

    monkeypatch.setattr(measure.SessionClock, "__call__", lambda *_: 0.5)
    result = compress(model, data, parse(RECIPE))
    result.save(tmp_path / "f.lac")
    inputs = data.preprocessing.apply(data.test.inputs[:8])
    with torch.no_grad():
        there = result.model.eval()(torch.from_numpy(inputs)).numpy()
        back = load_into(model, tmp_path / "f.lac").eval()(torch.from_numpy(inputs)).numpy()
    np.testing.assert_allclose(load(tmp_path / "f.lac")(inputs), there, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(back, there, rtol=1e-3, atol=1e-3)


def test_what_cannot_be_reached_is_refused(model: nn.Module, data: Data) -> None:
    with pytest.raises(BudgetError, match="every rank at 1"):
        split(Factorize(macs=0.001), model, data)


@pytest.mark.parametrize(
    "fields",
    [{}, {"macs": 0.5, "energy": 0.9}, {"macs": 0.0}, {"energy": 1.5}, {"rank": 0}, {"macs": 0.5, "kind": "cp"}, {"macs": 0.5, "kind": "x"},
     {"vbmf": True, "kind": "separable"}, {"macs": 0.5, "samples": -1}],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(RecipeError):
        Factorize(**fields)


def test_ranks_are_multiples(model: nn.Module, data: Data) -> None:
    ranks = [rank for edit in split(Factorize(energy=0.3, kind="svd", multiple=2), model, data).edits for rank in edit.ranks]
    assert ranks
    assert all(rank % 2 == 0 for rank in ranks)


def test_two_ranks_go_as_low_as_one_does(data: Data) -> None:
    """Where the spectra are flat, half of what a rank may lose is not enough."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 32, 3, padding=1), nn.Conv2d(32, 32, 3, padding=1), nn.Flatten(), nn.Linear(32 * 64, 4))
    step, network, context = Factorize(macs=0.2, kind="tucker", samples=0), Network(model), Context(data, model, clock=lambda *_: 0.5)
    small = step.apply(network, step.plan(network, context), context).module
    assert count(small, (1, 8, 8)).macs <= 0.2 * count(model, (1, 8, 8)).macs
