"""Solve puzzles yourself, at the terminal or in a notebook: same judge, same ledger, with a timer."""

from __future__ import annotations

import sys
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from guerdon.core.errors import ConfigError
from guerdon.core.plain import Json
from guerdon.core.solver import Learner, Problem
from guerdon.core.task import Answer, Judged
from guerdon.prefer import people
from guerdon.systems.programming_puzzles.lm_prompts import parse
from guerdon.systems.programming_puzzles.reward import program

if TYPE_CHECKING:
    from guerdon.core.rng import Rng

State = dict[str, Any]
Data = Mapping[str, Json]

HELP = """Write any Python expression whose value the puzzle accepts, or the body of a function that returns it.
The inputs can be used by their names. An empty line hands it in.
  skip   go to the next puzzle; this one comes again another time
  quit   stop; the same command goes on where you stopped
  ?      this help"""


@dataclass
class Screen(people.Screen):
    """Where a person reads and types, with the time that each puzzle has been waiting.

    Args:
        clock: seconds.
    """

    clock: Callable[[], float] = time.monotonic
    awaiting: dict[str, float] = field(default_factory=dict)

    def code(self, source: str) -> None:
        """Source, highlighted on a terminal."""
        sink = self.sink or sys.stdout
        if not sink.isatty():
            return self.say(source)
        from rich.console import Console
        from rich.syntax import Syntax

        return Console(file=sink).print(Syntax(source, "python", background_color="default"))


@dataclass(frozen=True, kw_only=True)
class Human(Learner[State]):
    r"""A person at a screen, as in the paper's user study (Schuster et al., arXiv 2106.05784).

    A learner, although nothing here learns: what a person has handed in is in the ledger and is never asked again.
    Where we differ: a timer, but no limit of time; a limited number of tries; a skipped puzzle comes again.

    >>> import io
    >>> from guerdon.core.rng import stream
    >>> from guerdon.core.task import Task
    >>> Human.screen = Screen(io.StringIO("50 - a\n\nquit\n"), io.StringIO())
    >>> data = {"sat": "def sat(n: int, a=7):\n    return n + a == 50", "sol_header": "def sol(a=7):"}
    >>> problem = Problem("puzzles", (Task("AddTo:0", data),), None)
    >>> human = Human()
    >>> human.ask(problem, human.start(problem, stream(0)), stream(0))[0].content
    {'code': '50 - a'}
    >>> Human.screen = Screen()
    """

    tries: int = 3
    """Answers to one puzzle at most; a choice of ours."""
    english: bool = True
    """Show the statement in English too; a choice of ours."""

    name: ClassVar[str] = "human"
    interactive: ClassVar[bool] = True
    screen: ClassVar[Screen] = Screen()

    def __post_init__(self) -> None:
        if self.tries < 1:
            raise ConfigError("tries is at least 1", f"got {self.tries}", "Raise it")

    def start(self, problem: Problem, rng: Rng) -> State:
        """Nothing tried."""
        return {"tried": {}, "solved": {}, "skipped": [], "seconds": 0.0}

    def ask(self, problem: Problem, state: State, rng: Rng) -> Sequence[Answer]:
        """One answer from the person; none when there is nothing left or the person leaves."""
        skipped: list[str] = []
        left = [task for task in problem.tasks if self._open(state, task.id)]
        # What was skipped comes again after the rest.
        for task in sorted(left, key=lambda task: task.id in state["skipped"]):
            self._show(task.id, task.data, state, len(left))
            began = self.screen.clock()
            code = self._read(task.data, began)
            if code is None:
                break
            if not code:
                skipped.append(task.id)
                continue
            seconds = round(self.screen.clock() - began, 3)
            self.screen.awaiting[task.id] = seconds
            return [Answer(task.id, {"code": code}, note={"seconds": seconds, "skipped": skipped})]
        else:
            self.screen.say("No puzzle is left." if not left else "No other puzzle is left.")
        return []

    def tell(self, problem: Problem, state: State, judged: Sequence[Judged], rng: Rng) -> State:
        """Show the verdict, unless it is read back from the ledger."""
        tried: Counter[str] = Counter(state["tried"])
        solved, skipped = dict(state["solved"]), list(state["skipped"])
        seconds = state["seconds"]
        for item in judged:
            task, took = item.task.id, item.answer.note.get("seconds", 0.0)
            tried[task] += 1
            seconds += took if isinstance(took, int | float) else 0.0
            if item.score.value == 1.0:
                solved[task] = took
            passed = item.answer.note.get("skipped", [])
            skipped += [name for name in passed if name not in skipped] if isinstance(passed, list) else []
            if self.screen.awaiting.pop(task, None) is not None:
                self.screen.say(self._verdict(item, tried[task]))
        return {"tried": dict(tried), "solved": solved, "skipped": skipped, "seconds": round(seconds, 3)}

    def progress(self, state: State) -> Mapping[str, str | int | float]:
        """Puzzles solved, answers given, seconds spent."""
        return {"solved": len(state["solved"]), "tried": sum(state["tried"].values()), "seconds": state["seconds"]}

    def _open(self, state: State, task: str) -> bool:
        return task not in state["solved"] and state["tried"].get(task, 0) < self.tries

    def _show(self, name: str, data: Data, state: State, left: int) -> None:
        tried = state["tried"].get(name, 0)
        again = f", try {tried + 1} of {self.tries}" if tried else ""
        self.screen.say(f"\n{name}  ({left} left{again})")
        english = textwrap.dedent(str(data.get("sol_docstring", ""))).strip().strip('"').strip()
        if self.english and english:
            self.screen.say(textwrap.fill(english, 100))
        self.screen.code(str(data["sat"]))
        self.screen.say(f'Find an answer such that sat(answer) is True. "?" helps. {data["sol_header"]}')

    def _read(self, data: Data, began: float) -> str | None:
        """Source that parses; "" for skip; `None` for quit."""
        lines: list[str] = []
        while True:
            seconds = int(self.screen.clock() - began)
            line = self.screen.line(f"{seconds // 60}:{seconds % 60:02d} {'... ' if lines else '>>> '}")
            word = line.strip() if line is not None else "quit"
            if line is None or (word == "quit" and not lines):
                return None
            if not lines and word in ("skip", "?", ""):
                if word == "skip":
                    return ""
                if word == "?":
                    self.screen.say(HELP)
                continue
            if word:
                lines.append(line)
                continue
            code = _source(data, "\n".join(lines))
            if code is not None:
                return code
            self.screen.say("That is no Python, so it was not handed in. Try again.")
            lines = []

    def _verdict(self, item: Judged, tried: int) -> str:
        score, took = item.score, item.answer.note.get("seconds")
        if score.value == 1.0:
            return f"Solved, after {took} s."
        if score.fault is not None:
            return "Recorded." if score.fault.whose == "judge" else f"Not solved: {score.fault}."
        if "wrong_type" in score.parts:
            return f"Not solved: the answer must be exactly {item.task.data.get('ans_type')}."
        rest = self.tries - tried
        return f"Not solved: the puzzle does not return True. {rest} {'try' if rest == 1 else 'tries'} left."


def _source(data: Data, text: str) -> str | None:
    """What the judge can read: the text as it is, or as a whole function; `None` if it is no Python."""
    first = str(data["sol_header"])
    if parse(program(text, first)):
        return text
    whole = f"{first}\n{textwrap.indent(textwrap.dedent(text), '    ')}"
    return whole if parse(whole) else None
