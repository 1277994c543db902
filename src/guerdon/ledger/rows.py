"""What the ledger keeps, one frozen row per fact, and the ids that make recording twice the same as recording once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from guerdon.core.plain import Json, digest
from guerdon.core.preference import Choice
from guerdon.core.score import Score
from guerdon.core.task import Answer, AttemptId

Status = Literal["running", "done", "interrupted", "failed"]
STATUSES: tuple[Status, ...] = ("running", "done", "interrupted", "failed")


@dataclass(frozen=True, slots=True)
class RunRow:
    """One solver at work on one split of one challenge, with one seed.

    Args:
        id: chosen by who begins the run; the same id resumes it.
        challenge: the challenge's name.
        split: the split's name.
        visibility: what was told about the split: open, aggregate or sealed.
        solver: the solver's name.
        judge: the judge's name or identity.
        seed: any whole number.
        budget: limits, by name.
        recipe: plain recipes of "challenge", "solver" and "judge".
        versions: of the package, the interpreter and the like; not part of the run's identity.
        created: unix seconds; filled in when 0.
        status: running, done, interrupted or failed; the only thing in the ledger that changes.
    """

    id: str
    challenge: str
    split: str
    visibility: str
    solver: str
    judge: str
    seed: int
    budget: Mapping[str, Json]
    recipe: Mapping[str, Json]
    versions: Mapping[str, Json] = field(default_factory=dict)
    created: float = 0.0
    status: Status = "running"


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """An answer that was handed in.

    Args:
        id: `attempt_id(...)`, known before any work is done.
        run: id of its run.
        step: which ask of the solver.
        index: its place among the answers of the step.
        answer: what was handed in.
        seq: its place in the ledger; given by the store.
    """

    id: AttemptId
    run: str
    step: int
    index: int
    answer: Answer
    seq: int = 0


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """What a judge said of an attempt. The newest that is not superseded counts.

    Args:
        id: `verdict_id(...)`.
        attempt: id of the attempt.
        judge: identity digest of the judge.
        score: a number or a fault.
        sandbox: identity of the isolation it ran under.
        seconds: how long judging took.
        reason: why it was judged: "first", or why again.
        superseded: it came too late to count (a worker that had been given up).
        created: unix seconds; filled in when 0.
        seq: its place in the ledger; given by the store.
    """

    id: str
    attempt: AttemptId
    judge: str
    score: Score
    sandbox: str = ""
    seconds: float = 0.0
    reason: str = "first"
    superseded: bool = False
    created: float = 0.0
    seq: int = 0


@dataclass(frozen=True, slots=True)
class StepRow:
    """A finished step: what it cost and where its checkpoint is. This row is the commit point of a step.

    Args:
        run: id of the run.
        step: number of the step.
        seconds: wall-clock seconds.
        tokens: language-model tokens.
        sandbox_seconds: wall-clock seconds of untrusted code.
        frames: steps of a world.
        checkpoint: name of the checkpoint, if one was written.
        note: JSON-plain remarks.
    """

    run: str
    step: int
    seconds: float
    tokens: int = 0
    sandbox_seconds: float = 0.0
    frames: int = 0
    checkpoint: str | None = None
    note: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChoiceRow:
    """Which of two attempts was preferred.

    Args:
        id: unique; recording the same id again changes nothing.
        run: id of the run that asked.
        step: which step asked.
        index: its place among the pairs of the step.
        task: id of the task both answer.
        left: id of the attempt on the left.
        right: id of the attempt on the right.
        choice: the outcome or a fault.
        annotator: who chose, where that matters.
        seq: its place in the ledger; given by the store.
    """

    id: str
    run: str
    step: int
    index: int
    task: str
    left: AttemptId
    right: AttemptId
    choice: Choice
    annotator: str = ""
    seq: int = 0


def attempt_id(run: str, step: int, index: int, answer: Answer) -> AttemptId:
    """The id of an attempt, from what is known before it is judged: a replay after a crash makes the same id.

    >>> a = Answer("t", 1)
    >>> attempt_id("r", 0, 0, a) == attempt_id("r", 0, 0, a) != attempt_id("r", 0, 1, a)
    True
    """
    return digest(run, step, index, answer.task, answer.digest)


def verdict_id(attempt: AttemptId, judge: str, reason: str = "first") -> str:
    """The id of a verdict: one per attempt, judge and reason."""
    return digest(attempt, judge, reason)
