"""One-dimensional k-means against brute force, another library, and its own laws."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from laconic.forms import kmeans
from laconic.forms.kmeans import STARTS, Clusters, cluster, exact

VALUES = hnp.arrays(np.float64, st.integers(1, 60), elements=st.integers(-1000, 1000).map(lambda i: i / 64))


def rng() -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(0))


def cost(values: np.ndarray, clusters: Clusters) -> float:
    """Squared distance of each value to the centroid of its cluster."""
    return float(((values - clusters.centroids[clusters.assign(values)]) ** 2).sum())


def least_cost(values: np.ndarray, k: int) -> float:
    """Over every way to cut the sorted values into at most k intervals."""
    ordered = np.sort(values)
    cuts = itertools.chain.from_iterable(itertools.combinations(range(1, len(ordered)), n) for n in range(min(k, len(ordered))))
    return min(sum(((part - part.mean()) ** 2).sum() for part in np.split(ordered, cut)) for cut in cuts)


@given(hnp.arrays(np.float64, st.integers(1, 9), elements=st.integers(-20, 20)), st.integers(1, 5))
def test_exact_is_the_optimum_over_all_partitions(values: np.ndarray, k: int) -> None:
    found = exact(np.sort(values), k)
    assert len(found.centroids) <= k
    assert np.isclose(cost(values, found), least_cost(values, k), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("k", [2, 5, 32])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_exact_agrees_with_the_kmeans1d_package(k: int, offset: float) -> None:
    oracle = pytest.importorskip("kmeans1d")
    values = rng().standard_normal(2000) + offset
    found = exact(np.sort(values), k)
    clusters, centroids = oracle.cluster(values.tolist(), k)
    theirs = float(((values - np.array(centroids)[clusters]) ** 2).sum())
    assert np.isclose(cost(values, found), theirs, rtol=1e-7, atol=0)
    assert np.allclose(found.centroids, sorted(centroids), rtol=1e-6, atol=1e-6)


def test_exact_with_enough_clusters_is_the_distinct_values() -> None:
    assert exact(np.array([1.0, 1, 2, 5, 5]), 3).centroids.tolist() == [1, 2, 5]


def test_exact_refuses_what_would_not_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kmeans, "MOST_EXACT", 20)
    assert len(exact(np.arange(10.0), 2).centroids) == 2
    with pytest.raises(ValueError, match="10 × 3"):
        exact(np.arange(10.0), 3)


@given(VALUES, st.integers(1, 12), st.sampled_from([*STARTS, "exact"]), st.integers(1, 5))
def test_every_centroid_is_the_mean_of_its_cluster_converged_or_not(values: np.ndarray, k: int, start: str, iterations: int) -> None:
    clusters = cluster(values, k, start, rng(), iterations)
    assert 1 <= len(clusters.centroids) <= k
    assert len(clusters.borders) == len(clusters.centroids) - 1
    assert (np.diff(clusters.centroids) > 0).all()
    places = clusters.assign(values)
    for place, centroid in enumerate(clusters.centroids):
        members = values[places == place]
        assert len(members), "an empty cluster was left"
        assert np.isclose(members.mean(), centroid, rtol=1e-9, atol=1e-9)


@given(VALUES, st.integers(1, 12), st.sampled_from([*STARTS, "exact"]))
def test_converged_every_value_is_in_the_cluster_of_the_nearest_centroid(values: np.ndarray, k: int, start: str) -> None:
    clusters = cluster(values, k, start, rng())
    distances = np.abs(values.reshape(-1, 1) - clusters.centroids)
    assert np.allclose(distances[np.arange(len(values)), clusters.assign(values)], distances.min(1), rtol=1e-9, atol=1e-9)


@given(VALUES, st.integers(1, 12), st.sampled_from(list(STARTS)))
def test_lloyd_s_cost_never_rises(values: np.ndarray, k: int, start: str) -> None:
    costs = [cost(values, cluster(values, k, start, rng(), iterations)) for iterations in range(1, 8)]
    assert all(later <= earlier + 1e-9 for earlier, later in itertools.pairwise(costs))


@given(VALUES, st.integers(1, 12), st.sampled_from(list(STARTS)))
def test_no_start_beats_the_optimum(values: np.ndarray, k: int, start: str) -> None:
    assert cost(values, cluster(values, k, start, rng())) >= cost(values, cluster(values, k, "exact", rng())) - 1e-9


def test_a_value_on_a_border_is_in_the_lower_cluster() -> None:
    clusters = Clusters(np.array([1.0, 3.0]), np.array([0.0, 2.0, 4.0]))
    assert clusters.assign(np.array([[0.9, 1.0], [1.1, 3.0], [3.1, -5.0]])).tolist() == [[0, 0], [1, 1], [2, 0]]


def test_assign_in_chunks_is_assign_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    values, clusters = rng().standard_normal((7, 11)), Clusters(np.array([-1.0, 0.1]), np.zeros(3))
    whole = clusters.assign(values)
    monkeypatch.setattr(kmeans, "CHUNK", 10)
    assert clusters.assign(values).tolist() == whole.tolist()


def test_linear_starts_at_equal_steps_from_least_to_greatest() -> None:
    assert STARTS["linear"](np.array([0.0, 1, 2, 3, 100]), 3, rng()).tolist() == [0, 50, 100]


def test_density_starts_at_equal_counts() -> None:
    assert STARTS["density"](np.arange(100.0) ** 3, 4, rng()).tolist() == [12**3, 37**3, 62**3, 87**3]


def test_random_starts_at_different_values_drawn_by_the_generator() -> None:
    values = np.arange(50.0)
    drawn = [STARTS["random"](values, 10, np.random.default_rng(seed)).tolist() for seed in (1, 1, 2)]
    assert len(set(drawn[0]) & set(values)) == 10
    assert drawn[0] == drawn[1] != drawn[2]


def test_the_start_matters() -> None:
    values = np.array([0.0, 1, 2, 3, 100])
    assert cluster(values, 2, "linear", rng(), 1).assign(values).tolist() == [0, 0, 0, 0, 1]
    assert cluster(values, 2, "density", rng(), 1).assign(values).tolist() == [0, 0, 0, 1, 1]


@pytest.mark.parametrize("start", [*STARTS, "exact"])
def test_a_constant_layer_has_one_cluster(start: str) -> None:
    assert cluster(np.full((3, 3), -0.25, np.float32), 8, start, rng()).centroids.tolist() == [-0.25]


def test_half_precision_is_summed_in_double() -> None:
    values = np.full(70_000, 6e4, np.float16)  # whose sum overflows in half precision, and rounds in single
    assert cluster(values, 1, "linear", rng()).centroids.tolist() == [float(np.float16(6e4))]


def test_means_of_a_large_layer_are_right_to_their_last_bits() -> None:
    values = rng().standard_normal(300_000).astype(np.float32) * 0.02
    clusters = cluster(values, 32, "linear", rng(), 50)  # not yet converged
    places = clusters.assign(values)
    means = [values[places == place].astype(np.float64).mean() for place in range(32)]
    assert np.allclose(means, clusters.centroids, rtol=0, atol=1e-12)
