import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prefer_votes import drawn
from scipy.optimize import minimize

from guerdon.core.errors import ConfigError
from guerdon.prefer import fitting
from guerdon.prefer.fitting import tabulate
from guerdon.prefer.outcomes import TIES, chances, scores, terms
from guerdon.prefer.ratings import ELO, BradleyTerry, fit
from guerdon.prefer.votes import Votes

MLE = BradleyTerry(prior=None)


# ---- outcome models -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ties", "tie"), [("half", 0.0), ("davidson", -0.7), ("rao-kupper", 0.4)])
def test_derivatives_are_those_of_the_value(ties, tie):
    rng = np.random.default_rng(101)
    d, counts = rng.normal(size=4) * 2, rng.integers(1, 5, size=(3, 4)).astype(float)
    found = terms(ties, d, tie, *counts)
    h = 1e-5

    def value(shift, k, more):
        there = d.copy()
        there[k] += shift
        return terms(ties, there, tie + more, *counts).value

    for k in range(4):
        assert found.slope[k] == pytest.approx((value(h, k, 0) - value(-h, k, 0)) / (2 * h), rel=1e-6)
        bend = (2 * value(0, k, 0) - value(1e-3, k, 0) - value(-1e-3, k, 0)) / 1e-6
        assert found.bend[k] == pytest.approx(bend, rel=1e-3)
        if ties != "half":
            cross = -(value(h, k, h) - value(h, k, -h) - value(-h, k, h) + value(-h, k, -h)) / (4 * h**2)
            assert found.cross[k] == pytest.approx(cross, rel=1e-3, abs=1e-5)
    if ties != "half":
        assert found.tie_slope == pytest.approx((value(0, 0, h) - value(0, 0, -h)) / (2 * h), rel=1e-6)
        assert found.tie_bend == pytest.approx((2 * value(0, 0, 0) - value(0, 0, h) - value(0, 0, -h)) / h**2, rel=1e-3)
    by_gap, by_tie = scores(ties, d, tie)
    np.testing.assert_allclose(sum(c * g for c, g in zip(counts, by_gap)), found.slope)
    assert sum(float(c @ t) for c, t in zip(counts, by_tie)) == pytest.approx(found.tie_slope)


@pytest.mark.parametrize(("ties", "tie"), [("half", 0.0), ("davidson", 0.3), ("rao-kupper", 0.4)])
def test_chances_sum_to_one_and_follow_the_published_ratios(ties, tie):
    d = np.array([-900.0, -3.0, 0.0, 1.5, 900.0])
    one, two, even = chances(ties, d, tie)
    np.testing.assert_allclose(one + two + even, 1.0)
    a, b = math.exp(0.75), math.exp(-0.75)  # strengths π = e^θ at d = 1.5
    if ties == "davidson":
        assert even[3] == pytest.approx(math.exp(tie) * math.sqrt(a * b) / (a + b + math.exp(tie) * math.sqrt(a * b)))
    if ties == "rao-kupper":
        eta = math.exp(tie)
        assert one[3] == pytest.approx(a / (a + eta * b))
        assert even[3] == pytest.approx(a * b * (eta**2 - 1) / ((a + eta * b) * (b + eta * a)))


# ---- fits against closed forms and other solvers --------------------------------------------------------------------


def test_two_items_have_the_closed_form():
    votes = Votes.of(["a"] * 10, ["b"] * 10, [1] * 7 + [0] * 3)
    found = MLE.fit(votes)
    gap, error = found.difference("a", "b")
    assert gap == pytest.approx(math.log(7 / 3))
    assert error == pytest.approx(math.sqrt(1 / 7 + 1 / 3))  # sandwich equals information for a saturated model
    assert BradleyTerry(prior=None, errors="model").fit(votes).difference("a", "b")[1] == pytest.approx(error)


def test_two_items_with_ties_have_the_closed_forms():
    votes = Votes.of(["a"] * 16, ["b"] * 16, [1] * 8 + [0] * 2 + [0.5] * 6)
    davidson = BradleyTerry(ties="davidson", prior=None).fit(votes)
    assert davidson.difference("a", "b")[0] == pytest.approx(math.log(4))
    assert math.exp(davidson.tie) == pytest.approx(6 / math.sqrt(8 * 2))
    assert davidson.chance("a", "b") == pytest.approx((0.5, 0.125, 0.375))
    rao = BradleyTerry(ties="rao-kupper", prior=None).fit(votes)
    assert rao.chance("a", "b") == pytest.approx((0.5, 0.125, 0.375))
    half = BradleyTerry(prior=None).fit(votes)
    assert half.difference("a", "b")[0] == pytest.approx(math.log(11 / 5))


@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("covariates", [False, True])
def test_the_fit_is_the_maximum_that_a_general_optimiser_finds(ties, covariates):
    votes, _ = drawn(102, n=5, m=300, ties="davidson", tie=0.0)
    x = np.random.default_rng(103).normal(size=300)
    if covariates:
        votes = Votes.from_codes(
            votes.names, votes.first, votes.second, votes.points, features=x[:, None], labels=["x"]
        )
    model = BradleyTerry(ties=ties, prior=3.0, position=True)
    found = model.fit(votes)

    def loss(p):
        theta, tie, beta = p[:5], p[5], p[6:]
        d = theta[votes.first] - theta[votes.second] + beta[0] + (beta[1] * x if covariates else 0.0)
        if ties == "half":
            good = np.logaddexp(0, -d) * votes.points + np.logaddexp(0, d) * (1 - votes.points)
            return good.sum() + (p**2).sum() / 18
        one, two, even = chances(ties, d, tie)
        chosen = np.where(votes.points == 1, one, np.where(votes.points == 0, two, even))
        return -np.log(chosen).sum() + (p**2).sum() / 18

    start = np.full(7 + covariates, 0.1)
    bounds = [(None, None)] * 5 + [(1e-3 if ties == "rao-kupper" else None, None)] + [(None, None)] * (len(start) - 6)
    best = minimize(loss, start, bounds=bounds, options={"ftol": 1e-14, "gtol": 1e-9, "maxiter": 5000})
    np.testing.assert_allclose(found.values, best.x[:5] - best.x[:5].mean(), atol=2e-4)
    assert found.effects["first"][0] == pytest.approx(best.x[6], abs=2e-4)
    if ties != "half":
        assert found.tie == pytest.approx(best.x[5], abs=2e-4)


def test_ratings_equal_those_of_choix():
    choix = pytest.importorskip("choix")
    votes, _ = drawn(104, n=8, m=500)
    data = [(i, j) if p == 1 else (j, i) for i, j, p in zip(votes.first.tolist(), votes.second.tolist(), votes.points)]
    np.testing.assert_allclose(MLE.fit(votes).values, choix.opt_pairwise(8, data, tol=1e-12), atol=1e-6)


def test_ratings_equal_those_of_logistic_regression():
    linear = pytest.importorskip("sklearn.linear_model")
    votes, _ = drawn(105, n=6, m=500)
    x = np.zeros((len(votes), 6))
    x[np.arange(len(votes)), votes.first], x[np.arange(len(votes)), votes.second] = 1, -1
    other = linear.LogisticRegression(C=4.0, fit_intercept=False, tol=1e-12, max_iter=2000).fit(x, votes.points)
    np.testing.assert_allclose(BradleyTerry(prior=2.0).fit(votes).values, other.coef_[0], atol=1e-5)


def test_more_items_than_the_dense_limit_give_the_same_ratings(monkeypatch):
    votes, _ = drawn(106, n=30, m=600)
    dense = fit(votes)
    monkeypatch.setattr("guerdon.prefer.fitting.DENSE", 10)
    sparse = fit(votes)
    np.testing.assert_allclose(sparse.values, dense.values, atol=1e-7)
    assert sparse.covariance is None
    assert np.isnan(sparse.errors).all()
    assert sparse.rows()[0].worst == 30


# ---- errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("errors", ["sandwich", "model"])
@pytest.mark.parametrize(("ties", "tie"), [("half", 0.0), ("davidson", -0.5), ("rao-kupper", 0.5)])
def test_intervals_hold_the_truth_as_often_as_they_say(errors, ties, tie):
    truth, hits, tries = np.linspace(-1, 1, 5), 0, 120
    for seed in range(tries):
        votes, _ = drawn(1000 + seed, n=5, m=300, ties=ties, tie=tie, truth=truth)
        found = BradleyTerry(ties=ties, errors=errors).fit(votes)
        hits += int((np.abs(found.values - truth) < 1.96 * found.errors).sum())
    assert 0.92 < hits / (5 * tries) < 0.98


def test_the_sandwich_sees_that_ties_as_halves_vary_less_than_wins():
    votes, _ = drawn(107, n=5, m=2000, ties="davidson", tie=1.0, truth=np.linspace(-1, 1, 5))
    bare, robust = (BradleyTerry(errors=each).fit(votes).errors for each in ("model", "sandwich"))
    assert (robust < 0.85 * bare).all()


def test_votes_of_one_annotator_count_as_one_when_errors_are_by_annotator():
    votes, _ = drawn(108, n=4, m=200)
    alone = Votes.from_codes(votes.names, votes.first, votes.second, votes.points, annotator=np.arange(200),
                             annotators=[f"w{k}" for k in range(200)])  # fmt: skip
    model = BradleyTerry(errors="annotators")
    exact = fit(votes).errors * math.sqrt(200 / 199)
    np.testing.assert_allclose(model.fit(alone).errors, exact, rtol=1e-4)  # but for the prior
    np.testing.assert_allclose(model.fit(votes).errors, exact, rtol=1e-4)  # unnamed votes stand alone
    copies = alone.take(np.tile(np.arange(200), 5))
    np.testing.assert_allclose(model.fit(copies).values, fit(votes).values, atol=0.05)
    assert (model.fit(copies).errors > 0.95 * model.fit(alone).errors).all()
    assert (fit(copies).errors < 0.5 * fit(alone).errors).all()  # who copies the votes fools the plain sandwich


def test_errors_by_few_annotators_are_refused():
    votes, _ = drawn(116, n=3, m=90)
    few = Votes.from_codes(votes.names, votes.first, votes.second, votes.points, annotator=np.arange(90) % 9,
                           annotators=list("abcdefghi"))  # fmt: skip
    with pytest.raises(ConfigError, match="got 9"):
        BradleyTerry(errors="annotators").fit(few)


@pytest.mark.parametrize("position", [False, True])
@pytest.mark.parametrize("ties", TIES)
def test_errors_by_annotator_do_not_depend_on_how_votes_are_added_up(ties, position):
    votes, _ = drawn(109, n=4, m=200, ties="davidson", tie=-1.0)
    who = np.arange(200) % 17
    named = Votes.from_codes(votes.names, votes.first, votes.second, votes.points, annotator=who,
                             annotators=[f"w{k}" for k in range(17)])  # fmt: skip
    rows = Votes.from_codes(votes.names, votes.first, votes.second, votes.points, annotator=who,
                            annotators=named.annotators, features=np.ones((200, 1)), labels=["first"])  # fmt: skip
    model = BradleyTerry(ties=ties, errors="annotators", position=position)
    found = model.fit(named)
    other = BradleyTerry(ties=ties, errors="annotators").fit(rows if position else named.take(np.arange(200)[::-1]))
    np.testing.assert_allclose(found.errors, other.errors, rtol=1e-7)
    np.testing.assert_allclose(found.values, other.values, atol=1e-8)


def test_a_preference_for_the_first_side_is_found_and_taken_out():
    votes, truth = drawn(110, n=5, m=4000, first=0.5)
    found = BradleyTerry(position=True).fit(votes)
    value, error = found.effects["first"]
    assert abs(value - 0.5) < 3 * error
    assert 0.02 < error < 0.05
    assert np.abs(found.values - truth).max() < 0.25


# ---- invariances ----------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), ties=st.sampled_from(TIES))
def test_names_sides_and_order_do_not_matter(seed, ties):
    votes, _ = drawn(seed, n=5, m=60, ties="davidson", tie=-1.0)
    model = BradleyTerry(ties=ties)
    found = model.fit(votes)
    rng = np.random.default_rng(seed)
    rows, names = rng.permutation(60), rng.permutation(5)
    back = np.argsort(names)
    other = Votes.from_codes([votes.names[k] for k in names], back[votes.first[rows]], back[votes.second[rows]],
                             votes.points[rows])  # fmt: skip
    for again in (model.fit(other), model.fit(other.swapped())):
        np.testing.assert_allclose(again.values, found.values[names], atol=1e-7)
        np.testing.assert_allclose(again.errors, found.errors[names], rtol=1e-5)


def test_twice_the_votes_and_double_weight_are_the_same_and_halve_the_variance():
    votes, _ = drawn(111, n=5, m=300)
    once, twice = MLE.fit(votes), MLE.fit(votes.take(np.tile(np.arange(300), 2)))
    np.testing.assert_allclose(once.values, twice.values, atol=1e-9)
    np.testing.assert_allclose(once.covariance, 2 * twice.covariance, rtol=1e-6)
    heavy = Votes.from_codes(votes.names, votes.first, votes.second, votes.points, weight=np.full(300, 2.0))
    np.testing.assert_allclose(MLE.fit(heavy).values, once.values, atol=1e-9)
    np.testing.assert_allclose(MLE.fit(heavy).errors, once.errors, rtol=1e-6)  # weights are not more evidence


def test_the_scale_is_that_of_chess():
    votes = Votes.of(["a"] * 11, ["b"] * 11, [1] * 10 + [0])
    found = MLE.fit(votes)
    top, bottom = found.rows()
    assert top.rating - bottom.rating == pytest.approx(400.0)  # odds of ten to one
    anchored = found.rows(base=1500, anchor="b")
    assert anchored[1].rating == 1500
    assert anchored[1].low == anchored[1].high == 1500
    assert anchored[0].high - anchored[0].rating == pytest.approx(1.96 * ELO * found.difference("a", "b")[1], rel=1e-4)


# ---- hostile votes --------------------------------------------------------------------------------------------------


def test_no_votes_give_equal_ratings_with_the_prior_s_width():
    assert len(fit(Votes.of([], [], []))) == 0
    alone = fit(Votes.of([], [], [], names=["a"]))
    assert alone.values.tolist() == [0.0]
    three = fit(Votes.of([], [], [], names=["a", "b", "c"]))
    assert three.values.tolist() == [0, 0, 0]
    assert three.difference("a", "b")[1] == pytest.approx(10 * math.sqrt(2))
    assert [(row.best, row.worst) for row in three.rows()] == [(1, 3)] * 3


def test_items_never_compared_and_disconnected_graphs_are_shown_as_not_comparable():
    votes = Votes.of(["a", "a", "c"] * 9, ["b", "b", "d"] * 9, [1, 0, 1] * 9, names=["lone"])
    found = fit(votes)
    assert np.isfinite(found.values).all()
    assert len(set(found.group.tolist())) == 3
    assert found.errors[found.index("lone")] > 5
    rows = {row.name: row for row in found.rows()}
    assert (rows["lone"].best, rows["lone"].worst) == (1, 5)
    assert rows["c"].worst == 5  # whatever beat it elsewhere, nothing is known
    with pytest.raises(ConfigError, match="without a prior"):
        MLE.fit(votes)


def test_an_item_that_always_wins_is_finite_with_a_wide_interval():
    votes, _ = drawn(112, n=4, m=200)
    unbeaten = Votes.from_codes(
        (*votes.names, "best"), np.r_[votes.first, np.full(10, 4)], np.r_[votes.second, np.arange(10) % 4],
        np.r_[votes.points, np.ones(10)],
    )  # fmt: skip
    found = fit(unbeaten)
    assert found.order()[0] == 4
    assert 2 < found.values[4] < 12
    assert found.errors[4] > 3 * found.errors[:4].max()
    with pytest.raises(ConfigError, match="'best' never lost"):
        MLE.fit(unbeaten)


@pytest.mark.parametrize("ties", TIES)
def test_only_ties_give_equal_ratings(ties):
    found = BradleyTerry(ties=ties).fit(Votes.of(["a", "b"], ["b", "c"], ["tie", "both-bad"]))
    np.testing.assert_allclose(found.values, 0, atol=1e-9)
    assert np.isfinite(found.errors).all()
    assert math.isfinite(found.tie)


@pytest.mark.parametrize("ties", ["davidson", "rao-kupper"])
def test_without_a_tie_all_models_agree(ties):
    votes, _ = drawn(113)
    found = BradleyTerry(ties=ties, prior=None).fit(votes)
    np.testing.assert_allclose(found.values, MLE.fit(votes).values, atol=1e-9)
    assert found.chance("m0", "m1")[2] == pytest.approx(0.0, abs=1e-12)


def test_only_skips_are_no_votes():
    votes = Votes.of(["a", "b"], ["b", "a"], ["skip", None])
    assert (len(votes), votes.skipped) == (0, 2)
    assert fit(votes).values.tolist() == [0, 0]


def test_a_cycle_gives_equal_ratings():
    found = MLE.fit(Votes.of(["a", "b", "c"], ["b", "c", "a"], [1, 1, 1]))
    np.testing.assert_allclose(found.values, 0, atol=1e-9)


def test_ten_thousand_items_with_a_vote_each():
    n = 10_000
    votes = Votes.from_codes([str(k) for k in range(n)], np.arange(0, n, 2), np.arange(1, n, 2), np.ones(n // 2))
    found = fit(votes)
    assert np.isfinite(found.values).all()
    assert len(np.unique(found.group)) == n // 2
    assert (found.values[::2] > 1).all()
    chain = fit(Votes.from_codes(votes.names, np.arange(n - 1), np.arange(1, n), np.full(n - 1, 0.5)))
    np.testing.assert_allclose(chain.values, 0, atol=1e-6)


def test_huge_and_tiny_weights_converge():
    votes = Votes.of(["a", "b", "b", "c"], ["b", "a", "c", "b"], [1, 1, 1, 1], weights=[1e6, 1.0, 1e-9, 1e-9])
    found = fit(votes)
    assert found.difference("a", "b")[0] == pytest.approx(math.log(1e6), abs=0.1)


@settings(deadline=None, max_examples=120)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 4), st.integers(1, 4), st.sampled_from([0, 0.5, 1]),
                  st.sampled_from([0.0, 1e-3, 1.0, 1.0, 100.0]), st.sampled_from([0.0, 1.0, -1e3]),
                  st.integers(-1, 1)),
        max_size=12,
    ),
    ties=st.sampled_from(TIES),
    errors=st.sampled_from(["sandwich", "model"]),
    position=st.booleans(),
    covariate=st.booleans(),
)  # fmt: skip
def test_any_votes_give_finite_ratings_and_errors(rows, ties, errors, position, covariate):
    first = np.array([row[0] for row in rows], int)
    second = (first + np.array([row[1] for row in rows], int)) % 5
    column = lambda k: np.array([row[k] for row in rows], float)  # noqa: E731
    votes = Votes.from_codes(
        list("abcde"), first, second, column(2), weight=column(3), annotator=column(5).astype(int),
        annotators=["ann", "bob"], features=column(4)[:, None] if covariate else None,
        labels=["x"] if covariate else [],
    )  # fmt: skip
    found = BradleyTerry(ties=ties, errors=errors, position=position).fit(votes)
    assert np.isfinite(found.values).all()
    assert abs(found.values.sum()) < 1e-6
    assert np.isfinite(found.errors).all()
    assert np.linalg.eigvalsh(found.covariance).min() > -1e-6 * found.covariance.max()
    assert all(1 <= row.best <= row.worst <= 5 for row in found.rows())
    after = found.after("a", "b", 1.0)
    assert np.isfinite(after.values).all()
    if not position and ties == "half":  # either parameter could explain the vote just as well
        assert after.difference("a", "b")[0] >= found.difference("a", "b")[0] - 1e-9


def test_collinear_covariates_are_refused_without_a_prior():
    votes, _ = drawn(114)
    twice = np.ones((len(votes), 2))
    votes = Votes.from_codes(votes.names, votes.first, votes.second, votes.points, features=twice, labels=["x", "y"])
    with pytest.raises(ConfigError, match="collinear"):
        MLE.fit(votes)
    assert np.isfinite(fit(votes).values).all()


@pytest.mark.parametrize("wrong", [{"ties": "draw"}, {"errors": "none"}, {"prior": -1.0}, {"prior": math.inf}])
def test_a_model_says_what_it_takes(wrong):
    with pytest.raises(ConfigError):
        BradleyTerry(**wrong)


# ---- one more vote --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("points", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("ties", TIES)
def test_one_more_vote_moves_the_board_as_a_fit_of_all_would(ties, points):
    votes, _ = drawn(115, n=5, m=200, ties="davidson", tie=-1.0)
    model = BradleyTerry(ties=ties, errors="model", position=True)
    before = model.fit(votes)
    after = before.after("m1", "m3", points)
    more = Votes.from_codes(votes.names, np.r_[votes.first, 1], np.r_[votes.second, 3], np.r_[votes.points, points])
    whole = model.fit(more)
    moved = np.abs(whole.values - before.values).max()
    assert moved > 0.001
    assert np.abs(after.values - whole.values).max() < 0.1 * moved
    np.testing.assert_allclose(after.errors, whole.errors, rtol=0.05)
    assert after.effects["first"][0] == pytest.approx(whole.effects["first"][0], abs=0.1 * moved)
    assert after.weight.sum() == before.weight.sum() + 2


def test_one_more_vote_joins_two_groups():
    found = fit(Votes.of(["a", "c"], ["b", "d"], [1, 1]))
    assert len(set(found.group.tolist())) == 2
    assert len(set(found.after("b", "c", 1.0).group.tolist())) == 1
    with pytest.raises(ConfigError):
        found.after("a", "nobody", 1.0)
    with pytest.raises(ConfigError):
        found.after("a", "b", 2.0)


def test_many_votes_count_as_in_one_table_whether_weighted_or_not():
    rng = np.random.default_rng(102)
    m, n = 300_000, 6
    first = rng.integers(n, size=m)
    second = (first + rng.integers(1, n, size=m)) % n
    points, weight = rng.integers(3, size=m) / 2, rng.integers(1, 4, size=m).astype(float)
    names = list("abcdef")
    for heavy in (None, weight):
        table = tabulate(Votes.from_codes(names, first, second, points, weight=heavy))
        given = np.ones(m) if heavy is None else heavy
        seen = np.zeros((n, n, 3)), np.zeros((n, n, 3))
        turned = first > second
        low, high = np.minimum(first, second), np.maximum(first, second)
        kind = np.where(points == 0.5, 2, np.where((points == 1) != turned, 0, 1))
        for into, power in zip(seen, (1, 2), strict=True):
            np.add.at(into, (low, high, kind), given**power)
        np.testing.assert_allclose(table.counts, seen[0][table.i, table.j].T)
        np.testing.assert_allclose(table.squares, seen[1][table.i, table.j].T)
        assert table.counts.sum() == given.sum()


@pytest.mark.parametrize("ties", TIES)
def test_a_first_glance_at_some_votes_changes_no_rating(ties, monkeypatch):
    rng = np.random.default_rng(103)
    m, n = 4000, 8
    first = rng.integers(n, size=m)
    second = (first + rng.integers(1, n, size=m)) % n
    x = rng.standard_normal((m, 2))
    gap = 0.2 * (first - second) + x @ [0.5, -0.3]
    points = np.where(rng.random(m) < 0.2, 0.5, rng.random(m) < 1 / (1 + np.exp(-gap)))
    votes = Votes.from_codes(list("abcdefgh"), first, second, points, features=x, labels=("u", "v"))
    model = BradleyTerry(ties=ties, prior=None)
    whole = model.fit(votes)
    monkeypatch.setattr(fitting, "MANY_ROWS", 1000)
    seen = model.fit(votes)
    np.testing.assert_allclose(seen.values, whole.values, atol=1e-9)
    np.testing.assert_allclose(seen.errors, whole.errors, rtol=1e-7)
    assert seen.effects["u"] == pytest.approx(whole.effects["u"], rel=1e-7)


def test_log_likelihoods_far_out_are_exact():
    d = np.array([-800.0, -40.0, -1.0, 0.0, 1.0, 40.0, 800.0])
    one, none = np.ones(7), np.zeros(7)
    assert terms("half", d, 0.0, one, none, none).value == pytest.approx(float(-np.logaddexp(0, -d).sum()), rel=1e-14)
