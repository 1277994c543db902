"""The judge's test suite (experiment c of the card): strict types, `is True`, and answers that mean harm."""

from collections.abc import Sequence
from typing import Any

import pytest

from guerdon import Answer, Case, Score, Task
from guerdon.systems.programming_puzzles.challenge import CHEATS, ProgrammingPuzzles
from guerdon.systems.programming_puzzles.puzzle import Puzzle, verifier_source
from guerdon.systems.programming_puzzles.reward import Verified
from guerdon.testing.challenge import ChallengeContract
from guerdon.testing.reward import RewardContract


def puzzle(sat: str, kind: str, header: str = "def sol():") -> Puzzle:
    return Puzzle("P:0", sat, kind, header)


TWICE = puzzle("def sat(n: int, a=21):\n    return n == 2 * a", "int", "def sol(a=21):")
LENIENT = puzzle("def sat(n: int):\n    return n or 1", "int")
NESTED = puzzle("def sat(x: List[List[int]]):\n    return sum(map(sum, x)) == 6", "List[List[int]]")
MUTABLE = puzzle("def sat(n: int, seen=[]):\n    seen.append(n)\n    return len(seen) == 2", "int", "def sol(seen=[]):")
BIG = puzzle("def sat(n: int):\n    return len(str(n)) == 5001", "int")
FLOAT = puzzle("def sat(x: float):\n    return abs(x * x - 2) < 1e-9", "float")
TEXT = puzzle("def sat(s: str):\n    assert s, 'empty'\n    return s == s[::-1] and len(s) > 2", "str")
SLOW = puzzle("def sat(n: int):\n    while n > 0: pass\n    return n == -3", "int")
TRUE = puzzle("def sat(b: bool):\n    return b", "bool")


def judge(of: Puzzle, *contents: Any, seconds: float = 1.0) -> list[Score]:
    task = Task(of.name, of.task_data())
    key = {"verifier": verifier_source(of), "type": of.ans_type}
    return Verified(seconds=seconds)([Case(task, Answer(task.id, content), key) for content in contents])


def outcome(score: Score) -> object:
    return score.value if score.fault is None else str(score.fault.kind.value)


@pytest.mark.parametrize(
    ("of", "content", "expected"),
    [
        (TWICE, {"code": "42"}, 1.0),
        (TWICE, {"code": "2 * a"}, 1.0),
        (TWICE, {"code": "    b = a\n    return a + b"}, 1.0),
        (TWICE, {"code": "b = a\nreturn a + b"}, 1.0),
        (TWICE, {"code": "    if a: return 42"}, 1.0),
        (TWICE, {"code": "def helper(x):\n    return 2 * x\n\ndef sol(a=21):\n    return helper(a)"}, 1.0),
        (TWICE, {"code": "2 * a  # a remark"}, 1.0),
        (TWICE, {"value": 42}, 1.0),
        (TWICE, {"value": 41}, 0.0),
        (TWICE, {"value": 42.0}, 0.0),
        (TWICE, {"value": True}, 0.0),
        (TWICE, {"value": "42"}, 0.0),
        (TWICE, {"value": None}, 0.0),
        (TWICE, {"code": "42.0"}, 0.0),
        (TWICE, {"code": "None"}, 0.0),
        (TWICE, {"code": "a +"}, "invalid"),
        (TWICE, {"code": ""}, "invalid"),
        (TWICE, {"code": "\x00"}, "invalid"),
        (TWICE, {"code": "42) or (43"}, 1.0),
        (TWICE, {"code": "1 / 0"}, "exception"),
        (TWICE, {"code": "lambda: 42"}, "invalid"),
        (TWICE, {"code": "type('I', (int,), {})(42)"}, "invalid"),
        (TWICE, {"code": "    while True: pass\n    return 42"}, "timeout"),
        (TWICE, {"code": "    import os\n    os._exit(0)\n    return 42"}, "exit"),
        (TWICE, {"code": "    print('x' * 10**6)\n    return 42"}, 1.0),
        (TWICE, {"code": "(lambda f: f(f))(lambda f: f(f))"}, "exception"),
        (TWICE, {"code": "[0] * 10**12"}, "memory"),
        (TWICE, 42, "invalid"),
        (TWICE, {"code": 42}, "invalid"),
        (TWICE, {}, "invalid"),
        (LENIENT, {"value": 7}, 0.0),
        (LENIENT, {"value": 0}, 0.0),
        (NESTED, {"value": [[1, 2], [3]]}, 1.0),
        (NESTED, {"value": [[1, 2], 3]}, 0.0),
        (NESTED, {"value": [[1, 2], [3.0]]}, 0.0),
        (NESTED, {"value": [[1, 2], [True, 2]]}, 0.0),
        (NESTED, {"code": "((1, 2), [3])"}, 0.0),
        (NESTED, {"code": "[range(4)]"}, "invalid"),
        (BIG, {"code": "10 ** 5000"}, 1.0),
        (FLOAT, {"code": "2 ** 0.5"}, 1.0),
        (FLOAT, {"code": "float('nan')"}, 0.0),
        (FLOAT, {"code": "1"}, 0.0),
        (TEXT, {"value": ""}, 0.0),
        (TEXT, {"value": "aba"}, 1.0),
        (TEXT, {"code": "'\\ud800x\\ud800'"}, 1.0),
        (SLOW, {"value": 5}, "limit"),
        (SLOW, {"value": -3}, 1.0),
        (TRUE, {"value": True}, 1.0),
        (TRUE, {"value": 1}, 0.0),
    ],
)
def test_verdicts(of: Puzzle, content: Any, expected: object) -> None:
    (score,) = judge(of, content)
    assert outcome(score) == expected, score


def test_equality_that_always_holds_gains_nothing() -> None:
    always = "type('E', (), {'__eq__': lambda s, o: True, '__bool__': lambda s: True})()"
    assert [score.value for score in judge(TWICE, {"code": always}, {"code": f"[{always}]"})] == [None, None]


def test_a_verifier_starts_afresh_for_every_value() -> None:
    assert [outcome(score) for score in judge(MUTABLE, *[{"value": 1}] * 4)] == [0.0] * 4


def test_one_explosive_value_spoils_only_itself() -> None:
    found = judge(SLOW, {"value": -3}, {"value": 1}, {"value": -3}, {"value": 2}, {"value": -1})
    assert [outcome(score) for score in found] == [1.0, "limit", 1.0, "limit", 0.0]


def test_the_verifier_is_the_challenges_and_not_the_tasks() -> None:
    task = Task("P:0", {**TWICE.task_data(), "sat": "def sat(n: int, a=21):\n    return True"})
    key = {"verifier": verifier_source(TWICE), "type": "int"}
    (score,) = Verified()([Case(task, Answer("P:0", {"value": 1}), key)])
    assert score.value == 0.0


@pytest.mark.parametrize("name", sorted(CHEATS))
def test_known_hacks_gain_nothing(name: str) -> None:
    for of in (TWICE, NESTED, TEXT):
        (score,) = judge(of, {"code": CHEATS[name]}, seconds=0.5)
        assert not score.value, (of.ans_type, score)


class TestVerifiedContract(RewardContract):
    @pytest.fixture
    def judge(self) -> Verified:
        return Verified()

    @pytest.fixture
    def cases(self) -> Sequence[Case]:
        key = {"verifier": verifier_source(TWICE), "type": "int"}
        contents: list[Any] = [{"value": 42}, {"code": "a + a"}, {"code": "a"}, {"value": "x"}, {"code": "a +"}]
        task = Task("P:0", TWICE.task_data())
        return [Case(task, Answer("P:0", content), key) for content in contents]


class TestPackagedChallengeContract(ChallengeContract):
    @pytest.fixture
    def challenge(self) -> ProgrammingPuzzles:
        return ProgrammingPuzzles(one_per_problem=True)
