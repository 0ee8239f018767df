"""The integers of one layer, against least squares that numpy solves and against curvature multiplied out."""

import numpy as np
import pytest
import torch
from torch import Tensor

from laconic.methods.quantize import layer
from laconic.methods.quantize.layer import Factors, choose_integers
from laconic.methods.quantize.rounding import nearest_plane
from laconic.nn import moments as moments_module
from laconic.nn.maps import ConvMap, LinearMap, Map
from laconic.nn.moments import Moments, moments

FINE = 1e-6


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def moment(size: int, groups: int = 1, seed: int = 0) -> Tensor:
    samples = noise(groups, size, 3 * size, seed=seed)
    return samples @ samples.mT / (3 * size)


def seen(view: Map, reference: Tensor, inputs: Tensor) -> list[Moments]:
    return [part.mean() for part in moments(view, reference.float(), inputs.float())]


def everything(matrix: Tensor) -> Tensor:
    return torch.ones(matrix.shape, dtype=torch.bool)


def damped(second: Tensor, share: float) -> np.ndarray:
    return np.asarray(second + share * second.diagonal().mean() * torch.eye(len(second), dtype=torch.float64))


def test_factors_multiply_to_the_damped_moments() -> None:
    x = noise(300, 6) + 1
    outputs = moment(4)
    factors = Factors.of(outputs, seen(LinearMap(), x, x))
    (columns,) = factors.columns
    np.testing.assert_allclose(factors.rows[0].T @ factors.rows[0], damped(outputs[0], layer.OUTPUT_DAMPING))
    np.testing.assert_allclose(columns[0].T @ columns[0], damped(x.T @ x / 300, layer.INPUT_DAMPING), rtol=1e-5)
    for factor in (factors.rows[0], columns[0]):
        assert torch.equal(factor, factor.triu())
        assert (factor.diagonal() > 0).all()


def test_sensitivity_is_the_geometric_mean_of_what_one_element_costs() -> None:
    rows, first, second = (torch.diag_embed(torch.tensor(values, dtype=torch.float64)) for values in ([[2.0, 8.0]], [[1.0, 3.0]], [[9.0]]))
    assert Factors(rows, (first, second)).sensitivity() == pytest.approx(4 * 3)
    assert Factors(rows, ()).sensitivity() == pytest.approx(4)


def test_inputs_that_are_all_zero_are_no_failure() -> None:
    x = torch.zeros(50, 3, dtype=torch.float64)
    integers = choose_integers(
        noise(1, 2, 3), everything(noise(1, 2, 3)), torch.zeros(1, 2, 2, dtype=torch.float64), seen(LinearMap(), x, x), 0.1
    )
    assert np.isfinite(integers).all()


def test_on_the_inputs_of_the_original_the_weights_themselves_are_rounded() -> None:
    x, matrix, outputs = noise(200, 7) + 0.5, noise(1, 5, 7, seed=1), moment(5)
    inputs = seen(LinearMap(), x, x)
    integers = choose_integers(matrix, everything(matrix), outputs, inputs, 0.2)
    factors = Factors.of(outputs, inputs)
    expected = nearest_plane(matrix[0].numpy(), factors.rows[0].numpy(), factors.columns[0][0].numpy(), 0.2, np.ones((5, 7), bool))
    assert np.array_equal(integers[0], expected)


def least_squares(weight: Tensor, reference: Tensor, inputs: Tensor) -> np.ndarray:
    """argmin over V of mean |W x − V x̂|² + λ |V − W|², as one tall system."""
    damping = layer.INPUT_DAMPING * float(inputs.square().mean(0).mean())
    tall = np.concatenate((inputs / len(inputs) ** 0.5, damping**0.5 * np.eye(inputs.shape[1])))
    wanted = np.concatenate((reference @ weight.T / len(inputs) ** 0.5, damping**0.5 * np.asarray(weight.T)))
    return np.linalg.lstsq(tall, wanted, rcond=None)[0].T


def test_on_other_inputs_the_weights_are_those_that_restore_the_outputs_best() -> None:
    reference = noise(400, 7) + 0.5
    inputs = reference @ (torch.eye(7, dtype=torch.float64) + 0.2 * noise(7, 7, seed=2)) + 0.1 * noise(400, 7, seed=3)
    matrix = noise(1, 5, 7, seed=1)
    integers = choose_integers(matrix, everything(matrix), moment(5), seen(LinearMap(), reference, inputs), FINE)
    expected = least_squares(matrix[0], reference, inputs)
    np.testing.assert_allclose(integers[0] * FINE, expected, atol=1e-4)
    off, as_they_were = (float((reference @ matrix[0].T - inputs @ w).square().mean()) for w in (torch.from_numpy(expected.T), matrix[0].T))
    assert off < 0.2 * as_they_were


def test_every_group_is_a_matrix_of_its_own() -> None:
    view = ConvMap((3,), (1,), ((0, 0),), (1,), 2)
    reference = noise(60, 4, 8) + 0.3
    inputs = reference + 0.2 * noise(60, 4, 8, seed=1)
    matrix, outputs = noise(2, 3, 6, seed=2), moment(3, groups=2, seed=3)
    kept = noise(2, 3, 6, seed=4) > -1
    both = choose_integers(matrix, kept, outputs, seen(view, reference, inputs), 0.1)
    alone = ConvMap((3,), (1,), ((0, 0),), (1,), 1)
    for group in range(2):
        part = slice(2 * group, 2 * group + 2)
        (expected,) = choose_integers(
            matrix[group : group + 1],
            kept[group : group + 1],
            outputs[group : group + 1],
            seen(alone, reference[:, part], inputs[:, part]),
            0.1,
        )
        assert np.array_equal(both[group], expected)
    assert not np.array_equal(both[0], both[1])


def test_a_matrix_that_is_wide_is_settled_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moments_module, "MOST_COLUMNS", 4)
    x, matrix, outputs = noise(200, 10) + 0.5, noise(1, 3, 10, seed=1), moment(3)
    inputs = seen(LinearMap(), x, 0.9 * x)
    assert len(inputs) == 3
    whole = choose_integers(matrix, everything(matrix), outputs, inputs, 0.1)
    for part, of_part in zip((slice(0, 4), slice(4, 7), slice(7, 10)), inputs, strict=True):
        alone = choose_integers(matrix[:, :, part], everything(matrix[:, :, part]), outputs, [of_part], 0.1)
        assert np.array_equal(whole[:, :, part], alone)


def test_words_are_rounded_along_the_outputs_alone() -> None:
    matrix, outputs = noise(1, 4, 9), moment(4)
    integers = choose_integers(matrix, everything(matrix), outputs, [], 0.3)
    rows = Factors.of(outputs, []).rows[0].numpy()
    assert np.array_equal(integers[0], nearest_plane(matrix[0].numpy(), rows, None, 0.3, np.ones((4, 9), bool)))


def test_what_is_not_kept_stays_zero_and_the_rest_makes_up_for_it() -> None:
    x = noise(500, 8) @ (torch.eye(8, dtype=torch.float64) + 0.4 * noise(8, 8, seed=4))
    matrix, outputs = noise(1, 6, 8, seed=1), moment(6)
    kept = noise(1, 6, 8, seed=2) > 0
    integers = choose_integers(matrix, kept, outputs, seen(LinearMap(), x, x), 0.01)
    assert not integers[~kept.numpy()].any()

    def cost(values: Tensor) -> float:
        error = values - matrix
        return float(torch.einsum("grs,gsc,cd,grd->", outputs, error, x.T @ x / 500, error))

    assert cost(torch.from_numpy(integers) * 0.01) < 0.8 * cost(matrix * kept)
