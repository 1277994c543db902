from itertools import combinations

import numpy as np
import pytest
from prefer_votes import drawn

from guerdon.core.errors import ConfigError
from guerdon.prefer.boards import by_library, elo
from guerdon.prefer.ranks import bootstrap, fewest_to_flip, rank_intervals
from guerdon.prefer.ratings import BradleyTerry, fit
from guerdon.prefer.votes import Votes


def test_ranks_follow_the_interval_of_the_difference_and_not_overlap():
    # a and b both play c only: their difference is less certain than two overlapping intervals would say or hide.
    votes = Votes.of(["a", "b"] * 200, ["c", "c"] * 200, [1, 1] * 150 + [0, 0] * 50)
    found = fit(votes)
    best, worst = rank_intervals(found)
    by_name = {name: (int(b), int(w)) for name, b, w in zip(found.names, best, worst)}
    assert by_name == {"a": (1, 2), "b": (1, 2), "c": (3, 3)}
    for one, two in combinations("abc", 2):
        gap, error = found.difference(one, two)
        apart = abs(gap) > 1.959964 * error
        assert apart == (by_name[one][1] < by_name[two][0])


@pytest.mark.parametrize(("simultaneous", "least", "most"), [(True, 0.93, 1.0), (False, 0.4, 0.9)])
def test_simultaneous_intervals_hold_all_true_ranks_at_once_and_single_ones_do_not(simultaneous, least, most):
    truth = np.zeros(6)  # all equal: every true rank is as good as any, so no item may be set apart
    clean = 0
    for seed in range(150):
        votes, _ = drawn(3000 + seed, n=6, m=600, truth=truth)
        best, _ = rank_intervals(fit(votes), simultaneous=simultaneous)
        clean += bool((best == 1).all())
    assert least <= clean / 150 <= most


def test_a_level_is_a_share():
    with pytest.raises(ConfigError):
        rank_intervals(fit(Votes.of(["a"], ["b"], [1])), level=95)


@pytest.mark.parametrize("ties", ["half", "davidson"])
def test_the_bootstrap_spreads_as_the_errors_say(ties):
    votes, _ = drawn(201, n=5, m=1500, ties="davidson", tie=-0.5)
    model = BradleyTerry(ties=ties)
    found = bootstrap(votes, model, resamples=150)
    assert found.shape == (150, 5)
    np.testing.assert_allclose(found.std(axis=0), model.fit(votes).errors, rtol=0.25)
    assert (bootstrap(votes, model, resamples=3) == bootstrap(votes, model, resamples=3)).all()


def test_a_bootstrap_of_annotators_sees_that_they_repeat_themselves():
    votes, _ = drawn(202, n=4, m=100)
    copies = Votes.from_codes(
        votes.names, np.tile(votes.first, 9), np.tile(votes.second, 9), np.tile(votes.points, 9),
        annotator=np.tile(np.arange(100), 9), annotators=[str(k) for k in range(100)],
    )  # fmt: skip
    by_vote, by_voter = (bootstrap(copies, resamples=60, by_annotator=each).std(axis=0) for each in (False, True))
    assert (by_voter > 2 * by_vote).all()
    with pytest.raises(ConfigError, match="prior"):
        bootstrap(votes, BradleyTerry(prior=None))


def smallest(votes, model):
    """The smallest number of votes whose removal changes the top, by trying all subsets."""
    top = model.fit(votes).order()[0]
    for size in range(1, len(votes)):
        for rows in combinations(range(len(votes)), size):
            keep = np.ones(len(votes), bool)
            keep[list(rows)] = False
            values = model.fit(votes.take(keep)).values
            if (np.delete(values, top) >= values[top] - 1e-9).any():
                return size
    return None


@pytest.mark.parametrize("seed", range(6))
def test_the_fewest_votes_are_those_of_an_exhaustive_search(seed):
    votes, _ = drawn(300 + seed, n=3, m=14, truth=np.array([0.4, 0.0, -0.8]), ties="davidson", tie=-1.5)
    model = BradleyTerry(prior=3.0)
    found = fewest_to_flip(votes, model)
    assert found is not None
    assert found.count == smallest(votes, model)
    keep = np.ones(len(votes), bool)
    keep[found.rows] = False
    after = model.fit(votes.take(keep)).values
    assert after[votes.names.index(found.instead)] >= after[votes.names.index(found.top)] - 1e-9


@pytest.mark.parametrize("ties", ["half", "davidson", "rao-kupper"])
def test_what_is_removed_from_a_large_board_does_flip_it(ties):
    votes, _ = drawn(310, n=8, m=3000, ties="davidson", tie=-1.0)
    model = BradleyTerry(ties=ties, position=True)
    found = fewest_to_flip(votes, model)
    assert found is not None
    assert found.count == len(set(found.rows.tolist()))
    assert found.share < 0.2
    keep = np.ones(len(votes), bool)
    keep[found.rows] = False
    board = model.fit(votes.take(keep))
    assert board.difference(found.top, found.instead)[0] <= 1e-9
    rng = np.random.default_rng(1)  # as many votes at random do not
    keep = np.ones(len(votes), bool)
    keep[rng.choice(len(votes), found.count, replace=False)] = False
    assert model.fit(votes.take(keep)).order()[0] == votes.names.index(found.top)


def test_features_count_vote_by_vote_when_votes_are_removed():
    votes, _ = drawn(311, n=4, m=200)
    x = np.random.default_rng(2).normal(size=(200, 1))
    rich = Votes.from_codes(votes.names, votes.first, votes.second, votes.points, features=x, labels=["length"])
    found = fewest_to_flip(rich)
    assert found is not None
    keep = np.ones(200, bool)
    keep[found.rows] = False
    assert fit(rich.take(keep)).difference(found.top, found.instead)[0] <= 1e-9


def test_nothing_can_be_removed_from_nothing():
    assert fewest_to_flip(Votes.of([], [], [], names=["a", "b"])) is None
    with pytest.raises(ConfigError, match="prior"):
        fewest_to_flip(Votes.of(["a"], ["b"], [1]), BradleyTerry(prior=None))


def test_elo_is_the_published_rule_game_by_game():
    votes = Votes.of(["a", "b", "a"], ["b", "c", "c"], [1, 0.5, 0])
    a, b, c = 1000.0, 1000.0, 1000.0
    a, b = a + 16, b - 16
    e = 1 / (1 + 10 ** ((c - b) / 400))
    b, c = b + 32 * (0.5 - e), c - 32 * (0.5 - e)
    e = 1 / (1 + 10 ** ((c - a) / 400))
    a, c = a - 32 * e, c + 32 * e
    np.testing.assert_allclose(elo(votes, k=32), [a, b, c])


@pytest.mark.parametrize("system", ["trueskill", "openskill"])
def test_libraries_order_items_as_a_fit_does(system):
    pytest.importorskip(system)
    votes, truth = drawn(312, n=4, m=400, truth=np.array([1.5, 0.5, -0.5, -1.5]))
    mean, spread = by_library(votes, system)
    assert np.argsort(-mean).tolist() == np.argsort(-truth).tolist()
    assert (spread > 0).all()


def test_a_library_that_is_not_there_is_named(monkeypatch):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr("guerdon.prefer.boards.import_module", absent)
    with pytest.raises(ConfigError, match="pip install openskill"):
        by_library(Votes.of(["a"], ["b"], [1]))
    with pytest.raises(ConfigError, match="trueskill or openskill"):
        by_library(Votes.of(["a"], ["b"], [1]), "glicko")
