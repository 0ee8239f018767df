"""Rounding with error feedback, against the formula in plain Python, exhaustive search, and the laws of the nearest plane."""

import itertools

import numpy as np
import pytest

from laconic.methods.quantize.rounding import BLOCK, nearest_plane

STEP = 0.25


def factor(size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A random second moment of correlated values, and its upper triangular factor."""
    samples = rng.normal(size=(2 * size, size)) @ (np.eye(size) + rng.normal(size=(size, size)) / size**0.5)
    moment = samples.T @ samples / len(samples)
    return moment, np.linalg.cholesky(moment).T


def problem(rows: int, columns: int, seed: int) -> tuple[np.ndarray, ...]:
    rng = np.random.Generator(np.random.PCG64(seed))
    (G, R), (A, S) = factor(rows, rng), factor(columns, rng)
    return rng.normal(size=(rows, columns)), G, R, A, S


def cost(error: np.ndarray, G: np.ndarray, A: np.ndarray) -> float:
    return float(np.trace(G @ error @ A @ error.T))


def everywhere(weight: np.ndarray) -> np.ndarray:
    return np.ones(weight.shape, bool)


def by_formula(weight: np.ndarray, R: np.ndarray, S: np.ndarray, step: float, kept: np.ndarray) -> np.ndarray:
    """The formula at the top of rounding.py, one element at a time."""
    integers, error = np.zeros(weight.shape, np.int64), np.zeros(weight.shape)
    for c in reversed(range(weight.shape[1])):
        for r in reversed(range(weight.shape[0])):
            shift = sum(
                R[r, i] * S[c, j] * error[i, j] for i in range(r, weight.shape[0]) for j in range(c, weight.shape[1]) if (i, j) != (r, c)
            )
            if kept[r, c]:
                integers[r, c] = np.rint((weight[r, c] - shift / (R[r, r] * S[c, c])) / step)
            error[r, c] = integers[r, c] * step - weight[r, c]
    return integers


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (4, 1), (1, 9), (3, 5), (6, 4), (2, BLOCK), (2, BLOCK + 1), (3, 2 * BLOCK + 3)])
@pytest.mark.parametrize("share", [1.0, 0.6], ids=["all kept", "some pruned"])
def test_it_is_the_formula(rows: int, columns: int, share: float) -> None:
    weight, _, R, _, S = problem(rows, columns, rows + columns)
    kept = np.random.Generator(np.random.PCG64(1)).random(weight.shape) < share
    integers = nearest_plane(weight, R, S, STEP, kept)
    assert integers.dtype == np.int64
    assert integers.tolist() == by_formula(weight, R, S, STEP, kept).tolist()
    assert not integers[~kept].any()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("columns", [7, 2 * BLOCK + 3])
def test_what_is_left_of_each_term_is_at_most_half_a_step(seed: int, columns: int) -> None:
    """The law of the nearest plane, whatever the way there; and the terms are the cost."""
    weight, G, R, A, S = problem(5, columns, seed)
    error = nearest_plane(weight, R, S, STEP, everywhere(weight)) * STEP - weight
    terms = R @ error @ S.T
    assert (terms**2).sum() == pytest.approx(cost(error, G, A), rel=1e-9)
    assert (np.abs(terms) <= np.outer(np.diag(R), np.diag(S)) * STEP / 2 * (1 + 1e-9)).all()
    assert not (np.abs(error) <= STEP / 2).all()  # the errors themselves are larger: they make up for each other


@pytest.mark.parametrize("seed", range(10))
def test_it_costs_less_than_rounding_each_weight_alone_and_than_feedback_along_one_side(seed: int) -> None:
    weight, G, R, A, S = problem(12, 40, seed)
    plain = np.rint(weight / STEP) * STEP
    both = nearest_plane(weight, R, S, STEP, everywhere(weight)) * STEP
    one = nearest_plane(weight, np.eye(12), S, STEP, everywhere(weight)) * STEP
    costs = [cost(found - weight, G, A) for found in (both, one, plain)]
    assert costs[0] < 0.8 * costs[1] < 0.8 * costs[2]


def test_on_small_matrices_it_is_next_to_the_best_there_is() -> None:
    """All 5⁴ integer matrices around a 2 × 2 one; correlations are mild, for else the best may lie outside of them."""
    ratios = []
    around = np.array(list(itertools.product(range(-2, 3), repeat=4))).reshape(-1, 2, 2)
    for seed in range(60):
        weight, G, _, A, _ = problem(2, 2, seed)
        G, A = G / np.trace(G) + np.eye(2) / 2, A / np.trace(A) + np.eye(2) / 2
        R, S = (np.linalg.cholesky(moment).T for moment in (G, A))
        candidates = (np.rint(weight / STEP) + around) * STEP - weight
        least = np.einsum("rs,nsc,cd,nrd->n", G, candidates, A, candidates).min()
        ratios.append(cost(nearest_plane(weight, R, S, STEP, everywhere(weight)) * STEP - weight, G, A) / least)
    assert min(ratios) > 1 - 1e-9
    assert np.mean(np.array(ratios) < 1 + 1e-9) > 0.7
    assert np.mean(ratios) < 1.25


def test_where_errors_cannot_make_up_for_each_other_each_weight_is_rounded_alone() -> None:
    rng = np.random.Generator(np.random.PCG64(0))
    weight = rng.normal(size=(6, 2 * BLOCK + 1))
    R, S = (np.diag(rng.uniform(0.1, 9, size)) for size in weight.shape)
    assert np.array_equal(nearest_plane(weight, R, S, STEP, everywhere(weight)), np.rint(weight / STEP))


def test_without_columns_they_are_apart() -> None:
    weight, _, R, _, _ = problem(6, BLOCK + 5, 3)
    whole = nearest_plane(weight, R, None, STEP, everywhere(weight))
    assert np.array_equal(whole, nearest_plane(weight, R, np.eye(BLOCK + 5), STEP, everywhere(weight)))
    for column in range(0, BLOCK + 5, 7):
        alone = weight[:, column : column + 1]
        assert np.array_equal(whole[:, column : column + 1], nearest_plane(alone, R, None, STEP, everywhere(alone)))


def test_the_kept_make_up_for_the_pruned() -> None:
    weight, G, R, A, S = problem(8, 50, 4)
    kept = np.random.Generator(np.random.PCG64(1)).random(weight.shape) < 0.5
    made_up = nearest_plane(weight, R, S, STEP, kept) * STEP - weight
    not_made_up = np.where(kept, np.rint(weight / STEP) * STEP, 0) - weight
    assert cost(made_up, G, A) < 0.75 * cost(not_made_up, G, A)


def test_integers_are_on_their_grid_already() -> None:
    weight, _, R, _, S = problem(5, BLOCK + 3, 5)
    integers = nearest_plane(weight, R, S, STEP, everywhere(weight))
    assert np.array_equal(nearest_plane(integers * STEP, R, S, STEP, everywhere(weight)), integers)
