from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from guerdon import Answer, Case, Choice, Pair, Task, against, both_orders, from_reward, reward
from guerdon.core.preference import FunctionPreference, Preference

TASK = Task("t")


def pair(left: object, right: object) -> Pair:
    return Pair(TASK, Answer("t", left), Answer("t", right))  # type: ignore[arg-type]


@reward(range=(0, 100))
def size(answer: float) -> float:
    return float(answer)


def test_from_reward_prefers_the_higher_and_ties_equals() -> None:
    choices = from_reward(size)([pair(2, 1), pair(1, 2), pair(1, 1)])
    assert [choice.outcome for choice in choices] == ["left", "right", "tie"]


def test_temperature_follows_bradley_terry() -> None:
    pairs = [pair(1 + i * 1e-9, 0) for i in range(4000)]
    count = Counter(choice.outcome for choice in from_reward(size, temperature=1.0)(pairs))
    expected = 1 / (1 + 2.718281828**-1)
    assert abs(count["left"] / 4000 - expected) < 4 * (expected * (1 - expected) / 4000) ** 0.5


def test_what_flips_with_the_order_is_a_tie() -> None:
    always_left = FunctionPreference(lambda pair: "left")
    (choice,) = both_orders(always_left)([pair(1, 2)])
    assert choice.outcome == "tie"
    assert choice.note["flipped"] == 1.0
    (kept,) = both_orders(from_reward(size))([pair(1, 2)])
    assert kept.outcome == "right"


def test_swapping_sides_mirrors_the_choice() -> None:
    for left, right in [(1, 2), (2, 1), (3, 3)]:
        one, two = from_reward(size)([pair(left, right), pair(left, right).swapped()])
        assert one.outcome == two.swapped().outcome


def test_off_menu_and_raising_judges_are_faults() -> None:
    (odd,) = FunctionPreference(lambda pair: "both")([pair(1, 2)])  # type: ignore[arg-type, return-value]
    assert odd.outcome is None
    assert odd.fault is not None
    assert odd.fault.whose == "judge"
    raising = FunctionPreference(lambda pair: 1 / pair.left.content)  # type: ignore[arg-type, return-value, operator]
    bad, worse = raising([pair(0, 1), pair(1, 1)])
    assert "ZeroDivisionError" in str(bad.fault)
    assert worse.fault is not None


def test_against_a_pool_is_the_share_of_wins() -> None:
    pool = [Answer("other", 1), Answer("other", 2), Answer("other", 3), Answer("other", 4)]
    (score,) = against(pool, from_reward(size))([Case(TASK, Answer("t", 3))])
    assert score.value == (2 + 0.5) / 4


def test_a_choice_without_outcome_swaps_to_itself() -> None:
    assert Choice(None).swapped() == Choice(None)


@dataclass(frozen=True)
class Priced(Preference):
    """Asks somebody who counts."""

    def choose(self, pairs: Sequence[Pair]) -> list[Choice]:
        note = {"calls": 1.0, "tokens": 7.0}
        return [Choice("left" if pair.left.content > pair.right.content else "right", note=note) for pair in pairs]  # type: ignore[operator]


def test_both_orders_cost_what_both_cost() -> None:
    (choice,) = both_orders(Priced())([pair(1, 2)])
    assert choice.outcome == "right"
    assert choice.note == {"calls": 2.0, "tokens": 14.0}
