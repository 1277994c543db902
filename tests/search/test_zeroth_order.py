import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.core.errors import SolverError
from guerdon.search import (
    Spsa,
    edge_gradient,
    ladder,
    levels_of_ranking,
    levels_of_scores,
    rank_gradient,
    rankings_to_edges,
    value_gradient,
)


@settings(max_examples=80, deadline=None)
@given(st.integers(2, 12), st.data())
def test_both_forms_of_the_rank_gradient_agree(count, data):
    ranked = data.draw(st.permutations(range(count)))[: data.draw(st.integers(1, count))]
    levels = levels_of_ranking(ranked, count)
    edges = rankings_to_edges(levels)
    k = len(ranked)
    assert len(edges) == k * (k - 1) // 2 + k * (count - k)
    directions = np.random.default_rng(count).normal(size=(count, 5))
    closed = rank_gradient(directions, levels)
    assert closed == pytest.approx(edge_gradient(directions, edges), abs=1e-12)
    weights = np.full(count, -float(k))
    weights[list(ranked)] = (count - 1) - 2 * np.arange(k)
    assert weights.sum() == 0
    assert closed == pytest.approx(-(weights @ directions) / len(edges), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=2, max_size=10))
def test_ties_have_no_edge_and_the_forms_still_agree(scores):
    levels = levels_of_scores(scores)
    edges = rankings_to_edges(levels)
    wanted = {(i, j) for i, a in enumerate(scores) for j, b in enumerate(scores) if a > b}
    assert set(map(tuple, edges.tolist())) == wanted
    directions = np.random.default_rng(0).normal(size=(len(scores), 3))
    if wanted:
        assert rank_gradient(directions, levels) == pytest.approx(edge_gradient(directions, edges), abs=1e-12)
    else:
        for call in (lambda: rank_gradient(directions, levels), lambda: edge_gradient(directions, edges)):
            with pytest.raises(SolverError):
                call()


def test_all_but_one_ranked_is_all_ranked():
    assert np.array_equal(levels_of_ranking([2, 0], 3), levels_of_ranking([2, 0, 1], 3))


def test_levels_of_the_best_k_only():
    assert levels_of_scores([5, 1, 3, None], best=1).tolist() == [0, 1, 1, 1]
    with pytest.raises(SolverError, match="once"):
        levels_of_ranking([1, 1], 3)
    with pytest.raises(SolverError, match="less than 3"):
        levels_of_ranking([3], 3)
    with pytest.raises(SolverError, match="level"):
        rank_gradient(np.ones((3, 2)), levels_of_ranking([], 3))


def test_the_rank_gradient_points_uphill_in_the_loss():
    rng, slope = np.random.default_rng(0), np.array([3.0, -1.0, 0.5])
    total = np.zeros(3)
    for _ in range(300):
        directions = rng.standard_normal((8, 3))
        total += rank_gradient(directions, levels_of_scores(-(directions @ slope), best=3))
    cosine = total @ slope / np.linalg.norm(total) / np.linalg.norm(slope)
    assert cosine > 0.99


def test_the_value_gradient_of_a_plane():
    rng, slope = np.random.default_rng(0), np.array([3.0, -1.0])
    directions = rng.standard_normal((40_000, 2))
    forward = value_gradient(directions, 5 + 0.1 * directions @ slope, 5.0, 0.1)
    central = value_gradient(directions, 5 + 0.1 * directions @ slope, 5 - 0.1 * directions @ slope, 0.1)
    assert forward == pytest.approx(slope, abs=0.1)
    assert central == pytest.approx(forward)
    losses = [None, 5 + 0.1 * 3.0]
    assert value_gradient([[1.0, 0.0]] * 2, losses, 5.0, 0.1) == pytest.approx([3.0, 0.0])
    with pytest.raises(SolverError, match="known"):
        value_gradient([[1.0]], [None], 0.0, 0.1)


def test_the_ladder():
    rungs = ladder([1.0, 1.0], [1.0, 0.0], 2.0, count=4, shrink=0.1)
    assert rungs == pytest.approx(np.array([[1, 1], [-1, 1], [0.8, 1], [0.98, 1]]))
    with pytest.raises(SolverError, match="ladder"):
        ladder([1.0], [1.0], 1.0, count=1)


def test_spsa_on_a_plane_is_exact_along_its_direction_and_stays_at_a_fault():
    spsa, rng, slope = Spsa(a=1.0, stability=0.0, alpha=1.0), np.random.default_rng(0), np.array([1.0, 2.0])
    points = spsa.ask([0.0, 0.0], 0, rng)
    assert np.abs(points) == pytest.approx(0.1)
    signs = np.sign(points[0])
    assert spsa.tell([0.0, 0.0], 0, points, points @ slope) == pytest.approx(-(signs @ slope) * signs)
    assert spsa.tell([0.0, 0.0], 0, points, [None, 1.0]).tolist() == [0.0, 0.0]
    assert spsa.gains(1) == pytest.approx((0.5, 0.1 / 2**0.101))
