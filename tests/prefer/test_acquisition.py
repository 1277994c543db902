import numpy as np
import pytest

from guerdon.core.errors import ConfigError
from guerdon.prefer.acquisition import RULES, Acquisition, information
from guerdon.prefer.ratings import BradleyTerry, fit
from guerdon.prefer.votes import Votes


def campaign(rule, seed, votes, n=20, spread=3.0):
    """Ask one pair after the other; returns the share of pairs in wrong order and the regret of the top."""
    rng = np.random.default_rng(seed)
    truth, names = rng.normal(size=n) * spread, [f"m{k}" for k in range(n)]
    model, rule = BradleyTerry(prior=spread, errors="model"), Acquisition(rule=rule, seed=seed)
    board, last, asked = model.fit(Votes.of([], [], [], names=names)), None, []
    for _ in range(votes):
        (one,) = rule.propose(board, asked=len(asked), last=last)
        assert last is None or {one.first, one.second} != set(last)
        last, i, j = (one.first, one.second), names.index(one.first), names.index(one.second)
        points = float(rng.random() < 1 / (1 + np.exp(truth[j] - truth[i])))
        asked.append((i, j, points))
        board = board.after(*last, points)
        if len(asked) % 20 == 0:
            board = model.fit(Votes.from_codes(names, *zip(*asked)))
    wrong = np.subtract.outer(truth, truth) * np.subtract.outer(board.values, board.values) < 0
    return wrong[np.triu_indices(n, 1)].mean(), truth.max() - truth[board.values.argmax()]


SEEDS = range(601, 609)


def test_information_needs_under_two_thirds_of_the_votes_of_random_pairs():
    ours = np.mean([campaign("information", seed, 160)[0] for seed in SEEDS])
    theirs = np.mean([campaign("random", seed, 250)[0] for seed in SEEDS])
    assert ours < 0.9 * theirs


def test_the_top_rule_finds_the_best_long_before_random_pairs_do():
    ours = np.mean([campaign("top", seed, 80)[1] for seed in SEEDS])
    theirs = np.mean([campaign("random", seed, 160)[1] for seed in SEEDS])
    assert ours < 0.5 * theirs


def test_information_is_the_mutual_information():
    mean, variance = 0.7, 2.0
    rng = np.random.default_rng(1)
    p = 1 / (1 + np.exp(-(mean + np.sqrt(variance) * rng.standard_normal(400_000))))

    def entropy(q):
        return -(q * np.log(q) + (1 - q) * np.log(1 - q))

    expected = entropy(p.mean()) - entropy(p).mean()
    assert information(np.array([mean]), np.array([variance]))[0] == pytest.approx(expected, abs=2e-3)
    assert information(np.array([mean]), np.array([0.0]))[0] == pytest.approx(0.0, abs=1e-12)
    davidson = information(np.array([0.0]), np.array([1.0]), "davidson", 0.5)[0]
    assert 0 < davidson < np.log(3)


@pytest.mark.parametrize("rule", RULES)
def test_a_batch_has_each_pair_once_and_names_both_sides_about_equally(rule):
    board = fit(Votes.of(["a", "b"], ["b", "c"], [1, 0.5], names=["d", "e"]))
    found = Acquisition(rule=rule, seed=3).propose(board, 100)
    pairs = [frozenset((one.first, one.second)) for one in found]
    assert len(pairs) == len(set(pairs)) == 10
    again = Acquisition(rule=rule, seed=3).propose(board, 100)
    assert found == again
    many = [Acquisition(rule=rule, seed=seed).propose(board)[0] for seed in range(200)]
    assert 60 < sum(one.first < one.second for one in many) < 140


def test_the_last_pair_is_not_asked_again_at_once_in_either_order():
    board = fit(Votes.of([], [], [], names=["a", "b", "c"]))
    rule = Acquisition(rule="uncertainty")
    for last in (("a", "b"), ("b", "a")):
        for asked in range(20):
            (one,) = rule.propose(board, asked=asked, last=last)
            assert {one.first, one.second} != {"a", "b"}
    assert rule.propose(fit(Votes.of([], [], [], names=["a", "b"])), last=("a", "b")) == []


def test_a_batch_spreads_over_items_that_nobody_has_seen():
    board = fit(Votes.of(["a"] * 50, ["b"] * 50, [1, 0] * 25, names=["c", "d", "e", "f"]))
    found = Acquisition().propose(board, 3)
    seen = {name for one in found for name in (one.first, one.second)}
    assert {"c", "d", "e", "f"} <= seen


def test_the_budget_and_the_prices_bound_what_is_proposed():
    board = fit(Votes.of([], [], [], names=["a", "b", "c"]))
    costs = np.array([[1, 1, 5], [1, 1, 1], [5, 1, 1.0]])
    found = Acquisition().propose(board, 10, costs=costs, left=3.0)
    assert sum(one.cost for one in found) <= 3.0
    assert {frozenset((one.first, one.second)) for one in found} == {frozenset("ab"), frozenset("bc")}
    assert Acquisition().propose(board, 10, left=0.5) == []
    with pytest.raises(ConfigError):
        Acquisition().propose(board, costs=np.zeros((3, 3)))


def test_only_allowed_pairs_are_proposed():
    board = fit(Votes.of([], [], [], names=["a", "b", "c"]))
    found = Acquisition().propose(board, 10, allowed=[("c", "a"), ("a", "c"), ("b", "b")])
    assert [{one.first, one.second} for one in found] == [{"a", "c"}]
    assert Acquisition().propose(board, allowed=[]) == []
    with pytest.raises(ConfigError, match="'z'"):
        Acquisition().propose(board, allowed=[("a", "z")])


def test_one_item_or_none_leave_nothing_to_ask():
    for names in ([], ["a"]):
        assert Acquisition().propose(fit(Votes.of([], [], [], names=names)), 5) == []


def test_many_items_are_sampled(monkeypatch):
    monkeypatch.setattr("guerdon.prefer.acquisition.MANY", 50)
    board = fit(Votes.of([], [], [], names=[str(k) for k in range(40)]))
    assert len(Acquisition().propose(board, 5)) == 5


def test_what_a_rule_takes():
    with pytest.raises(ConfigError):
        Acquisition(rule="best")
    with pytest.raises(ConfigError):
        Acquisition(best=0)
