"""What a report shows, as plain frozen values: gathered from the ledger once, then drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from guerdon.core.challenge import Landmark, Picture
from guerdon.core.plain import Json
from guerdon.core.task import Answer
from guerdon.ledger import RunRow

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its 95 % interval, where there is one."""

    value: float | None
    low: float | None = None
    high: float | None = None


class View(Protocol):
    """What a challenge can show of a run beside its figures."""

    def landmarks(self, task: str) -> Sequence[Landmark]:
        """Published values for a task."""

    def pictures(self, answer: Answer) -> Sequence[Picture]:
        """What an answer looks like."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How the best got better, one entry per attempt.

    Args:
        attempts: 1, 2, ..., n; shape (n,).
        seconds: wall-clock seconds of the run at each attempt, or `None` when they were not recorded; shape (n,).
        mean: mean of the best score so far over the tasks that count by then, NaN before the first; shape (n,).
        at_top: tasks whose best score is the highest possible; shape (n,); `None` when that is not known.
    """

    attempts: Numbers
    seconds: Numbers | None
    mean: Numbers
    at_top: Numbers | None


@dataclass(frozen=True, slots=True)
class FaultGroup:
    """Verdicts without a number, of one kind.

    Args:
        example: the detail of the first one that has any.
    """

    kind: str
    whose: str
    count: int
    example: str = ""


@dataclass(frozen=True, slots=True)
class Ancestor:
    """An attempt in the lineage of an answer; `depth` 0 is the answer itself, 1 its parents."""

    depth: int
    attempt: str
    number: int | None
    score: float | None
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class TaskLine:
    """What is known of one task.

    Args:
        task: its id.
        best: highest score; `None` when no attempt has one.
        at_top: the best is the highest possible.
        first: number of the attempt (from 1) that first reached the best score.
        attempts: how many answers were handed in.
        faults: how many of them have no score.
        tokens: language-model tokens, `None` when no answer reports any.
        answer: the best answer, the earliest of equals.
        attempt: the id of that attempt.
        parts: named components of the best score.
        counts: what the task counts as in means: its best score; the lowest score when all that is known are the
            solver's own faults, since failing must not pay; `None` when nothing is known.
        lineage: where the answer comes from, itself first; empty when it has no parents.
        more_ancestors: how many ancestors are not listed.
    """

    task: str
    best: float | None
    at_top: bool
    first: int | None
    attempts: int
    faults: int
    tokens: int | None
    answer: Answer | None = None
    attempt: str = ""
    parts: Mapping[str, float] = field(default_factory=dict)
    counts: float | None = None
    lineage: tuple[Ancestor, ...] = ()
    more_ancestors: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a person should look at.

    Args:
        what: in a few words.
        why: what it may mean.
        where: tasks or attempts concerned, a few of them.
        count: how many there are.
        excerpt: of one of the answers.
    """

    what: str
    why: str
    where: tuple[str, ...]
    count: int
    excerpt: str = ""


@dataclass(frozen=True, slots=True)
class Costs:
    """What each finished step cost; every array has shape (steps,)."""

    step: Numbers
    seconds: Numbers
    sandbox_seconds: Numbers
    tokens: Numbers


@dataclass(frozen=True, slots=True)
class Totals:
    """What a run has done; `None` is not known."""

    attempts: int
    judged: int | None
    faults: int | None
    waiting: int
    steps: int
    tasks: int | None
    tried: int
    seconds: float | None
    tokens: int | None
    sandbox_seconds: float | None
    frames: int = 0


@dataclass(frozen=True, slots=True)
class RunReport:
    """One run, ready to be shown.

    Args:
        row: as recorded.
        hidden: scores of single answers are not to be shown (the split is not open and nobody asked to reveal it).
        sandboxes: how many verdicts came from each isolation.
        totals: counts.
        top: the highest possible score, `None` when there is none.
        top_from: "recipe" when the judge's recipe says so, "range" when scores suggest it.
        best: highest score of all.
        mean: mean over tasks of what each counts as.
        progress: curves.
        scores: all known scores; shape (judged,).
        faults: by kind, most frequent first.
        costs: by step.
        pass_at: (k, estimate), where answers are right or wrong and independent draws.
        tasks: by task id, in the ledger's order.
        findings: what looks strange among the highest scores.
        looked_at: how many answers were looked at for that.
    """

    row: RunRow
    hidden: bool
    sandboxes: Mapping[str, int]
    totals: Totals
    top: float | None
    top_from: str
    best: float | None
    mean: Estimate
    at_top: int | None
    progress: Progress
    scores: Numbers
    faults: tuple[FaultGroup, ...]
    costs: Costs
    pass_at: tuple[tuple[int, Estimate], ...]
    tasks: tuple[TaskLine, ...]
    findings: tuple[Finding, ...]
    looked_at: int
    recipe: Mapping[str, Json] = field(default_factory=dict)

    @property
    def trusted(self) -> int:
        """Verdicts that came from no isolation at all."""
        return sum(n for name, n in self.sandboxes.items() if name.split("/")[0].split("+")[0] == "trusted")


@dataclass(frozen=True, slots=True)
class Standing:
    """A line of the leaderboard.

    Args:
        rank: 1 + the number of runs, judged by the same judge, whose whole interval lies above; `None` without a mean.
        report: of the run.
        mean: mean over its tasks, as in the report.
        tasks: how many tasks that is over.
        behind: the paired difference to the first run, over the tasks that both have; `None` for the first itself.
        common: how many tasks those are.
    """

    rank: int | None
    report: RunReport
    mean: Estimate
    tasks: int
    behind: Estimate | None
    common: int
