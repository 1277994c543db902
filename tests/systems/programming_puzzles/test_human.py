"""A person's session, typed from a script."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from guerdon.bench.run import run
from guerdon.core.challenge import Challenge
from guerdon.core.errors import ConfigError
from guerdon.core.reward import Reward
from guerdon.core.score import FaultKind, Score
from guerdon.core.task import Case, Task
from guerdon.ledger import Ledger
from guerdon.systems.programming_puzzles.human import Human, Screen
from guerdon.systems.programming_puzzles.reward import program


@dataclass(frozen=True, kw_only=True)
class Trusting(Reward):
    """Runs the code in this process: the tests' own code only."""

    label: ClassVar[str] = "trusting"

    def judge(self, cases: list[Case]) -> list[Score]:  # type: ignore[override]
        return [self._one(case) for case in cases]

    def _one(self, case: Case) -> Score:
        content: Any = case.answer.content
        scope: dict[str, Any] = {}
        exec(program(content["code"], str(case.task.data["sol_header"])) + f"\n{case.task.data['sat']}", scope)
        try:
            value = scope["sol"]()
        except ZeroDivisionError as error:
            return Score.failed(FaultKind.EXCEPTION, str(error))
        if type(value) is not int:
            return Score(0.0, {"wrong_type": 1.0})
        return Score(float(scope["sat"](value)))


@dataclass(frozen=True, kw_only=True)
class Sums(Challenge):
    count: int = 3
    name: ClassVar[str] = "sums"

    @property
    def judge(self) -> Trusting:
        return Trusting()

    def tasks(self, split: str) -> Iterator[Task]:
        for i in range(self.count):
            data = {
                "sat": f"def sat(n: int, a={i}):\n    return n + a == 50",
                "sol_header": f"def sol(a={i}):",
                "sol_docstring": f'    """Add to {i} to make fifty."""',
                "ans_type": "int",
            }
            yield Task(f"Sum:{i}", data)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    def session(text: str, human: Human | None = None, challenge: Challenge | None = None) -> tuple[str, list[Any]]:
        sink, ticks = io.StringIO(), itertools.count(step=1.5)
        monkeypatch.setattr(Human, "screen", Screen(io.StringIO(text), sink, lambda: next(ticks)))
        with Ledger.open(tmp_path / "g.db") as book:
            done = run(human or Human(), challenge or Sums(), ledger=book)
            rows = [(a.answer.task, a.answer.content, v.score, a.answer.note) for a, v in book.judged(done.id) if v]
        return sink.getvalue(), rows

    return session


def test_a_session_shows_reads_judges_and_times(typed: Any) -> None:
    shown, rows = typed("50\n\n49\n\nx = 50 - a\nreturn x\n\n")
    assert [(task, content["code"], score.value) for task, content, score, _ in rows] == [
        ("Sum:0", "50", 1.0), ("Sum:1", "49", 1.0), ("Sum:2", "x = 50 - a\nreturn x", 1.0),
    ]  # fmt: skip
    assert all(note["seconds"] > 0 for *_, note in rows)
    assert "Add to 0 to make fifty." in shown
    assert "def sat(n: int, a=2):" in shown
    assert shown.count("Solved, after") == 3
    assert "No puzzle is left." in shown
    assert "0:01 >>> " in shown


def test_wrong_answers_say_what_is_wrong_and_tries_end(typed: Any) -> None:
    shown, rows = typed("1\n\n'fifty'\n\n1 // 0\n\n49\n\nquit\n")
    assert [task for task, *_ in rows] == ["Sum:0"] * 3 + ["Sum:1"]
    assert "does not return True. 2 tries left." in shown
    assert "must be exactly int" in shown
    assert "Not solved: exception (integer division" in shown
    assert "try 3 of 3" in shown


def test_text_that_is_no_python_is_not_handed_in(typed: Any) -> None:
    shown, rows = typed("return (\n\nsurely fifty\n\n?\nif a == 0: return 50\n\nquit\n")
    assert shown.count("That is no Python") == 2
    assert "An empty line hands it in." in shown
    assert [(task, score.value) for task, _, score, _ in rows] == [("Sum:0", 1.0)]


def test_a_skipped_puzzle_comes_again_at_the_end(typed: Any) -> None:
    _, rows = typed("skip\n49\n\n48\n\n50\n\n")
    assert [task for task, *_ in rows] == ["Sum:1", "Sum:2", "Sum:0"]
    assert rows[0][3]["skipped"] == ["Sum:0"]
    assert all(score.value == 1.0 for _, _, score, _ in rows)


def test_nobody_is_asked_twice_for_what_is_in_the_ledger(typed: Any) -> None:
    first, rows = typed("50\n\n1\n\n")  # the terminal closed while the third answer was awaited
    assert len(rows) == 2
    assert first.count("Solved, after") == 1
    second, rows = typed("49\n\n48\n\n")
    assert "Sum:0" not in second
    assert "try 2 of 3" in second
    assert second.count("Solved, after") == 2
    assert [task for task, *_ in rows] == ["Sum:0", "Sum:1", "Sum:1", "Sum:2"]
    third, rows = typed("")
    assert "No puzzle is left." in third
    assert len(rows) == 4


def test_skipping_everything_ends_the_session_without_an_answer(typed: Any) -> None:
    shown, rows = typed("skip\nskip\nskip\n")
    assert rows == []
    assert "No other puzzle is left." in shown


def test_the_statement_can_be_left_out(typed: Any) -> None:
    shown, _ = typed("quit\n", Human(english=False))
    assert "make fifty" not in shown


def test_it_reads_the_terminal_by_default(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    lines = iter(["1 +", " 2"])
    monkeypatch.setattr("builtins.input", lambda prompt: next(lines))
    screen = Screen()
    assert [screen.line("> "), screen.line("> ")] == ["1 +", " 2"]

    def closed(prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", closed)
    assert screen.line("> ") is None
    screen.code("def f(): pass")
    assert capsys.readouterr().out == "def f(): pass\n"


def test_source_is_highlighted_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    sink = Terminal()
    Screen(io.StringIO(), sink).code("def f(): pass")
    assert "\x1b[" in sink.getvalue()


def test_tries_are_at_least_one() -> None:
    with pytest.raises(ConfigError):
        Human(tries=0)
