"""A stand-in for a language model whose hit rate follows a known law, and puzzles in families for it.

With it the bootstrapping loop can be held to what the law says, which no real model lets one do.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from guerdon.core.challenge import Challenge
from guerdon.core.reward import Reward
from guerdon.core.rng import stream
from guerdon.core.score import FaultKind, Score
from guerdon.core.solver import Problem
from guerdon.core.task import Answer, Case, Judged, Key, Task
from guerdon.lm.prompts import text_of
from guerdon.lm.protocol import Prompt
from guerdon.lm.scripted import Script, Scripted
from guerdon.lm.shared import lend
from guerdon.systems.programming_puzzles.lm_solver import LanguageModel

NUMBER = re.compile(r"def f(\d*)\(n: int, family=(\d+), secret=(\d+)\)")


@dataclass(frozen=True, kw_only=True)
class Right(Reward):
    """1.0 for code that names the secret after `return`, or is it; judged as text, so no sandbox is needed."""

    label: ClassVar[str] = "right"

    def judge(self, cases: Sequence[Case]) -> list[Score]:
        """By the text after the last `return`."""
        return [self._one(case) for case in cases]

    def _one(self, case: Case) -> Score:
        content: Any = case.answer.content
        if "code" not in content:
            return Score.failed(FaultKind.INVALID, "no code")
        last = content["code"].rpartition("return")[2].strip(" \n()")
        return Score(1.0 if last == str(case.key) else 0.0)


@dataclass(frozen=True, kw_only=True)
class Families(Challenge):
    """Puzzles in families of equal size; the answer is the puzzle's secret."""

    families: int = 3
    """How many families."""
    size: int = 4
    """Puzzles of each."""

    name: ClassVar[str] = "families"

    @property
    def judge(self) -> Right:
        """By the secret."""
        return Right()

    def tasks(self, split: str) -> Iterable[Task]:
        """Family by family."""
        for family, member in itertools.product(range(self.families), range(self.size)):
            secret = 1000 * family + member
            data = {
                "sat": f"def sat(n: int, family={family}, secret={secret}):\n    return n == secret",
                "sol_header": f"def sol(family={family}, secret={secret}):",
                "sol_docstring": '    """Say the secret."""',
                "ans_type": "int",
            }
            yield Task(f"F{family}:{member}", data)

    def keys(self, tasks: Sequence[Task]) -> Sequence[Key]:
        """The secrets."""
        return [int(task.id[1:].partition(":")[0]) * 1000 + int(task.id.partition(":")[2]) for task in tasks]

    def secrets(self, tasks: Sequence[Task]) -> list[str]:
        """None: the secret is in the verifier, as in every puzzle."""
        return []


@dataclass
class StandIn:
    """Hits with probability `base + slope * (same-family examples in the prompt)`, and remembers the prompts."""

    base: float = 0.3
    slope: float = 0.0
    prompts: list[str] = field(default_factory=list)

    def rate(self, examples: int) -> float:
        """The chance of a hit."""
        return min(1.0, self.base + self.slope * examples)

    def __call__(self, prompt: Prompt, rng: np.random.Generator, index: int) -> str:
        """A completion that hits or misses."""
        text = text_of(prompt)
        if index == 0:
            self.prompts.append(text)
        *shown, (_, family, secret) = NUMBER.findall(text)
        hit = rng.random() < self.rate(sum(each[1] == family for each in shown))
        if text.endswith("f("):
            return f"{secret if hit else -1})"
        return f"\n    return {secret if hit else -1}\n\nprose"


def model_of(script: Script) -> Scripted:
    """The stand-in as a model."""
    return Scripted(script, name="stand-in")


def problem_of(challenge: Challenge) -> Problem:
    """What a solver sees of a challenge."""
    return Problem(challenge.name, tuple(challenge.tasks("main")), challenge.visibility("main"))


def judged(challenge: Challenge, problem: Problem, answers: Sequence[Answer]) -> list[Judged]:
    """Answers with their scores."""
    tasks = {task.id: task for task in problem.tasks}
    cases = [Case(tasks[a.task], a, challenge.keys([tasks[a.task]])[0]) for a in answers]
    assert isinstance(challenge.judge, Reward)
    scores = challenge.judge(cases)
    return [Judged(c.task, c.answer, score, str(i)) for i, (c, score) in enumerate(zip(cases, scores, strict=True))]


def steps(
    solver: LanguageModel, challenge: Challenge, seed: int = 0, *, saved: Path | None = None
) -> Iterator[tuple[dict[str, Any], list[Judged], dict[str, Any]]]:
    """The bench's loop without a bench: (state, judged, next state) of each step."""
    problem = problem_of(challenge)
    state = solver.start(problem, stream(seed, "start"))
    for step in itertools.count():
        before = json.dumps(state)
        answers = solver.ask(problem, state, stream(seed, "ask", step))
        assert json.dumps(state) == before
        if not answers:
            return
        told = judged(challenge, problem, answers)
        after = solver.tell(problem, state, told, stream(seed, "tell", step))
        assert json.dumps(state) == before
        yield state, told, after
        if saved is not None:
            solver.save(after, saved)
            after = solver.load(saved)
        state = after


Turn = tuple[float, bool]
"""The law's chance that a puzzle's turn solves it, and whether it did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """The law and the size of the loop that is held to it.

    Args:
        base: chance of a hit without examples.
        slope: what each example of the same family adds to it.
        families: families of puzzles.
        size: puzzles of each.
        attempts: samples per puzzle.
        iteration: samples per puzzle and iteration.
    """

    base: float = 0.03
    slope: float = 0.12
    families: int = 12
    size: int = 5
    attempts: int = 16
    iteration: int = 4

    @property
    def iterations(self) -> int:
        """How many there are."""
        return self.attempts // self.iteration

    @property
    def puzzles(self) -> int:
        """How many there are."""
        return self.families * self.size

    def bootstrap(self, seed: int, *, examples: bool = True) -> tuple[list[int], list[Turn]]:
        """What the solver does: puzzles solved by the end of each iteration, and every turn.

        Args:
            seed: of the run.
            examples: whether a prompt has room for any.
        """
        script = StandIn(base=self.base, slope=self.slope)
        context = 100_000 if examples else 151  # no example fits into one token
        solved_by, turns = [0] * self.iterations, []
        with lend("stand-in", model_of(script)):
            solver = LanguageModel(
                model="stand-in", prompt="bootstrap", attempts=self.attempts, iteration=self.iteration,
                batch=self.iteration, context=context,
            )  # fmt: skip
            for state, told, after in steps(solver, Families(families=self.families, size=self.size), seed):
                task = told[0].task.id
                known = sum(name.partition(":")[0] == task.partition(":")[0] for name in state["solved"])
                chance = 1 - (1 - script.rate(known if examples else 0)) ** self.iteration
                turns.append((chance, task in after["solved"]))
                if task in after["solved"]:
                    solved_by[state["tried"].get(task, 0) // self.iteration] += 1
        return list(itertools.accumulate(solved_by)), turns

    def curves(self, runs: int, rng: np.random.Generator) -> np.ndarray:
        """The law played without the solver: puzzles solved by each iteration, (runs, iterations)."""
        script = StandIn(base=self.base, slope=self.slope)
        curves = np.zeros((runs, self.iterations))
        for each in range(runs):
            known, solved = [0] * self.families, [False] * self.puzzles
            for iteration in range(self.iterations):
                draws = rng.random(self.puzzles)
                for puzzle, draw in zip(rng.permutation(self.puzzles).tolist(), draws.tolist()):
                    family = puzzle // self.size
                    if not solved[puzzle] and draw < 1 - (1 - script.rate(known[family])) ** self.iteration:
                        solved[puzzle] = True
                        known[family] += 1
                curves[each, iteration] = sum(known)
        return curves
