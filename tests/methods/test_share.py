"""Shared values: as many as were asked for, each the mean of its cluster, zeros among themselves."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import nn

from laconic.base.errors import RecipeError
from laconic.codec import entropy
from laconic.datasets.data import Data
from laconic.forms import Codebook, Masked
from laconic.graph.network import Network
from laconic.methods import share as module
from laconic.methods.context import Context
from laconic.methods.finetune import Finetune
from laconic.methods.prune import Prune
from laconic.methods.share import Share, share

Apply = Callable[..., Network]
STARTS = ["linear", "density", "random", "exact"]


def same_partition(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether the same weights share an entry, wherever it stands."""
    pairs = np.unique(np.stack([one.reshape(-1), other.reshape(-1)]), axis=1)
    return all(len(np.unique(side)) == pairs.shape[1] for side in pairs)


def books(network: Network) -> dict[str, Codebook]:
    return {name: form for name, form in network.forms.items() if isinstance(form, Codebook)}


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("bits", [1, 3, 8])
@pytest.mark.parametrize("pruned", [False, True])
def test_no_more_than_two_to_the_bits_values(model: nn.Module, apply: Apply, start: str, bits: int, pruned: bool) -> None:
    network = apply(Prune(sparsity=0.5), Network(model)) if pruned else Network(model)
    after = apply(Share(bits=bits, start=start), network)
    assert books(after).keys() == {"stem.weight", "block.conv1.weight", "block.conv2.weight", "fc.weight"}
    for name, book in books(after).items():
        assert 2 <= len(book.table) <= 2**bits
        assert len(np.unique(after.array(name))) <= 2**bits
        assert after.array(name).tobytes() == book.array().tobytes()


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("pruned", [False, True])
def test_each_value_is_the_mean_of_its_cluster(model: nn.Module, apply: Apply, start: str, pruned: bool) -> None:
    network = apply(Prune(sparsity=0.5), Network(model)) if pruned else Network(model)
    for name, book in books(apply(Share(bits=4, start=start), network)).items():
        weight = network.array(name).astype(np.float64)
        for place, value in enumerate(book.table):
            assert weight[book.integers == place].mean() == pytest.approx(value, rel=1e-6, abs=1e-9)


def test_pruned_weights_share_the_one_entry_that_is_zero(model: nn.Module, apply: Apply) -> None:
    network = apply(Prune(sparsity=0.5), Network(model))
    for name, book in books(apply(Share(bits=3), network)).items():
        mask = network.forms[name]
        assert isinstance(mask, Masked)
        assert np.count_nonzero(book.table == 0) == 1
        assert np.array_equal(book.table[book.integers] == 0, ~mask.mask)
        assert (np.diff(book.table) > 0).all()


def test_a_table_of_bits_leaves_the_other_layers_alone(model: nn.Module, apply: Apply) -> None:
    after = apply(Share(bits={"block.conv1": 2, "fc": 4}), Network(model))
    assert {name: len(book.table) for name, book in books(after).items()} == {"block.conv1.weight": 4, "fc.weight": 16}
    assert torch.equal(after.module.stem.weight, model.stem.weight)


def test_shared_values_move_together_when_they_train(model: nn.Module, apply: Apply) -> None:
    shared = apply(Share(bits=3), apply(Prune(sparsity=0.5), Network(model)))
    trained = apply(Finetune(epochs=2, batch=16, lr=0.001), shared)
    for name, book in books(trained).items():
        before = books(shared)[name]
        assert same_partition(book.integers, before.integers)
        assert np.array_equal(book.array() == 0, before.array() == 0)
        assert not np.array_equal(book.table, before.table)
        assert (np.diff(book.table) >= 0).all()
        assert len(np.unique(trained.array(name))) <= 8


@pytest.mark.parametrize("value", [0.0, -0.0, 0.25])
@pytest.mark.parametrize("start", STARTS)
def test_a_constant_layer_has_one_value(model: nn.Module, apply: Apply, value: float, start: str) -> None:
    model.fc.weight.data.fill_(value)
    after = apply(Share(bits=5, start=start), Network(model))
    assert books(after)["fc.weight"].table.tolist() == [value]


def test_a_layer_that_was_pruned_away_has_one_zero(model: nn.Module, apply: Apply) -> None:
    weight = Network(model).array("fc.weight")
    network = Network(model).reformed({"fc.weight": Masked.of(weight, np.zeros(weight.shape, bool))})
    book = books(apply(Share(bits=5), network))["fc.weight"]
    assert book.table.tolist() == [0]
    assert not book.array().any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_values_are_of_the_weights_own_type(model: nn.Module, apply: Apply, dtype: torch.dtype) -> None:
    after = apply(Share(bits=3), apply(Prune(sparsity=0.4), Network(model.to(dtype))))
    for name, book in books(after).items():
        assert book.dtype == Network(model).array(name).dtype
        assert len(book.table) <= 8


def test_two_layers_are_drawn_for_independently_and_the_seed_decides(model: nn.Module, apply: Apply) -> None:
    model.block.conv2.weight.data.copy_(model.block.conv1.weight)
    tables = [
        [book.table.tolist() for book in books(apply(Share(bits=4, start="random"), Network(model), seed=seed)).values()]
        for seed in (1, 1, 2)
    ]
    assert tables[0] == tables[1] != tables[2]
    assert tables[0][1] != tables[0][2]


def test_the_plan_counts_entries_and_estimates_from_a_histogram(model: nn.Module, data: Data) -> None:
    model.fc.weight.data.copy_(torch.tensor([0.0, 0.0, 0.01, 1.0]).repeat(96).reshape(4, 96))
    row = Share(bits=1).plan(Network(model), Context(data, model)).rows[-1]
    bits = 1.5  # a half, a quarter and a quarter: zeros are a bin of their own
    assert row == {"layer": "fc.weight", "bits": 1, "entries": 2, "of": 384, "estimated bytes": 384 * bits / 8 + 2 * 4}


def test_the_plan_of_half_precision_does_not_overflow(model: nn.Module, data: Data) -> None:
    model.half().fc.weight.data[0, :2] = torch.tensor([-65504.0, 65504.0])
    assert Share(bits=8).plan(Network(model), Context(data, model)).rows[-1]["estimated bytes"] > 0


@given(
    hnp.arrays(np.float32, hnp.array_shapes(max_dims=2, max_side=9), elements=st.floats(-8, 8, width=16)),
    st.integers(2, 9),
    st.floats(0, 1),
)
def test_no_value_is_further_from_its_own_than_half_the_way_to_the_next(weight: np.ndarray, entries: int, share_kept: float) -> None:
    kept = np.random.default_rng(0).random(weight.shape) < share_kept
    book = share(weight, kept, entries, "linear", np.random.default_rng(0))
    assert not book.array()[~kept].any()
    table = np.unique(book.array()[kept]).astype(np.float64)
    if kept.any():
        nearest = np.abs(weight[kept].astype(np.float64)[:, None] - table).min(1)
        assert np.allclose(np.abs(weight - book.array())[kept], nearest, atol=1e-5)


def test_sharing_finer_costs_more_and_errs_less(model: nn.Module, apply: Apply) -> None:
    weight = Network(model).array("fc.weight")
    found = [books(apply(Share(bits=bits, start="exact"), Network(model)))["fc.weight"] for bits in (1, 2, 4, 6)]
    errors = [float(((book.array() - weight) ** 2).sum()) for book in found]
    costs = [entropy(book.integers) for book in found]
    assert errors == sorted(errors, reverse=True)
    assert costs == sorted(costs)


@pytest.mark.parametrize("fields", [{"bits": 0}, {"bits": 13}, {"bits": {"fc": 5, "stem": 0}}, {"start": "kmeans++"}], ids=str)
def test_values_that_cannot_be_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(RecipeError):
        Share(**fields)  # type: ignore[arg-type]


def test_an_optimum_that_would_take_too_long_is_refused_with_a_way_out(
    model: nn.Module, apply: Apply, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_EXACT", 8 * 383)
    with pytest.raises(RecipeError, match="up to 383 weights at 8 entries") as caught:
        apply(Share(bits={"fc": 3}, start="exact"), Network(model))
    assert caught.value.where == "share, fc.weight"
    apply(Share(bits={"fc": 3}, start="exact"), apply(Prune(sparsity=0.5), Network(model)))
