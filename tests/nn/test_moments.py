"""Second moments against sums over single positions, one outer product at a time, in float64."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from laconic.nn import moments as module
from laconic.nn.maps import ConvMap, EmbeddingMap, LinearMap, Map
from laconic.nn.moments import Moments, moments, parts

GROUPED = ConvMap((3, 2), (1, 2), ((1, 1), (0, 0)), (1, 1), 2)
CASES: dict[str, tuple[Map, tuple[int, ...]]] = {
    "linear": (LinearMap(), (10, 3, 7)),
    "conv": (ConvMap((3,), (1,), ((1, 1),), (1,), 1), (10, 2, 6)),
    "grouped": (GROUPED, (10, 4, 5, 6)),
}


def pair(shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Inputs in the reference, and in a network that is a little off; neither has a mean of zero."""
    generator = torch.Generator().manual_seed(0)
    reference = torch.randn(shape, generator=generator) + 0.5
    return reference, reference + 0.1 * torch.randn(shape, generator=generator) - 0.2


def brute(view: Map, reference: Tensor, inputs: Tensor, part: slice) -> dict[str, np.ndarray]:
    """Each position's own outer products, added up in plain numpy."""
    x, own = (np.asarray(view.patches(t, 1 << 30))[:, part].astype(np.float64) for t in (reference, inputs))
    groups, columns, positions = own.shape
    found = {name: np.zeros((groups, columns, columns)) for name in ("own", "cross")}
    for group in range(groups):
        for place in range(positions):
            found["own"][group] += np.outer(own[group, :, place], own[group, :, place])
            found["cross"][group] += np.outer(x[group, :, place], own[group, :, place])
    return found | {"total": own.sum(2), "reference_total": x.sum(2), "count": np.array(positions)}


def assert_equal(found: Moments, expected: dict[str, np.ndarray]) -> None:
    for name, values in expected.items():
        np.testing.assert_allclose(np.asarray(getattr(found, name)), values, rtol=1e-5, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("numbers", [1 << 24, 200], ids=["in one piece", "in many"])
@pytest.mark.parametrize("name", CASES)
def test_moments_are_sums_of_outer_products(name: str, numbers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_NUMBERS", numbers)
    view, shape = CASES[name]
    reference, inputs = pair(shape)
    (found,) = moments(view, reference, inputs)
    assert found.own.dtype == found.cross.dtype == torch.float64
    assert_equal(found, brute(view, reference, inputs, slice(None)))


@pytest.mark.parametrize("name", CASES)
def test_wide_matrices_are_seen_in_parts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_COLUMNS", 5)
    view, shape = CASES[name]
    reference, inputs = pair(shape)
    columns = np.asarray(view.patches(inputs, 1 << 30)).shape[1]
    found = moments(view, reference, inputs)
    assert len(found) == -(-columns // 5) == len(parts(columns)) > 1
    for moment, part in zip(found, parts(columns), strict=True):
        assert_equal(moment, brute(view, reference, inputs, part))


@pytest.mark.parametrize("columns", [1, 5, 6, 7, 12, 64, 99])
def test_parts_cover_every_column_once_and_are_equal_but_for_one(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_COLUMNS", 6)
    sizes = [len(range(columns)[part]) for part in parts(columns)]
    assert [place for part in parts(columns) for place in range(columns)[part]] == list(range(columns))
    assert len(sizes) == math.ceil(columns / 6)
    assert max(sizes) <= 6
    assert max(sizes) - min(sizes) <= 1


def test_one_network_is_its_own_reference() -> None:
    view, shape = CASES["grouped"]
    _, inputs = pair(shape)
    (found,) = moments(view, inputs, inputs)
    assert torch.equal(found.own, found.cross)
    assert torch.equal(found.total, found.reference_total)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_narrow_inputs_are_summed_in_wider_numbers(dtype: torch.dtype) -> None:
    inputs = torch.full((300, 2), 100.0, dtype=dtype)  # float16 ends at 65 504
    (found,) = moments(LinearMap(), inputs, inputs)
    assert found.own.tolist() == [[[3e6, 3e6], [3e6, 3e6]]]


@pytest.mark.parametrize("name", CASES)
def test_moments_of_batches_add_up(name: str) -> None:
    view, shape = CASES[name]
    reference, inputs = pair(shape)
    (whole,) = moments(view, reference, inputs)
    (one,), (other,) = moments(view, reference[:4], inputs[:4]), moments(view, reference[4:], inputs[4:])
    expected = {field: np.asarray(getattr(whole, field)) for field in ("count", "own", "cross", "total", "reference_total")}
    assert_equal(one + other, expected)


def test_means_and_covariances() -> None:
    reference, inputs = pair((500, 4))
    (sums,) = moments(LinearMap(), reference, inputs)
    x, own = reference.double().numpy(), inputs.double().numpy()
    mean, centred = sums.mean(), sums.centred()
    np.testing.assert_allclose(mean.own[0], own.T @ own / 500, atol=1e-5)
    np.testing.assert_allclose(mean.cross[0], x.T @ own / 500, atol=1e-5)
    both = np.cov(np.concatenate((x, own), 1), rowvar=False, bias=True)
    np.testing.assert_allclose(centred.own[0], both[4:, 4:], atol=1e-5)
    np.testing.assert_allclose(centred.cross[0], both[:4, 4:], atol=1e-5)
    for found in (mean, centred):
        assert found.count == 1
        np.testing.assert_allclose(found.total[0], own.mean(0), atol=1e-5)
        np.testing.assert_allclose(found.reference_total[0], x.mean(0), atol=1e-5)


@pytest.mark.parametrize("value", [0.0, 0.1, 1000.0])
def test_covariances_stay_positive_where_inputs_are_constant(value: float) -> None:
    constant = torch.full((5000, 400), value) * torch.linspace(0.5, 1, 400)
    constant[:, 7] += 1e-4 * value * torch.randn(5000, generator=torch.Generator().manual_seed(0))
    (sums,) = moments(LinearMap(), constant, constant)
    covariance = sums.centred().own
    assert float(torch.linalg.eigvalsh(covariance).min()) >= 0
    assert float(covariance[0, 7, 7]) == pytest.approx(1e-8 * value**2, rel=0.05)
    assert float(covariance[0, 8, 8]) <= 0.01 * float(covariance[0, 7, 7])


def test_words_have_no_moments() -> None:
    words = torch.zeros(3, 2, dtype=torch.long)
    assert nn.Embedding(4, 2)(words).shape == (3, 2, 2)
    assert moments(EmbeddingMap(), words, words) == []


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("numbers", [1 << 24, 100], ids=["in one piece", "in many"])
def test_no_more_positions_are_looked_at_than_are_needed(name: str, numbers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_POSITIONS", 14)
    monkeypatch.setattr(module, "MOST_NUMBERS", numbers)
    view, shape = CASES[name]
    reference, inputs = pair(shape)
    (found,) = moments(view, reference, inputs)
    (whole,) = moments(view, reference[:1], inputs[:1])
    assert 10 <= found.count <= 40
    assert found.count < 10 * whole.count
    mean = found.mean()
    if numbers == 1 << 24:  # what is left are positions of both networks at the same places
        x, own = (np.asarray(view.patches(t, 14))[0].astype(np.float64) for t in (reference, inputs))
        np.testing.assert_allclose(mean.cross[0], x @ own.T / x.shape[1], atol=1e-5)
