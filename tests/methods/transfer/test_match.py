"""Base filters and orders, against what was planted, brute force, and averages that can be said in a line."""

import numpy as np
import pytest
import torch

from laconic.methods.transfer.match import match
from laconic.nn.transferred import KINDS

GROUPS = [kind for kind in KINDS if kind != "dcnn"]
every_kind = pytest.mark.parametrize("kind", KINDS)


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def built(kind: str, base: np.ndarray, order: np.ndarray) -> np.ndarray:
    found: np.ndarray = torch.cat(KINDS[kind].images(torch.from_numpy(base))).numpy()[order]
    return found


def some_moments(channels: int) -> np.ndarray:
    """Of channels that are correlated and of unlike size."""
    rows = noise(50, channels) * np.linspace(0.2, 3, channels) + 0.5
    return rows.T @ rows / len(rows)


@pytest.mark.parametrize("moments", [None, some_moments(8)], ids=["weights", "outputs"])
@pytest.mark.parametrize("kind", GROUPS)
def test_a_layer_that_is_of_the_kind_in_some_order_is_found_exactly(kind: str, moments: np.ndarray | None) -> None:
    weight = built(kind, noise(4, 8, 3, 3), np.random.default_rng(1).permutation(4 * KINDS[kind].copies))
    found = match(kind, weight, moments)
    assert found.error < 1e-6
    np.testing.assert_allclose(built(kind, found.base, found.order), weight, atol=1e-5)


@every_kind
def test_every_filter_has_an_image_of_its_own_and_the_error_is_that_of_the_layer(kind: str) -> None:
    weight = noise(8, 4, 3, 3)
    found = match(kind, weight)
    assert sorted(found.order) == list(range(8))
    made = built(kind, found.base, found.order)
    assert found.error == pytest.approx(np.linalg.norm(weight - made) / np.linalg.norm(weight), rel=1e-5)
    assert found.error < 1


@pytest.mark.parametrize("moments", [None, some_moments(4)], ids=["weights", "outputs"])
@every_kind
def test_for_its_order_no_other_base_is_better(kind: str, moments: np.ndarray | None) -> None:
    weight = noise(8, 4, 3, 3)
    found = match(kind, weight, moments)
    metric = np.eye(4) if moments is None else moments

    def error(base: np.ndarray) -> float:
        rows = weight - built(kind, base.astype(np.float32), found.order)
        return float(np.einsum("nchw,cd,ndhw->", rows, metric, rows))

    least = error(found.base)
    for seed in range(20):
        assert error(found.base + 0.01 * noise(*found.base.shape, seed=seed)) > least


def test_the_base_of_circulant_blocks_is_the_mean_along_their_diagonals() -> None:
    weight = noise(4, 4, 1, 1)
    found = match("circulant", weight)
    rows = weight[np.argsort(found.order), :, 0, 0]
    means = [np.mean([rows[s, (c + s) % 4] for s in range(4)]) for c in range(4)]
    np.testing.assert_allclose(found.base[0, :, 0, 0], means, rtol=1e-5)


def pairings(rest: tuple[int, ...]) -> list[list[tuple[int, int]]]:
    """All ways to put an even number of things in pairs."""
    if not rest:
        return [[]]
    first, *others = rest
    return [[(first, one), *more] for one in others for more in pairings(tuple(x for x in others if x != one))]


@pytest.mark.parametrize(("kind", "sign"), [("crelu", -1), ("mba", 1)])
def test_pairs_are_nearly_as_good_as_the_best_of_all(kind: str, sign: int) -> None:
    ours, best = [], []
    for seed in range(8):
        weight = noise(6, 2, 1, 1, seed=seed).astype(np.float64)
        rows = weight.reshape(6, -1)
        lost = [sum(np.sum((rows[a] - sign * rows[b]) ** 2) / 2 for a, b in pairs) for pairs in pairings(tuple(range(6)))]
        best.append(np.sqrt(min(lost) / np.sum(rows**2)))
        ours.append(match(kind, weight).error)
    assert np.all(np.array(ours) >= np.array(best) - 1e-9)
    assert np.mean(ours) <= 1.1 * np.mean(best)


@every_kind
def test_where_outputs_count_they_are_met_better(kind: str) -> None:
    moments, blind, seeing = some_moments(8), [], []
    for seed in range(8):
        weight = noise(16, 8, 3, 3, seed=seed)
        found = match(kind, weight)
        rows = weight - built(kind, found.base, found.order)
        whole = np.einsum("nchw,cd,ndhw->", weight, moments, weight)
        blind.append(np.sqrt(np.einsum("nchw,cd,ndhw->", rows, moments, rows) / whole))
        seeing.append(match(kind, weight, moments).error)
    assert np.mean(seeing) < np.mean(blind)


def test_a_layer_of_zeros_loses_nothing() -> None:
    for kind in KINDS:
        assert match(kind, np.zeros((8, 4, 3, 3), np.float32)).error == 0


def test_where_nothing_enters_weights_count() -> None:
    weight = noise(8, 4, 3, 3)
    for kind in KINDS:
        np.testing.assert_array_equal(match(kind, weight, np.zeros((4, 4))).base, match(kind, weight).base)
