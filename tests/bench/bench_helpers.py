"""A challenge and solvers small enough to reason about, importable by worker processes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from guerdon import Answer, Case, Challenge, Judged, Learner, Problem, Reward, Score, Solver, Task, Visibility
from guerdon.core.solver import Desk


@dataclass(frozen=True, kw_only=True)
class Near(Reward):
    """1 at the key, falling with the distance; misbehaves on request."""

    range = (0.0, 1.0)

    def judge(self, cases: Sequence[Case]) -> list[Score]:
        return [self._one(case) for case in cases]

    def _one(self, case: Case) -> Score:
        content = case.answer.content
        if content == "die":
            os._exit(3)
        if content == "hang":
            time.sleep(3600)
        if content == "host":
            return Score.failed("provider", "busy")
        if not isinstance(content, (int, float)):
            return Score.failed("invalid", f"{content!r} is no number")
        return Score(1 / (1 + abs(content - case.key)), {"distance": float(abs(content - case.key))})


@dataclass(frozen=True, kw_only=True)
class Guess(Challenge):
    """Find a hidden number per task."""

    numbers: tuple[int, ...] = (3, -7, 12)
    sealing: str = "open"
    name: ClassVar[str] = "guess"

    @property
    def splits(self) -> dict[str, Visibility]:  # type: ignore[override]
        return {"main": Visibility(self.sealing)}

    @property
    def judge(self) -> Near:
        return Near()

    def tasks(self, split: str) -> Iterable[Task]:
        return [Task(f"n{i}", {"prompt": f"number {i}"}) for i in range(len(self.numbers))]

    def keys(self, tasks: Sequence[Task]) -> Sequence[int]:
        return [self.numbers[int(task.id[1:])] for task in tasks]


@dataclass(frozen=True, kw_only=True)
class Climber(Learner[dict[str, Any]]):
    """(1+λ) hill climbing on each number, with a state that is plain data."""

    offspring: int = 4
    faulty: float = 0.0
    name: ClassVar[str] = "climber"

    def start(self, problem: Problem, rng: Any) -> dict[str, Any]:
        return {"best": {t.id: [int(rng.integers(-20, 20)), -1.0, ""] for t in problem.tasks}, "told": 0}

    def ask(self, problem: Problem, state: dict[str, Any], rng: Any) -> list[Answer]:
        answers = []
        for task, (value, _, attempt) in state["best"].items():
            for _ in range(self.offspring):
                step = int(rng.integers(-3, 4))
                content: Any = "bad" if rng.random() < self.faulty else value + step
                answers.append(Answer(task, content, parents=(attempt,) if attempt else (), note={"tokens": 2}))
        return answers

    def tell(self, problem: Problem, state: dict[str, Any], judged: Sequence[Judged], rng: Any) -> dict[str, Any]:
        best = dict(state["best"])
        for item in judged:
            if item.score.value is not None and item.score.value > best[item.task.id][1]:
                best[item.task.id] = [item.answer.content, item.score.value, item.attempt]
        return {"best": best, "told": state["told"] + len(judged), "draw": int(rng.integers(1 << 40))}

    def progress(self, state: dict[str, Any]) -> dict[str, int]:
        return {"told": state["told"]}


@dataclass(frozen=True, kw_only=True)
class Bisect(Solver):
    """An imperative solver that reads the distance and steps there."""

    rounds: int = 5
    name: ClassVar[str] = "bisect"

    def solve(self, problem: Problem, desk: Desk) -> None:
        guess = {task.id: int(desk.rng("guess", task.id).integers(-30, 30)) for task in problem.tasks}
        for _ in range(self.rounds):
            judged = desk.score([Answer(task, value) for task, value in guess.items()])
            for item in judged:
                far = int(item.score.parts.get("distance", 0))
                if far:
                    (probe,) = desk.score([Answer(item.task.id, guess[item.task.id] + far)])
                    closer = (probe.score.value or 0) > (item.score.value or 0)
                    guess[item.task.id] += far if closer else -far


def history(ledger: Any, run: str) -> list[Any]:
    """Everything about a run that must not depend on when it was interrupted."""
    rows = [(a.id, a.step, a.index, a.answer, v and (v.id, v.score, v.judge, v.reason)) for a, v in ledger.judged(run)]
    steps = [(s.step, s.tokens, s.frames, dict(s.note)) for s in ledger.steps(run)]
    return [rows, steps, len(ledger.verdicts(run, all=True)), ledger.run(run).status]


@dataclass(frozen=True)
class Threads(Reward):
    """Tells how many threads a numerical library would start."""

    def judge(self, cases: Sequence[Case]) -> list[float]:
        """One over the number."""
        return [1.0 / int(os.environ["OMP_NUM_THREADS"])] * len(cases)
