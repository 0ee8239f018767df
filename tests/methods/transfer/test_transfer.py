"""Convolutions are converted where they can be; what comes out trains, combines with other steps, is saved, and comes back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from laconic import compress, load, load_into
from laconic.artifact import Artifact, unpack
from laconic.artifact.pack import pack
from laconic.base.edits import Transferred
from laconic.base.errors import ModelError, RecipeError
from laconic.datasets.data import Data
from laconic.graph.network import Network
from laconic.graph.persist import preserve, revive
from laconic.graph.replay import edits_in, noted
from laconic.methods.context import Context
from laconic.methods.fold import Fold
from laconic.methods.transfer import Transfer
from laconic.nn.transferred import KINDS
from laconic.recipe import parse

Apply = Callable[..., Network]


@pytest.fixture
def model(history: Callable[[nn.Module], nn.Module]) -> nn.Module:
    """Three convolutions, of which the first has one input."""
    torch.manual_seed(0)
    net = nn.Sequential(
        *(nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU()),
        *(nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.BatchNorm2d(16), nn.ReLU()),
        *(nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 4)),
    )
    return history(net).eval()


def outputs(module: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = module.eval()(torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0)))
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_every_layer_that_can_be_is_converted_and_the_plan_says_what_it_costs(kind: Any, model: nn.Module, data: Data) -> None:
    step, network, context = Transfer(kind=kind), Network(model), Context(data, model)
    plan = step.plan(network, context)
    small = step.apply(network, plan, context)
    expected = ["3", "6"] if kind == "circulant" else ["0", "3", "6"]
    converted = [row for row in plan.rows if row["kind"] == kind]
    assert [row["layer"] for row in converted] == expected
    assert [edit.layer for edit in small.edits] == expected
    for row in converted:
        assert row["parameters"] == model.get_parameter(f"{row['layer']}.weight").numel()
        assert row["after"] == small.module.get_parameter(f"{row['layer']}.weight").numel()
        assert 0 < row["relative error"] < 1


def test_the_plan_says_which_layers_stay_and_why(model: nn.Module, data: Data) -> None:
    rows = Transfer(kind="circulant").plan(Network(model), Context(data, model)).rows
    assert rows[0]["layer"] == "0"
    assert rows[0]["kind"] == "stays: 1 inputs are not a multiple of 4"
    assert (rows[0]["parameters"], rows[0]["after"], rows[0]["relative error"]) == (72, 72, 0.0)


def test_a_table_names_layers_and_the_others_stay(model: nn.Module, apply: Apply) -> None:
    small = apply(Transfer(kind={"3": "crelu", "6": "c4"}), Network(model))
    assert small.edits == (Transferred("3", "crelu"), Transferred("6", "c4"))
    assert type(small.module[0]) is nn.Conv2d


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "dcnn"])
def test_a_network_that_is_of_the_kind_computes_what_it_did(kind: Any, model: nn.Module, apply: Apply) -> None:
    layer = KINDS[kind](8, 16, 3, ordered=True)
    with torch.no_grad():
        layer.order.copy_(torch.randperm(16))
        model[3].weight.copy_(layer.filters())
    small = apply(Transfer(kind={"3": kind}), Network(model))
    assert torch.allclose(outputs(small.module), outputs(model), atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_falls_with_the_parameters(kind: Any, model: nn.Module, apply: Apply) -> None:
    def size(network: Network) -> int:
        return len(pack(Artifact(network.tensors()), weights_only=True, profile="fast"))

    before, after = Network(model), apply(Transfer(kind={"6": kind}), Network(model))
    saved = model[6].weight.numel() - after.module[6].weight.numel()
    assert size(before) - size(after) > 0.75 * 4 * saved  # bytes of noise hardly compress


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_goes_on_from_it(kind: Any, model: nn.Module, apply: Apply) -> None:
    small = apply(Transfer(kind={"6": kind}), Network(model))
    back = revive(preserve(small), model)
    assert back.edits == small.edits == edits_in(unpack(pack(Artifact(small.tensors(), notes=noted(small.edits)))).notes)
    assert list(back.module.state_dict()) == list(small.module.state_dict())
    assert torch.equal(outputs(back.module), outputs(small.module))


RECIPES = {
    "trained, then on grids": """steps:
- transfer: {kind: c4}
- finetune: {epochs: 1, batch: 32}
- fold
- quantize: {bits: 6.0, samples: 32}""",
    "pruned, then shared": """steps:
- transfer: {kind: {'3': circulant, '6': dcnn}}
- prune: {sparsity: 0.5}
- share: {bits: 4}""",
    "cut afterwards": """steps:
- transfer: {kind: {'6': crelu}}
- prune-channels: {ratio: 0.3, criterion: l2}
- factorize: {params: 0.9, kind: svd}
- fold""",
}


@pytest.mark.parametrize("recipe", [pytest.param(name, marks=pytest.mark.slow if number else ()) for number, name in enumerate(RECIPES)])
def test_the_whole_way_to_the_file_and_back(
    recipe: str, model: nn.Module, data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("laconic.recipe.measure.REPEATS", 2)
    result = compress(model, data, parse(RECIPES[recipe]))
    result.save(tmp_path / "f.lac")
    inputs = data.preprocessing.apply(data.test.inputs[:8])
    with torch.no_grad():
        there = result.model.eval()(torch.from_numpy(inputs)).numpy()
        back = load_into(model, tmp_path / "f.lac").eval()(torch.from_numpy(inputs)).numpy()
    np.testing.assert_allclose(load(tmp_path / "f.lac")(inputs), there, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(back, there, rtol=1e-3, atol=1e-3)


def test_what_was_folded_is_not_shared_out(model: nn.Module, apply: Apply) -> None:
    with pytest.raises(RecipeError, match="folded into it"):
        apply(Transfer(kind={"3": "crelu"}), apply(Fold(), Network(model)))


def test_a_layer_that_is_named_and_cannot_be_is_refused_at_once(model: nn.Module, data: Data) -> None:
    with pytest.raises(RecipeError, match="filters of 0 cannot be transferred as circulant: 1 inputs are not a multiple of 4") as caught:
        Transfer(kind={"*": "circulant"}).check(Network(model), Context(data, model))
    assert caught.value.hint


def test_a_model_without_such_layers_is_refused_at_once(data: Data) -> None:
    for net in (nn.Sequential(nn.Flatten(), nn.Linear(64, 4)), nn.Sequential(nn.Conv2d(1, 7, 3), nn.Flatten(), nn.Linear(252, 4))):
        with pytest.raises(RecipeError, match=r"no convolution|7 outputs"):
            Transfer(kind="flip").check(Network(net), Context(data, net))


def test_layers_that_share_a_weight_stay(data: Data, apply: Apply) -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1), nn.Flatten(), nn.Linear(256, 4)
    )
    net[2].weight = net[1].weight
    step = Transfer(kind="c4", samples=0)
    assert [edit.layer for edit in apply(step, Network(net)).edits] == ["0"]
    kinds = {row["layer"]: row["kind"] for row in step.plan(Network(net), Context(data, net)).rows}
    assert kinds == {"0": "c4"} | dict.fromkeys(("1", "2"), "stays: it shares its weights with another layer")


class Odd(nn.Module):
    """Calls layers by keyword, and one not at all."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.pads, self.idle = nn.Conv2d(1, 8, 3), nn.Conv2d(8, 8, 3, padding=1, padding_mode="circular"), nn.Conv2d(8, 8, 3)
        self.fc = nn.Linear(288, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.pads(input=torch.relu(self.stem(input=x))).flatten(1))


def test_a_layer_that_is_called_by_keyword_is_converted_and_one_that_is_not_called_stays(data: Data) -> None:
    net = Odd()
    kinds = {row["layer"]: row["kind"] for row in Transfer(kind="c4").plan(Network(net), Context(data, net)).rows}
    stay = {"pads": "stays: it pads with circular", "idle": "stays: the forward pass does not call it as a layer"}
    assert kinds == {"stem": "c4"} | stay


def test_an_order_that_is_none_is_refused(model: nn.Module, apply: Apply, tmp_path: Path) -> None:
    small = apply(Transfer(kind={"6": "c4"}), Network(model))
    small.module[6].order[0] = 99
    (tmp_path / "f.lac").write_bytes(pack(Artifact(small.tensors(), notes=noted(small.edits))))
    with pytest.raises(ModelError, match="order of the filters, is none of '6'"):
        load_into(model, tmp_path / "f.lac")


@pytest.mark.parametrize("fields", [{"kind": "c8"}, {"kind": {}}, {"kind": {"a": "c8"}}, {"kind": "c4", "samples": -1}])
def test_what_makes_no_sense_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(RecipeError):
        Transfer(**fields)
