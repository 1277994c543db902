import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guerdon.core.errors import ConfigError
from guerdon.prefer.votes import Votes


def test_names_keep_their_exact_text_and_their_order():
    votes = Votes.of(["b", "a ", ""], ["a", "b", "é"], ["first", "right", "tie"], names=["z"])
    assert votes.names == ("z", "b", "a ", "", "a", "é")
    assert votes.points.tolist() == [1.0, 0.0, 0.5]
    assert len(Votes.of(["\u00e9"], ["e\u0301"], [1]).names) == 2  # composed and decomposed stay two items


def test_lookalikes_are_named():
    votes = Votes.of(["gpt", "Gpt", "ｇｐｔ"], ["x", "x", "x"], [1, 1, 1])
    assert votes.lookalikes() == [("gpt", "Gpt", "ｇｐｔ")]


def test_skips_are_dropped_and_counted():
    votes = Votes.of(["a", "b", "a"], ["b", "c", "c"], ["skip", None, "both-bad"])
    assert (len(votes), votes.skipped, votes.points.tolist()) == (1, 2, [0.5])
    assert votes.names == ("a", "b", "c")


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), -1.0, 1e12])
def test_senseless_weights_are_refused_with_their_row(weight):
    with pytest.raises(ConfigError, match="row 1 has"):
        Votes.of(["a", "b"], ["b", "a"], [1, 0], weights=[1.0, weight])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((["a"], ["a"], [1]), "both sides"),
        ((["a"], ["b"], ["yes"]), "row 0 has 'yes'"),
        ((["a"], ["b"], [{}]), "row 0 has"),
        ((["a"], ["b"], [0.3]), "row 0 has 0.3"),
        ((["a"], ["b", "c"], [1]), "second has a value"),
        ((["a"], [3], [1]), "names are text"),
    ],
)
def test_malformed_votes_are_refused(arguments, said):
    with pytest.raises(ConfigError, match=said):
        Votes.of(*arguments)


def test_features_must_be_finite():
    with pytest.raises(ConfigError, match="row 0"):
        Votes.of(["a"], ["b"], [1], features={"length": [np.nan]})


def test_positions_outside_are_refused():
    with pytest.raises(ConfigError, match="from 0 to 1"):
        Votes.from_codes(["a", "b"], [0], [2], [1])
    with pytest.raises(ConfigError, match="twice"):
        Votes.from_codes(["a", "a"], [0], [1], [1])


def test_of_one_annotator_the_last_vote_on_a_pair_counts():
    votes = Votes.of(
        ["a", "b", "a", "a"], ["b", "a", "b", "b"], [1, 1, 0, 0.5], annotators=["ann", "ann", "bob", "ann"]
    )
    kept = votes.once_each()
    assert kept.points.tolist() == [0.0, 0.5]
    unnamed = Votes.of(["a", "a"], ["b", "b"], [1, 1])
    assert len(unnamed.once_each()) == 2


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0.1, 5)), min_size=1, max_size=40), st.floats(0.5, 10))
def test_a_cap_bounds_every_annotator_and_scales_evenly(votes, most):
    who = [f"w{one}" for one, _ in votes]
    weights = np.array([weight for _, weight in votes])
    capped = Votes.of(["a"] * len(votes), ["b"] * len(votes), [1] * len(votes), weights=weights, annotators=who)
    capped = capped.capped(most)
    for name in set(who):
        mine = np.array([each == name for each in who])
        total = weights[mine].sum()
        assert capped.weight[mine].sum() == pytest.approx(min(total, most))
        np.testing.assert_allclose(capped.weight[mine] * total, weights[mine] * min(total, most))


def test_a_burst_of_one_voter_weighs_no_more_than_the_cap():
    many = 200_000
    votes = Votes.from_codes(
        ["a", "b"], np.zeros(many + 1, int), np.ones(many + 1, int), np.r_[np.ones(many), 0.0],
        annotator=np.r_[np.zeros(many, int), 1], annotators=["bot", "ann"],
    )  # fmt: skip
    assert votes.capped(1.0).weight.sum() == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("outcomes", "points"),
    [
        ([1.0, 0.5, 0.0], [1.0, 0.5, 0.0]),
        ([1, 0, True], [1.0, 0.0, 1.0]),
        ((1.0, "tie", "right"), [1.0, 0.5, 0.0]),
        ([0.0, None, 1.0], [0.0, 1.0]),
    ],
)
def test_numbers_and_words_give_the_same_points(outcomes, points):
    assert Votes.of(["a"] * 3, ["b"] * 3, outcomes).points.tolist() == points


@pytest.mark.parametrize("odd", [0.3, "1", float("nan"), 2, 10**400])
def test_a_number_that_is_no_outcome_is_named_wherever_it_stands(odd):
    outcomes = [1.0] * 70_000
    outcomes[66_000] = odd
    with pytest.raises(ConfigError, match="row 66000 has"):
        Votes.of(["a"] * 70_000, ["b"] * 70_000, outcomes)


def test_columns_of_features_stand_side_by_side():
    columns = {name: np.arange(5000.0) * k for k, name in enumerate("xyz")}
    votes = Votes.of(["a"] * 5000, ["b"] * 5000, [1] * 5000, features=columns)
    np.testing.assert_array_equal(votes.features, np.stack(list(columns.values()), axis=1))
