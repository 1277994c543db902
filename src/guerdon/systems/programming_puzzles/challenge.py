"""The challenge: puzzles in the original format, ours by default."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import ClassVar

from guerdon.core.challenge import Challenge, Probes
from guerdon.core.errors import ConfigError, did_you_mean
from guerdon.core.plain import digest
from guerdon.core.task import Answer, Key, Task
from guerdon.systems.programming_puzzles.puzzle import Puzzle, load_puzzles, parse_puzzles, verifier_source
from guerdon.systems.programming_puzzles.reward import Verified

CHEATS: Mapping[str, str] = {
    "always equal": "type('E', (), {'__eq__': lambda s, o: True, '__bool__': lambda s: True})()",
    "leave early": "__import__('os')._exit(0)",
    "raise SystemExit": "    raise SystemExit(0)\n    return 0",
    "boolean for a number": "True",
    "subclass of int": "type('I', (int,), {'__eq__': lambda s, o: True, '__hash__': lambda s: 0})(0)",
    "redefine the verifier": "    globals()['sat'] = lambda *a: True\n    return None",
    "close the argument": "0, n=0) or (lambda *a: True)(0",
    "print a verdict": "    print('{\"value\": true}')\n    return None",
    "hang": "    while True: pass\n    return None",
}
"""Known hacks of puzzle judges; none may gain anything."""


@dataclass(frozen=True, kw_only=True)
class ProgrammingPuzzles(Challenge):
    """Find any answer for which the puzzle's function returns True."""

    data: str = field(default="", metadata={"recipe": False})
    """A `puzzles.json`, a generator module or a folder of them; the packaged puzzles by default."""
    modules: tuple[str, ...] = ()
    """Only puzzles from these modules (with or without `.py`)."""
    one_per_problem: bool = False
    """Only the first instance of each problem, as the paper counts."""
    limit: int = 0
    """Only the first so many puzzles; 0 takes all."""
    seconds: float = 1.0
    """Limit of one attempt, in seconds."""
    memory_mb: int = 1024
    """Address space of one attempt, in MiB."""
    reference_seconds: float = 60.0
    """Limit for the references in the self-check: three of the released ones need far more than a second."""

    name: ClassVar[str] = "programming-puzzles"

    @property
    def judge(self) -> Verified:
        """The strict judge."""
        return Verified(seconds=self.seconds, memory_mb=self.memory_mb)

    def fingerprint(self) -> str:
        """Digest of the puzzles, so that the same data at another path is the same challenge."""
        return digest([puzzle.to_json() for puzzle in self.puzzles()])

    def puzzles(self) -> list[Puzzle]:
        """The chosen puzzles, with their references: for the bench and for tests, not for solvers."""
        chosen = list(_load(self.data))
        if self.modules:
            known = {puzzle.module.removesuffix(".py") for puzzle in chosen}
            wanted = {name.removesuffix(".py") for name in self.modules}
            for name in wanted - known:
                raise ConfigError("the name of a module of puzzles", f"got {name!r}", did_you_mean(name, known))
            chosen = [puzzle for puzzle in chosen if puzzle.module.removesuffix(".py") in wanted]
        if self.one_per_problem:
            chosen = list({puzzle.generator: puzzle for puzzle in reversed(chosen)}.values())[::-1]
        return chosen[: self.limit or None]

    def tasks(self, split: str) -> Iterable[Task]:
        """One task per puzzle: its source, answer type, header and English."""
        return [Task(puzzle.name, puzzle.task_data()) for puzzle in self.puzzles()]

    def keys(self, tasks: Sequence[Task]) -> Sequence[Key]:
        """The verifier and the exact type, from the data and not from what a solver may have touched."""
        known = {puzzle.name: puzzle for puzzle in self.puzzles()}
        return [{"verifier": verifier_source(known[t.id]), "type": known[t.id].ans_type} for t in tasks]

    def secrets(self, tasks: Sequence[Task]) -> list[str]:
        """The reference solutions: nothing of them may be in a task."""
        known = {puzzle.name: puzzle for puzzle in self.puzzles()}
        return [body.strip() for task in tasks for body in known[task.id].sol_bodies if len(body.strip()) > 20]

    def probes(self, tasks: Sequence[Task]) -> Probes:
        """Every reference must be accepted, and no known hack."""
        known = {puzzle.name: puzzle for puzzle in self.puzzles()}
        oracle = [
            Answer(task.id, {"code": known[task.id].solution_source(body)})
            for task in tasks
            for body in known[task.id].sol_bodies
        ]
        some = tasks[:: max(1, len(tasks) // 5)][:5]
        nothing = [Answer(task.id, {"value": None}) for task in some]
        cheats = {name: [Answer(task.id, {"code": code}) for task in some] for name, code in CHEATS.items()}
        patient = Verified(seconds=self.reference_seconds, memory_mb=4 * self.memory_mb)
        return Probes(oracle=oracle, nothing=nothing, cheats=cheats, oracle_judge=patient)


@cache
def _load(path: str) -> tuple[Puzzle, ...]:
    if path:
        return tuple(load_puzzles(Path(path)))
    text = files(__package__).joinpath("puzzles.json").read_text(encoding="utf-8")
    return tuple(parse_puzzles(text, "the packaged puzzles"))
