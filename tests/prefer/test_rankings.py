"""Ranking oracles against sorting by hand."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.core.errors import ConfigError
from guerdon.core.preference import Choice, FromReward, FunctionPreference, Preference
from guerdon.core.reward import ANY, Need, Reward, reward
from guerdon.core.score import FaultKind, Score
from guerdon.core.task import Answer, Case, Task
from guerdon.interop.trl import as_reward_func
from guerdon.prefer.rankings import SortedBy, Tournament, levels, rank_rewards

TASK = Task("t", {"prompt": "p"})
values = reward(range=ANY)(lambda answer: answer)


def cases(contents: Any, group: str | None = None, best: int | None = None) -> list[Case]:
    note: dict[str, Any] = {} if group is None else {"group": group}
    note |= {} if best is None else {"best": best}
    return [Case(TASK, Answer("t", content, note=note)) for content in contents]


def told(oracle: Reward, contents: Any, **more: Any) -> list[float | None]:
    return [score.value for score in oracle(cases(contents, **more))]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=12, unique=True), st.integers(0, 12), st.integers(1, 12))
def test_sorting_ranks_the_best_k_and_tells_nothing_else(contents: list[float], k: int, asked: int) -> None:
    scores = SortedBy(reward=values, best=k)(cases(contents, best=asked))
    most = min(k or len(contents), asked, len(contents))
    order = sorted(contents, reverse=True)
    wanted = [len(contents) - 1 - order.index(x) if order.index(x) < most else 0 for x in contents]
    assert [score.value for score in scores] == wanted
    assert all(not score.parts and score.spread is None and score.tokens is None for score in scores)
    top = [min(order.index(x), most) for x in contents]
    # Naming all but one names the last one too.
    places = {place: i for i, place in enumerate(sorted(set(top)))}
    assert levels(scores) == [places[place] for place in top]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=2, max_size=10, unique=True), st.integers(1, 9))
def test_a_monotone_change_of_the_reward_changes_nothing(contents: list[float], k: int) -> None:
    bent = reward(range=ANY)(lambda answer: 1e6 + math.exp(answer))
    same = len({math.exp(x) + 1e6 for x in contents}) == len(contents)
    if same:
        assert told(SortedBy(reward=bent, best=k), contents) == told(SortedBy(reward=values, best=k), contents)


def test_ties_are_shuffled_by_a_seed_or_left_without_an_order() -> None:
    assert told(SortedBy(reward=values, ties="missing"), [1.0, 2.0, 1.0, 0.0]) == [1, 3, 1, 0]
    assert told(SortedBy(reward=values, ties="missing"), [1.0] * 4) == [0, 0, 0, 0]
    oracle = SortedBy(reward=values)
    first = [told(oracle, [1.0] * 5, group=f"{i}").index(4.0) for i in range(300)]
    assert np.bincount(first, minlength=5).min() > 30  # no index is favoured
    assert told(oracle, [1.0] * 5, group="x") == told(oracle, [1.0] * 5, group="x")


def test_neighbours_are_swapped_as_often_as_said() -> None:
    oracle = SortedBy(reward=values, noise=0.2, seed=5)
    swapped = [told(oracle, [1.0, 0.0], group=f"{i}") == [0, 1] for i in range(2000)]
    assert abs(np.mean(swapped) - 0.2) < 0.03
    assert told(SortedBy(reward=values, noise=1.0), [3.0, 2.0, 1.0]) == [0, 2, 1]
    other = SortedBy(reward=values, noise=0.2, seed=6)
    assert swapped != [told(other, [1.0, 0.0], group=f"{i}") == [0, 1] for i in range(2000)]


def test_what_cannot_be_judged_is_a_fault_and_the_rest_is_ranked_and_nothing_leaks() -> None:
    @dataclass(frozen=True)
    class Odd(Reward):
        range = ANY

        def judge(self, cases: Any) -> list[Score]:
            kinds = {"bad": FaultKind.INVALID, "dead": FaultKind.CRASH}
            return [
                Score.failed(kinds[c.answer.content], "secret 42")
                if c.answer.content in kinds
                else Score(c.answer.content, {"secret": 42.0}, 0.5)
                for c in cases
            ]

    scores = SortedBy(reward=Odd())(cases([1.0, "dead", 3.0, "bad"]))
    assert [score.value for score in scores] == [0.0, None, 1.0, None]
    assert scores[1].fault is not None
    assert "42" not in str(scores[1].fault)
    assert str(scores[3].fault) == "invalid (secret 42)"
    assert not any(score.parts for score in scores)
    raising = reward(lambda answer: 1 / 0)
    assert all(s.fault and "division" not in s.fault.detail for s in SortedBy(reward=raising)(cases([1.0, 2.0])))


def test_groups_are_ranked_apart() -> None:
    both = cases([1.0, 2.0], group="a") + cases([9.0, 8.0], group="b")
    assert [score.value for score in SortedBy(reward=values)(both)] == [0, 1, 1, 0]


@dataclass(frozen=True)
class Counting(Preference):
    inner: Preference
    asked: list[int] = field(default_factory=list)

    def choose(self, pairs: Any) -> list[Choice]:
        self.asked.append(len(pairs))
        return self.inner(pairs)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20, unique=True), st.integers(0, 20))
def test_a_tournament_finds_the_k_best_with_few_comparisons(contents: list[float], k: int) -> None:
    judge = Counting(FromReward(values))
    m = len(contents)
    assert told(Tournament(preference=judge, best=k), contents) == told(SortedBy(reward=values, best=k), contents)
    depth = math.ceil(math.log2(m)) if m > 1 else 0
    most = m - 1 + sum(depth + place for place in range(min(k or m, m) - 1))
    assert sum(judge.asked) <= most
    if k == 1:
        assert sum(judge.asked) == m - 1
        assert len(judge.asked) == depth


def test_a_tournament_decides_ties_by_a_coin_and_reports_a_judge_that_fails() -> None:
    level = Tournament(preference=FunctionPreference(lambda pair: "tie"), best=1)
    winners = [told(level, [1.0, 2.0], group=f"{i}").index(1.0) for i in range(300)]
    assert 100 < sum(winners) < 200
    broken = Tournament(preference=FunctionPreference(lambda pair: 1 / 0))  # type: ignore[arg-type, return-value]
    scores = broken(cases([1.0, 2.0, 3.0]))
    assert {score.fault.kind for score in scores if score.fault} == {FaultKind.JUDGE}


def test_what_an_oracle_is_made_of_says_what_it_needs() -> None:
    @dataclass(frozen=True)
    class Model(Reward):
        needs = frozenset({Need.MODEL})

    assert SortedBy(reward=Model()).needs == {Need.MODEL}
    assert Tournament(preference=FromReward(values)).unit == "group"


def test_a_reward_function_of_trl_is_an_oracle_and_back_again() -> None:
    def lengths(completions: list[str], **columns: Any) -> list[float]:
        return [1000.0 * len(text) for text in completions]

    oracle = SortedBy(reward=reward(range=ANY)(lengths), best=2)
    assert told(oracle, ["a", "abcd", "abc", "ab"]) == [0, 3, 2, 0]
    back = as_reward_func(rank_rewards(oracle))
    prompts = ["p", "p", "p", "p", "q", "q"]
    assert back(prompts, ["a", "abcd", "abc", "ab", "x", "xyz"]) == pytest.approx([1 / 6, 1, 2 / 3, 1 / 6, 0, 1])


@pytest.mark.parametrize("fields", [{"best": -1}, {"noise": 1.5}, {"noise": -0.1}, {"noise": float("nan")}])
def test_oracles_that_make_no_sense_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        SortedBy(reward=values, **fields)


def test_levels_of_faults_are_unknown() -> None:
    assert levels([Score(2.0), Score.failed(FaultKind.ABSENT), Score(0.0)]) == [0, None, 1]
    assert levels([]) == []
