import math
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guerdon import (
    Answer,
    Case,
    ConfigError,
    Reward,
    Score,
    Task,
    ensemble,
    gate,
    ranked,
    reward,
    standardised,
    worst_of,
)
from guerdon.core.reward import needs_of

TASK = Task("t", {"prompt": "p", "target": 3})


def cases(*contents: Any, key: Any = None) -> list[Case]:
    return [Case(TASK, Answer("t", content), key) for content in contents]


def values(scores: Sequence[Score]) -> list[float | None]:
    return [score.value for score in scores]


@reward(range=(0, 10))
def length(text: str) -> float:
    return float(min(len(text), 10))


@reward
def is_upper(text: str) -> float | None:
    return None if not text else float(text.isupper())


@reward
def echo(answer: Any) -> Any:
    return answer


def test_functions_ask_for_what_they_need_by_name() -> None:
    @reward(range=(-100, 100))
    def near(answer: float, target: float, key: dict[str, float], data: dict[str, float], task: Task) -> float:
        assert data["target"] == target
        assert task is TASK
        return -abs(answer - target) * key["scale"]

    assert values(near(cases(5, key={"scale": 2.0}))) == [-4.0]


def test_trl_functions_are_called_once_with_columns() -> None:
    calls = []

    @reward
    def trl_style(prompts: list[str], completions: list[str], target: list[int], **rest: Any) -> list[float | None]:
        calls.append((prompts, target, sorted(rest)))
        return [1.0 if c == "a" else None for c in completions]

    scores = trl_style(cases("a", "b"))
    assert values(scores) == [1.0, None]
    assert scores[1].fault is not None
    assert scores[1].fault.kind == "not-applicable"
    assert calls == [(["p", "p"], [3, 3], ["completion_ids"])]


@pytest.mark.parametrize("bad", [math.nan, math.inf, True, "0.7", 1 + 0j, {}, 1.5, -0.1])
def test_a_broken_value_is_the_judges_fault_and_names_it(bad: object) -> None:
    (score,) = echo(cases(bad))
    assert score.value is None
    assert score.fault is not None
    assert score.fault.whose == "judge"
    assert "echo" in score.fault.detail


def test_one_raising_item_spoils_only_itself() -> None:
    @reward
    def picky(text: str) -> float:
        if text == "c":
            raise KeyError("no")
        return 1.0

    scores = picky(cases(*"abcdefgh"))
    assert values(scores) == [1.0, 1.0, None, 1.0, 1.0, 1.0, 1.0, 1.0]
    assert "KeyError" in str(scores[2].fault)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_wrong_number_of_scores_is_a_fault_of_all(count: int) -> None:
    @dataclass(frozen=True)
    class Short(Reward):
        def judge(self, cases: Sequence[Case]) -> list[float]:
            return [1.0] * count

    assert values(Short()(cases("a", "b"))) == [None, None]


def test_sums_weigh_flatten_and_declare_their_range() -> None:
    total = 0.7 * length + 0.3 * is_upper - 1
    assert total.range == (-1.0, 6.3)
    (score,) = total(cases("ABC"))
    assert score.value == pytest.approx(0.7 * 3 + 0.3 - 1)
    assert dict(score.parts) == {"length": 3.0, "is_upper": 1.0}


def test_a_part_that_does_not_apply_is_left_out_of_a_sum() -> None:
    assert values((length + is_upper)(cases(""))) == [0.0]
    assert values((is_upper + is_upper)(cases(""))) == [None]


def test_any_other_fault_of_a_part_is_the_fault_of_the_whole() -> None:
    (score,) = (length + echo)(cases("x"))
    assert score.value is None
    assert score.parts["length"] == 1.0


def test_products_clips_and_worst_of() -> None:
    assert values((length * is_upper)(cases("ABCD", "abcd"))) == [4.0, 0.0]
    assert values(length.clip(2, 5)(cases("A", "ABC", "ABCDEFG"))) == [2.0, 3.0, 5.0]
    assert values(worst_of(length, is_upper)(cases("ABC"))) == [1.0]
    assert (length * is_upper).range == (0.0, 10.0)
    assert (length.clip(2, 5)).range == (2, 5)


@dataclass(frozen=True)
class End(Reward):
    """One end of its range, for whatever is answered; nothing for an answer of its own name."""

    range: tuple[float, float]
    high: bool = True
    tag: int = 0

    def judge(self, cases: Sequence[Case]) -> list[float | None]:
        return [None if case.answer.content == self.tag else self.range[self.high] for case in cases]


ENDS = st.tuples(st.floats(-3, 3), st.floats(0, 3), st.booleans()).map(lambda t: ((t[0], t[0] + t[1]), t[2]))


@given(st.lists(st.tuples(ENDS, st.floats(-2, 2)), min_size=1, max_size=4), st.floats(-1, 1), st.integers(0, 4))
def test_no_composite_of_parts_at_their_ends_leaves_its_range(told: list[Any], bias: float, absent: int) -> None:
    parts = [End(span, high, tag) for tag, ((span, high), _) in enumerate(told)]
    wholes = [
        sum((weight * part for (_, weight), part in zip(told[1:], parts[1:], strict=True)), told[0][1] * parts[0])
        + bias,
        math.prod(parts[1:], start=parts[0]),
        worst_of(*parts),
        *(ensemble(parts, mode) for mode in ("mean", "wco", "uwo")),
    ]
    for whole in wholes:
        for score in whole(cases("all of them", absent)):
            known = score.value is not None and whole.range[0] <= score.value <= whole.range[1]
            assert known or (len(parts) == 1 and score.fault is not None and score.fault.kind == "not-applicable"), (
                score
            )


def test_weights_that_add_up_to_one_by_hand_reach_one() -> None:
    ones = [End((0.0, 1.0), tag=tag) for tag in range(3)]
    whole = 0.7 * ones[0] + 0.2 * ones[1] + 0.1 * ones[2]
    assert whole.range == (0.0, 1.0)
    assert values(whole(cases("x"))) == [1.0]
    assert values(ensemble([End((0.0, 0.1), tag=tag) for tag in range(3)])(cases("x"))) == [0.1]


def test_a_part_that_does_not_apply_is_left_out_of_a_product() -> None:
    whole = End((2.0, 3.0), tag=0) * End((0.5, 0.6), tag=1)
    assert values(whole(cases("x", 1, 0))) == [pytest.approx(1.8), 3.0, 0.6]
    assert whole.range == (0.5, 3.0)


@given(st.lists(st.integers(0, 9), max_size=30))
def test_ranks_are_those_of_scipy(drawn: list[int]) -> None:
    rankdata = pytest.importorskip("scipy.stats").rankdata
    expected = (rankdata(drawn) - 1) / (len(drawn) - 1) if len(drawn) > 1 else [0.5] * len(drawn)
    assert ranked([float(each) for each in drawn]) == pytest.approx(list(expected))


def test_a_gate_does_not_even_judge_what_it_keeps_out() -> None:
    seen: list[str] = []

    @reward
    def costly(text: str) -> float:
        seen.append(text)
        return 0.5

    assert values(gate(is_upper, costly, closed=-1.0)(cases("A", "b", "C"))) == [0.5, -1.0, 0.5]
    assert seen == ["A", "C"]


def test_ensembles_match_their_formulas() -> None:
    parts = [length, length.clip(0, 2), 2.0 * length]
    row = [5.0, 2.0, 10.0]
    mean = sum(row) / 3
    variance = sum((x - mean) ** 2 for x in row) / 3
    expected = {"mean": mean, "wco": 2.0, "uwo": mean - 0.1 * variance}
    for mode, value in expected.items():
        (score,) = ensemble(parts, mode, 0.1)(cases("ABCDE"))  # type: ignore[arg-type]
        assert score.value == pytest.approx(value)
        assert score.spread == pytest.approx(math.sqrt(variance))


def test_equal_members_make_an_ensemble_without_spread() -> None:
    (score,) = ensemble([length, length], "uwo")(cases("AB"))
    assert (score.value, score.spread) == (2.0, 0.0)


def test_group_transforms_see_one_group_at_a_time_and_skip_faults() -> None:
    batch = [Case(Task(n), Answer(n, c)) for n, c in [("a", 1.0), ("b", 0.25), ("a", 0.0), ("b", "x"), ("b", 0.75)]]
    scores = echo.by_group(ranked)(batch)
    assert values(scores) == [1.0, 0.0, 0.0, None, 1.0]
    assert scores[0].parts["echo"] == 1.0


def test_groups_may_be_named_within_a_task() -> None:
    batch = [Case(TASK, Answer("t", v, note={"group": g})) for g, v in [("x", 1.0), ("y", 0.0), ("x", 0.5)]]
    assert values(echo.by_group(ranked)(batch)) == [1.0, 0.5, 0.0]


def test_all_equal_groups_have_no_advantage_and_no_nan() -> None:
    assert values(echo.by_group(standardised)(cases(0.5, 0.5))) == [0.0, 0.0]
    assert values(echo.by_group(standardised)(cases(0.5))) == [0.0]
    assert values(echo.by_group(standardised)(cases("x", "y"))) == [None, None]


def test_faults_of_the_solver_count_as_a_value_only_when_asked_for() -> None:
    @dataclass(frozen=True)
    class Slow(Reward):
        def judge(self, cases: Sequence[Case]) -> list[Score]:
            return [Score.failed("timeout"), Score.failed("sandbox"), Score(1.0)]

    assert values(Slow()(cases(1, 2, 3))) == [None, None, 1.0]
    assert values(Slow().or_else(0.0)(cases(1, 2, 3))) == [0.0, None, 1.0]


def test_needs_of_parts_reach_the_whole() -> None:
    needy = reward(needs=["sandbox"])(lambda text: 1.0)  # type: ignore[list-item]
    assert needs_of(gate(is_upper, 0.5 * needy)) == {"sandbox"}


def test_decorated_functions_survive_pickling_to_a_worker() -> None:
    again = pickle.loads(pickle.dumps(0.5 * length + is_upper))
    assert values(again(cases("ABC"))) == [2.5]


@pytest.mark.parametrize(
    "make",
    [lambda: ensemble([]), lambda: ensemble([length], "median"), lambda: length.clip(1, 0), lambda: length * math.nan],
)  # type: ignore[arg-type]
def test_nonsense_is_refused_when_it_is_written(make: Any) -> None:
    with pytest.raises(ConfigError):
        make()
