"""Contrast instructions: items, and the two consistencies of any scoring function."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guerdon.core.errors import ConfigError
from guerdon.rlhf.contrast import ContrastSet, WordVectors, consistency, contrast_set, overlap, quantile_band

VERBS, THINGS = ("mend", "clean", "sell"), ("kettle", "drum", "boat")
ASKED = [f"How should I {verb} a {thing}?" for verb in VERBS for thing in THINGS]
TOLD = [text.replace("How should I", "First, to").replace("?", ", do it.") for text in ASKED]


def items(n: int = 1) -> ContrastSet:
    return ContrastSet(["i1"] * n, ["r1"] * n, ["i2"] * n, ["r2"] * n, np.full(n, 0.8))


def scorer(table: dict[tuple[str, str], float]):
    return lambda asked, told: [table[pair] for pair in zip(asked, told)]


def test_each_instruction_is_paired_with_its_most_alike_one_in_the_band():
    vectors = {"a": [1.0, 0.0], "b": [0.8, 0.6], "c": [0.85, math.sqrt(1 - 0.85**2)], "d": [0.0, 1.0]}
    found = contrast_set(list("abcd"), list("wxyz"), lambda texts: [vectors[t] for t in texts], (0.75, 0.9))
    assert ("a", "w", "c", "y") in list(zip(found.i1, found.r1, found.i2, found.r2))
    assert ((found.cosine >= 0.75) & (found.cosine <= 0.9)).all()
    pairs = {frozenset(pair) for pair in zip(found.i1, found.i2)}
    assert len(pairs) == len(found)  # none is there the other way round
    assert frozenset("ad") not in pairs


def test_equal_instructions_and_equal_responses_make_no_item():
    same = lambda texts: [[1.0, 0.1 * k] for k in range(len(texts))]  # noqa: E731
    assert len(contrast_set(["A b", "a  B"], ["x", "y"], same, (0.5, 1.0))) == 0
    assert len(contrast_set(["a", "b"], ["Same ", "same"], same, (0.5, 1.0))) == 0
    assert len(contrast_set(["a", "b"], ["x", "y"], same, (0.5, 1.0))) == 1
    assert len(contrast_set([], [], same)) == 0


def test_the_limit_keeps_the_most_alike():
    encode = WordVectors.of(ASKED)
    every, few = (contrast_set(ASKED, TOLD, encode, (0.1, 0.98), limit=limit) for limit in (None, 2))
    assert len(every) > len(few) == 2
    assert few.cosine.min() >= np.sort(every.cosine)[-2] - 1e-9


def test_the_published_measures_on_a_worked_example():
    table = {("i1", "r1"): 3.0, ("i1", "r2"): 1.0, ("i2", "r1"): 2.0, ("i2", "r2"): 2.0}
    one = consistency(items(), scorer(table), both=False)
    assert (one.res.value, one.ins.value) == (1.0, 1.0)
    two = consistency(items(), scorer(table))
    assert two.res.value == 0.75  # under i2, r1 and r2 are tied
    assert two.ins.value == 1.0


def test_ties_are_one_half_or_what_one_says():
    flat = dict.fromkeys([("i1", "r1"), ("i1", "r2"), ("i2", "r1"), ("i2", "r2")], 0.0)
    assert consistency(items(), scorer(flat)).res.value == 0.5
    assert consistency(items(), scorer(flat), tie=1.0).ins.value == 1.0


def test_unknown_scores_are_left_out_and_counted():
    def score(asked, told):
        return [math.nan if (k % 2, a) == (0, "i2") else float(k) for k, a in enumerate(asked)]

    found = consistency(items(2), score)
    assert found.unknown == 1
    assert not math.isnan(found.res.value)
    empty = consistency(items(0), lambda asked, told: [])
    assert math.isnan(empty.res.value)
    assert (empty.res.low, empty.res.high) == (0.0, 1.0)


def test_a_length_reward_is_at_chance_and_a_matching_one_is_consistent():
    encode = WordVectors.of(ASKED)
    found = contrast_set(ASKED, TOLD, encode, quantile_band(encode(ASKED), 0.5))
    right = dict(zip(ASKED, TOLD))
    perfect = consistency(found, lambda asked, told: [float(right[a] == t) for a, t in zip(asked, told)])
    assert (perfect.res.value, perfect.ins.value) == (1.0, 1.0)
    blind = consistency(found, lambda asked, told: [float(len(t)) for t in told])
    assert blind.res.value == 0.5  # the longer answer is right on one side of each item
    assert blind.ins.value == 0.5
    assert consistency(found, overlap).res.value > 0.9  # shared words alone solve this world: report it beside


@given(st.lists(st.floats(-5, 5), min_size=4, max_size=4))
def test_swapping_the_instructions_of_an_item_changes_nothing(values):
    keys = [("i1", "r1"), ("i1", "r2"), ("i2", "r1"), ("i2", "r2")]
    table = dict(zip(keys, values))
    turned = ContrastSet(["i2"], ["r2"], ["i1"], ["r1"], np.array([0.8]))
    one, two = consistency(items(), scorer(table)), consistency(turned, scorer(table))
    assert (one.res.value, one.ins.value) == (two.res.value, two.ins.value)


def test_bad_encoders_and_scorers_are_named():
    with pytest.raises(ConfigError, match="finite vectors"):
        contrast_set(["a", "b"], ["x", "y"], lambda texts: [[math.nan]] * 2)
    with pytest.raises(ConfigError, match="a vector for each of 2"):
        contrast_set(["a", "b"], ["x", "y"], lambda texts: [[1.0]])
    with pytest.raises(ConfigError, match="a response to each"):
        contrast_set(["a", "b"], ["x"], lambda texts: [[1.0]])
    with pytest.raises(ConfigError, match="4 scores"):
        consistency(items(), lambda asked, told: [1.0])
    with pytest.raises(ConfigError, match="at least two"):
        quantile_band([[1.0, 0.0]])
