"""The strict judge: the candidate's code yields plain data in one sandbox job, the verifier reads it in another."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from guerdon.core.reward import Need, Reward
from guerdon.core.score import FaultKind, Score
from guerdon.core.task import Case
from guerdon.sandbox import Job, Limits, Outcome, shared
from guerdon.systems.programming_puzzles.puzzle import PRELUDE, AnswerType

_WHOLE = re.compile(r"^def\s+sol\s*\(", re.MULTILINE)
_RETURNS = re.compile(r"(?:^|[:;])\s*return\b", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Verified(Reward):
    """1.0 if `sat(answer)` is exactly `True` for an answer of exactly the asked type, else 0.0.

    An answer is `{"code": ...}` (an expression, the body of `sol`, or a whole `def sol`) or `{"value": ...}` (the
    answer itself, as JSON). Code that does not give plain data in time is a fault of the solver; a verifier that
    raises has refused the answer; one that runs out of time or memory on an answer is a fault the answer caused.
    """

    seconds: float = 1.0
    """Wall-clock limit of the candidate and of the verifier, each (source: 1.0 s, section 2 of the judge)."""
    memory_mb: int = 1024
    """Address space of one job, in MiB."""

    range = (0.0, 1.0)
    needs = frozenset({Need.SANDBOX})
    label = "verified"

    def judge(self, cases: Sequence[Case]) -> list[Score]:
        """Run the candidates, then verify what they gave, many values of one puzzle per process."""
        values = self._values(cases)
        scores: list[Score | None] = [value if isinstance(value, Score) else None for value in values]
        by_puzzle: dict[str, list[int]] = {}
        for index, (case, value) in enumerate(zip(cases, values, strict=True)):
            if isinstance(value, Outcome):
                wrong = AnswerType.parse(case.key["type"]).check(value.value)
                if wrong:
                    scores[index] = Score(0.0, {"wrong_type": 1.0})
                else:
                    by_puzzle.setdefault(case.task.id, []).append(index)
        jobs = [self._verifier(cases, values, indices) for indices in by_puzzle.values()]
        for indices, outcomes in zip(by_puzzle.values(), shared.run(jobs), strict=True):
            for index, outcome in zip(indices, outcomes, strict=True):
                scores[index] = _verdict(outcome)
        return scores  # type: ignore[return-value]  # every index is one of the two kinds

    def _limits(self) -> Limits:
        return Limits(wall_s=self.seconds, memory_mb=self.memory_mb)

    def _values(self, cases: Sequence[Case]) -> list[Outcome | Score]:
        """The value of each answer, or why there is none."""
        found: list[Outcome | Score | None] = [_given(case.answer.content) for case in cases]
        coded = [index for index, value in enumerate(found) if value is None]
        sources = [program(_code(cases[i]), str(cases[i].task.data["sol_header"])) for i in coded]
        jobs = [Job(source=source, entry="sol", limits=self._limits()) for source in sources]
        for index, (outcome,) in zip(coded, shared.run(jobs), strict=True):
            found[index] = Score(None, fault=outcome.fault) if outcome.fault else outcome
        return found  # type: ignore[return-value]

    def _verifier(self, cases: Sequence[Case], values: Sequence[Any], indices: Sequence[int]) -> Job:
        calls = [(values[i].value,) for i in indices]
        source = cases[indices[0]].key["verifier"]
        return Job(source=source, entry="sat", calls=calls, limits=self._limits(), mode="verifier")


def _given(content: object) -> Outcome | Score | None:
    """The value if the answer states it; a fault if it is no answer; `None` if its code must be run."""
    if isinstance(content, Mapping):
        if "value" in content:
            return Outcome(content["value"])
        code = content.get("code")
        if isinstance(code, str) and code.strip():
            return None
        if "text" in content:
            return Score.failed(FaultKind.INVALID, "the reply holds no code that parses")
    return Score.failed(FaultKind.INVALID, 'an answer is {"code": text} or {"value": data}')


def _code(case: Case) -> str:
    content: Any = case.answer.content
    return str(content["code"])


def program(code: str, first_line: str) -> str:
    """A module that defines `sol`, from an expression, a body, or a whole function.

    >>> print(program("a + 1", "def sol(a=3):"))
    from typing import *
    def sol(a=3):
        return (
    a + 1
    )
    <BLANKLINE>
    """
    if _WHOLE.search(code):
        return f"{PRELUDE}{code}\n"
    if not _RETURNS.search(code):
        return f"{PRELUDE}{first_line}\n    return (\n{code}\n)\n"
    indented = code[:1] in (" ", "\t") or code.lstrip("\n")[:1] in (" ", "\t")
    body = code if indented else "\n".join("    " + line for line in code.splitlines())
    return f"{PRELUDE}{first_line}\n{body}\n"


def _verdict(outcome: Outcome) -> Score:
    fault = outcome.fault
    if fault is None:
        return Score(1.0 if outcome.value is True else 0.0)
    if fault.kind in (FaultKind.EXCEPTION, FaultKind.INVALID):
        return Score(0.0, {"verifier_raised": 1.0})
    if fault.whose == "solver":  # time or memory, whichever came first on this machine: one verdict for both
        return Score.failed(FaultKind.LIMIT, "the verifier ran out of time or memory on this answer")
    return Score(None, fault=fault)
