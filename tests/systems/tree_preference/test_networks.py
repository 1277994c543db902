"""Inference distances against rules of circuits, a dense pseudo-inverse, and the Gaussian model itself."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guerdon.core.errors import ConfigError
from guerdon.systems.tree_preference.network import Network, exponent, structure
from guerdon.systems.tree_preference.regimes import Setting, grown, median_distance, ratio, shared_share
from guerdon.systems.tree_preference.shapes import Shape

variances = st.floats(0.05, 20.0)


def dense(network: Network) -> np.ndarray:
    """(n, n) distances by the pseudo-inverse of the dense Laplacian."""
    inverse = np.linalg.pinv(network.laplacian().toarray())
    own = np.diag(inverse)
    return own[:, None] + own[None, :] - 2 * inverse


@given(st.lists(variances, min_size=1, max_size=8))
def test_variances_add_in_series(parts: list[float]) -> None:
    n = len(parts)
    line = Network.of(n + 1, range(n), range(1, n + 1), parts)
    assert line.distances([0], [n])[0] == pytest.approx(sum(parts), rel=1e-9)


@given(st.lists(variances, min_size=1, max_size=8))
def test_precisions_add_in_parallel(parts: list[float]) -> None:
    n = len(parts)
    both = Network.of(2, [0] * n, [1] * n, parts)
    assert both.distances([0], [1])[0] == pytest.approx(1 / sum(1 / each for each in parts), rel=1e-9)


@given(st.integers(3, 12), st.integers(1, 11))
def test_both_ways_round_a_cycle_are_in_parallel(n: int, k: int) -> None:
    k = k % n
    ring = Network.of(n, range(n), [(i + 1) % n for i in range(n)], 1.0)
    assert ring.distances([0], [k])[0] == pytest.approx(k * (n - k) / n, rel=1e-9, abs=1e-12)


@given(st.integers(0, 10_000))
def test_the_sparse_distances_are_those_of_the_pseudo_inverse(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 10))
    first = np.concatenate([np.arange(n - 1), rng.integers(0, n, 6)])
    second = np.concatenate([np.arange(1, n), (first[n - 1 :] + rng.integers(1, n, 6)) % n])
    network = Network.of(n, first, second, rng.uniform(0.1, 5, len(first)))
    np.testing.assert_allclose(network.all_distances(), dense(network), rtol=1e-8, atol=1e-10)


def test_parts_that_are_not_joined_are_infinitely_far_apart() -> None:
    two = Network.of(4, [0, 2], [1, 3], 1.0)
    assert two.distances([0, 0, 2, 1], [1, 2, 2, 3]).tolist() == [1.0, math.inf, 0.0, math.inf]
    assert 1e3 < two.distances([0], [2], anchor=1e-4)[0] < 1e5


def test_the_estimate_is_the_posterior_mean_of_the_gaussian_model() -> None:
    rng = np.random.default_rng(3)
    network = Network.of(5, [0, 1, 2, 3, 0], [1, 2, 3, 4, 4], rng.uniform(0.5, 2, 5))
    told = rng.standard_normal(5)
    design = np.zeros((5, 5))
    design[np.arange(5), network.first] += 1
    design[np.arange(5), network.second] -= 1
    weight = np.diag(1 / network.variance)
    expected = np.linalg.solve(design.T @ weight @ design + 0.3 * np.eye(5), design.T @ weight @ told)
    np.testing.assert_allclose(network.estimate(told, anchor=0.3), expected, rtol=1e-9)


def test_the_distance_is_the_variance_of_the_posterior() -> None:
    network = Network.of(4, [0, 1, 2, 0], [1, 2, 3, 2], [1.0, 2.0, 0.5, 3.0])
    covariance = np.linalg.inv(network.laplacian(0.01).toarray())
    expected = covariance[0, 0] + covariance[3, 3] - 2 * covariance[0, 3]
    assert network.distances([0], [3], anchor=0.01)[0] == pytest.approx(expected, rel=1e-9)


def test_more_edges_never_leave_more_distance() -> None:
    rng = np.random.default_rng(4)
    line = Network.of(8, range(7), range(1, 8), 1.0)
    more = line.plus(rng.integers(0, 4, 5), rng.integers(4, 8, 5), rng.uniform(0.1, 10, 5))
    assert (more.all_distances() <= line.all_distances() + 1e-12).all()


@pytest.mark.parametrize(
    ("first", "second", "variance"), [([0], [0], 1.0), ([0], [9], 1.0), ([0], [1], 0.0), ([0], [1, 2], 1.0)]
)
def test_edges_that_are_none_are_refused(first: list[int], second: list[int], variance: float) -> None:
    with pytest.raises(ConfigError):
        Network.of(3, first, second, variance)


# ---- structure -------------------------------------------------------------------------------------------------------


def test_a_line_has_exponent_one_and_a_cluster_tree_the_exponent_of_its_edges() -> None:
    n = 256
    line = Network.of(n, range(n - 1), range(1, n), 1.0).all_distances()
    counts = [2, 4, 8, 16, 32]
    assert exponent(counts, structure(line, counts)) == pytest.approx(1.0, abs=0.1)
    level = np.arange(n)[:, None] ^ np.arange(n)[None, :]
    halves = np.where(level > 0, 2.0 ** np.floor(np.log2(np.maximum(level, 1)) / 2), 0.0)  # an edge grows by sqrt 2
    assert exponent([4, 16, 64], structure(halves, [4, 16, 64])) == pytest.approx(0.5, abs=0.15)


def test_one_cluster_is_the_mean_of_all_and_n_clusters_are_nothing() -> None:
    square = np.abs(np.subtract.outer(np.arange(6.0), np.arange(6.0)))
    one, all_ = structure(square, [1, 6])
    assert one == pytest.approx(square[~np.eye(6, dtype=bool)].mean())
    assert all_ == 0.0


# ---- regimes ---------------------------------------------------------------------------------------------------------


def test_the_mean_shared_share_is_four_twenty_firsts() -> None:
    assert shared_share(Shape()) == pytest.approx(4 / 21)
    assert shared_share(Shape.chain(3)) == 0.0
    assert Shape().generated == pytest.approx(14 / 3)


def test_dense_labels_favour_the_chain_and_sparse_ones_do_so_less() -> None:
    sparse, dense_ = (ratio(Setting(types=40, per_type=each, bias=1.0, seed=101, probes=200)) for each in (1.5, 12))
    assert dense_ < 0.75 < sparse


def test_unseen_responses_of_one_type_are_twice_the_bias_apart() -> None:
    setting = Setting(types=2, per_type=5000, bias=0.5, seed=1, probes=20)
    chain, tree = grown(setting, Shape())
    for network in (chain, tree):
        assert median_distance(network, setting) == pytest.approx(1.0, abs=0.05)
