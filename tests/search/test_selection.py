import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.core.errors import SolverError
from guerdon.core.recipe import recipe
from guerdon.search import (
    GO_EXPLORE_RUNS,
    GoExplore2019,
    GoExplore2021,
    draw,
    epsilon_greedy,
    rank,
    softmax,
    tournament,
    ucb,
)

SCORES = st.lists(st.one_of(st.none(), st.integers(-3, 3).map(float)), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=10), st.integers(0, 99))
def test_rows_without_weight_are_never_drawn(weights, seed):
    rng = np.random.default_rng(seed)
    if not any(weights):
        with pytest.raises(SolverError):
            draw(weights, 5, rng)
        return
    rows = draw(weights, 200, rng)
    assert rows.shape == (200,)
    assert all(weights[row] > 0 for row in rows)


def test_shares_follow_weights():
    rows = draw([1.0, 3.0, 0.0], 20_000, np.random.default_rng(0))
    assert np.bincount(rows, minlength=3)[1] / 20_000 == pytest.approx(0.75, abs=0.02)


@pytest.mark.parametrize("weights", [[], [-1.0, 2.0], [float("nan")], [float("inf")], [0.0]])
def test_weights_that_are_no_distribution_are_refused(weights):
    with pytest.raises(SolverError, match="weights"):
        draw(weights, 1, np.random.default_rng(0))


def test_weights_of_the_first_paper():
    rule = GoExplore2019(chosen=1, since_new=2, seen=0, horizontal=0.5, more=10, power_since_new=1.0)
    found = rule.weights(chosen=[3], since_new=[1], missing=[[1, 1, 0]], levels=[2])
    assert found[0] == pytest.approx(1 + 0.5 + (1 / 3.001) ** 0.5 + 1e-5 + 2 / 1.001 + 1e-5)


def test_lower_levels_weigh_a_tenth_each():
    found = GoExplore2021().weights(seen=[0, 0, 0], levels=[0, 1, 2])
    assert found == pytest.approx([0.01, 0.1, 1.0])


def test_weights_of_the_second_paper():
    rule = GO_EXPLORE_RUNS["2021 montezuma, domain knowledge"]
    assert rule.weights(seen=[8], missing=[[1, 0, 1]])[0] == pytest.approx(0.1 + 1 + 1 / 3)
    with pytest.raises(SolverError, match="missing"):
        rule.weights(seen=[8], missing=[1])


def test_published_rules_are_recipes():
    assert len({str(recipe(rule)) for rule in GO_EXPLORE_RUNS.values()}) == 5


@settings(max_examples=60, deadline=None)
@given(SCORES)
def test_softmax_and_rank_are_distributions_that_prefer_the_better(scores):
    for probabilities in (softmax(scores, 0.5), rank(scores)):
        assert probabilities.sum() == pytest.approx(1.0)
        known = [-np.inf if score is None else score for score in scores]
        order = np.argsort(known, kind="stable")
        assert (np.diff(probabilities[order]) >= -1e-12).all()
    if any(score is not None for score in scores):
        assert all(p == 0 for p, score in zip(softmax(scores), scores) if score is None)


def test_a_tournament_of_one_is_uniform_and_a_large_one_elitist():
    rng = np.random.default_rng(0)
    assert set(tournament([0, 1, 2], 1, 500, rng).tolist()) == {0, 1, 2}
    assert set(tournament([0, 1, 2], 50, 100, rng).tolist()) == {2}
    share = (tournament([0.0, 1.0], 2, 20_000, rng) == 1).mean()
    assert share == pytest.approx(0.75, abs=0.02)


def test_epsilon_greedy_breaks_ties_evenly():
    rng = np.random.default_rng(0)
    greedy = epsilon_greedy([1, None, 1, 0], 0.0, 1000, rng)
    assert set(greedy.tolist()) == {0, 2}
    assert set(epsilon_greedy([1, None, 1, 0], 1.0, 1000, rng).tolist()) == {0, 1, 2, 3}


def test_ucb_tries_everything_first():
    found = ucb([0.1, 0.2, 0.0], [3, 1, 0], c=1.0)
    assert found[2] == np.inf
    assert found[:2] == pytest.approx([0.1 + np.sqrt(np.log(4) / 3), 0.2 + np.sqrt(np.log(4))])


def test_nothing_to_choose_from_is_an_error():
    rng = np.random.default_rng(0)
    for call in (lambda: tournament([], 2, 1, rng), lambda: epsilon_greedy([], 0.1, 1, rng)):
        with pytest.raises(SolverError):
            call()
    with pytest.raises(SolverError, match="temperature"):
        softmax([1.0], 0.0)
    assert len(softmax([])) == 0
