"""Everything a report reads from the ledger: one pass over a run's attempts, in the order they were handed in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from guerdon.core.score import Score
from guerdon.core.task import Answer
from guerdon.ledger import AttemptRow, Ledger, RunRow, StepRow, VerdictRow
from guerdon.report.estimates import mean_of, pass_at
from guerdon.report.model import (
    Ancestor,
    Costs,
    Estimate,
    FaultGroup,
    Numbers,
    Progress,
    RunReport,
    TaskLine,
    Totals,
)
from guerdon.report.strange import Proxies, Watch

LINEAGE = 24
"""Most ancestors shown of one answer."""
WATCHED = 100_000
"""Most answers at the top that are looked at."""


@dataclass(slots=True)
class _OfTask:
    attempts: int = 0
    right: int = 0
    wrong: int = 0
    faults: int = 0
    tokens: int | None = None
    best: float | None = None
    first: int = 0
    row: AttemptRow | None = None
    parts: Mapping[str, float] = field(default_factory=dict)
    counts: float | None = None


class _Pass:
    """What one pass over the attempts of a run collects."""

    def __init__(self, floor: float, top: float, times: Mapping[int, float]) -> None:
        self._floor, self._top, self._times = floor, top, times
        self._sum, self._top_count, self._now = 0.0, 0, 0.0
        self._counted = 0
        self.tasks: dict[str, _OfTask] = {}
        self.values: list[float] = []
        self.mean: list[float] = []
        self.at_top: list[int] = []
        self.seconds: list[float] = []
        self.sandboxes: Counter[str] = Counter()
        self.faults: dict[tuple[str, str], list[str | int]] = {}
        self.waiting = self.count = 0
        self.tokens: int | None = None
        self.parents: dict[str, tuple[str, ...]] = {}
        self.places: dict[str, tuple[int, float | None]] = {}
        self.watch, self.proxies = Watch(), Proxies()

    def see(self, attempt: AttemptRow, verdict: VerdictRow | None) -> None:
        """Take one attempt in."""
        self.count += 1
        task = self.tasks.setdefault(attempt.answer.task, _OfTask())
        task.attempts += 1
        self._count_tokens(task, attempt.answer)
        value = None
        if verdict is None:
            self.waiting += 1
        else:
            self.sandboxes[verdict.sandbox] += 1
            value = self._judge(task, attempt, verdict.score)
        self.places[attempt.id] = (self.count, value)
        if attempt.answer.parents:
            self.parents[attempt.id] = tuple(dict.fromkeys(attempt.answer.parents))
        self._now = max(self._times.get(attempt.step, self._now), self._now)
        self.seconds.append(self._now)
        self.mean.append(self._sum / self._counted if self._counted else np.nan)
        self.at_top.append(self._top_count)

    def _count_tokens(self, task: _OfTask, answer: Answer) -> None:
        if type(answer.note.get("tokens")) is int:
            task.tokens = (task.tokens or 0) + answer.tokens
            self.tokens = (self.tokens or 0) + answer.tokens

    def _judge(self, task: _OfTask, attempt: AttemptRow, score: Score) -> float | None:
        if score.value is None:
            self._fault(task, score)
            return None
        value = score.value + 0.0
        self.values.append(value)
        reached = value >= self._top
        task.right, task.wrong = task.right + reached, task.wrong + (not reached)
        if reached and self.watch.seen < WATCHED:
            self.watch.see(attempt.answer)
        if score.parts:
            self.proxies.see(attempt.answer.task, score.parts)
        if task.best is None or value > task.best:
            self._top_count += reached and (task.best is None or task.best < self._top)
            self._count_as(task, value)
            task.best, task.first, task.row, task.parts = value, self.count, attempt, score.parts
        return value

    def _fault(self, task: _OfTask, score: Score) -> None:
        fault = score.fault
        if fault is None:
            return
        task.faults += 1
        if fault.whose == "solver":
            task.wrong += 1
            if task.counts is None:
                self._count_as(task, self._floor)
        group = self.faults.setdefault((fault.kind.value, fault.whose or ""), [0, ""])
        group[0] = int(group[0]) + 1
        group[1] = group[1] or fault.detail

    def _count_as(self, task: _OfTask, value: float) -> None:
        """What a task counts as in means: its best score, or the lowest when only the solver's own faults are known."""
        self._counted += task.counts is None
        self._sum += value - (task.counts or 0.0)
        task.counts = value

    def lineage(self, attempt: str) -> tuple[tuple[Ancestor, ...], int]:
        """The ancestors of an attempt as a tree, depth first, each expanded once; and how many were left out."""
        if attempt not in self.parents:
            return (), 0
        shown: list[Ancestor] = []
        expanded: set[str] = set()
        left_out = 0
        todo = [(0, attempt)]
        while todo:
            depth, name = todo.pop()
            if len(shown) >= LINEAGE:
                left_out += name not in expanded
            else:
                place, score = self.places.get(name, (None, None))
                shown.append(Ancestor(depth, name, place, score, repeated=name in expanded and name in self.parents))
            if name not in expanded:
                expanded.add(name)
                todo.extend((depth + 1, parent) for parent in reversed(self.parents.get(name, ())))
        return tuple(shown), left_out


def gather(ledger: Ledger, run: str, *, reveal: bool = False) -> RunReport:
    """Read one run.

    Args:
        ledger: where it is recorded.
        run: its id.
        reveal: show scores of single answers on a split that is not open.

    Raises:
        LedgerError: there is no such run.
    """
    row = ledger.run(run)
    steps = ledger.steps(row.id)
    declared = row.recipe.get("top")
    seen = _Pass(_floor(row), float(declared) if isinstance(declared, (int, float)) else 1.0, _times(steps))
    for attempt, verdict in ledger.each_judged(row.id):
        seen.see(attempt, verdict)
    values = np.array(seen.values, dtype=float)
    top, source = _top(row, values)
    hidden = row.visibility != "open" and not reveal
    full = _assemble(row, seen, steps, values, top, source)
    return _veiled(full) if hidden else full


def _assemble(
    row: RunRow, seen: _Pass, steps: Sequence[StepRow], values: Numbers, top: float | None, source: str
) -> RunReport:
    counts = [seen.tasks[name].counts for name in sorted(seen.tasks)]
    binary = top is not None and bool(np.isin(values, (0.0, top)).all()) and len(values) > 0
    independent = row.recipe.get("independent") is True  # otherwise the chance of k answers is nobody's chance
    watch = seen.watch if top is not None else _watch_best(seen)
    return RunReport(
        row=row,
        hidden=False,
        sandboxes=dict(sorted(seen.sandboxes.items())),
        totals=_totals(row, seen, steps),
        top=top,
        top_from=source,
        best=float(values.max()) if len(values) else None,
        mean=mean_of([value for value in counts if value is not None]),
        at_top=None if top is None else (seen.at_top[-1] if seen.at_top else 0),
        progress=_progress(seen, bool(steps), top),
        scores=values,
        faults=_faults(seen),
        costs=_costs(steps),
        pass_at=pass_at([(t.right, t.right + t.wrong) for t in seen.tasks.values()]) if binary and independent else (),
        tasks=tuple(_task_line(name, task, seen, top) for name, task in seen.tasks.items()),
        findings=(*watch.findings(), *seen.proxies.findings()),
        looked_at=watch.seen,
        recipe=row.recipe,
    )


def _floor(row: RunRow) -> float:
    """The lower end of the judge's range, where its recipe says it; else 0, as on leaderboards."""
    judge = row.recipe.get("judge")
    span = judge.get("range") if isinstance(judge, Mapping) else None
    if isinstance(span, Sequence) and len(span) == 2 and isinstance(span[0], (int, float)):
        return float(span[0])
    return 0.0


def _top(row: RunRow, values: Numbers) -> tuple[float | None, str]:
    """The highest possible score, and where that is known from."""
    top = row.recipe.get("top")
    if "top" in row.recipe and (top is None or isinstance(top, (int, float))):
        return (None, "recipe") if top is None else (float(top), "recipe")
    return _assumed_top(values)


def _assumed_top(values: Numbers) -> tuple[float | None, str]:
    """1, the upper end of a reward's usual range, if scores reach it and none contradicts it; or if all are 0."""
    inside = bool(((values >= 0.0) & (values <= 1.0)).all())
    reached = len(values) > 0 and (values.max() == 1.0 or not values.any())
    return (1.0, "range") if inside and reached else (None, "")


def _times(steps: Sequence[StepRow]) -> dict[int, float]:
    """Seconds since the start at the end of each finished step."""
    ends = np.cumsum([step.seconds for step in steps]).tolist()
    return {step.step: end for step, end in zip(steps, ends)}


def _progress(seen: _Pass, timed: bool, top: float | None) -> Progress:
    return Progress(
        attempts=np.arange(1.0, seen.count + 1),
        seconds=np.array(seen.seconds, dtype=float) if timed else None,
        mean=np.array(seen.mean, dtype=float),
        at_top=None if top is None else np.array(seen.at_top, dtype=float),
    )


def _totals(row: RunRow, seen: _Pass, steps: Sequence[StepRow]) -> Totals:
    faults = sum(task.faults for task in seen.tasks.values())
    sandboxed = any(seen.sandboxes[name] for name in seen.sandboxes if name)
    tokens = sum(step.tokens for step in steps)
    tasks = row.recipe.get("tasks")
    return Totals(
        attempts=seen.count,
        judged=len(seen.values),
        faults=faults,
        waiting=seen.waiting,
        steps=len(steps),
        tasks=tasks if type(tasks) is int else None,
        tried=len(seen.tasks),
        seconds=float(sum(step.seconds for step in steps)) if steps else None,
        tokens=max(tokens, seen.tokens or 0) if tokens or seen.tokens is not None else None,
        sandbox_seconds=float(sum(step.sandbox_seconds for step in steps)) if steps and sandboxed else None,
        frames=sum(step.frames for step in steps),
    )


def _faults(seen: _Pass) -> tuple[FaultGroup, ...]:
    groups = [FaultGroup(kind, whose, int(n), str(detail)) for (kind, whose), (n, detail) in seen.faults.items()]
    return tuple(sorted(groups, key=lambda group: (-group.count, group.kind, group.whose)))


def _costs(steps: Sequence[StepRow]) -> Costs:
    columns = [[float(s.step), s.seconds, s.sandbox_seconds, float(s.tokens)] for s in steps]
    return Costs(*np.array(columns, dtype=float).reshape(-1, 4).T)


def _task_line(name: str, task: _OfTask, seen: _Pass, top: float | None) -> TaskLine:
    best = task.row
    lineage, more = seen.lineage(best.id) if best else ((), 0)
    return TaskLine(
        task=name,
        best=task.best,
        at_top=top is not None and task.best is not None and task.best >= top,
        first=task.first if best else None,
        attempts=task.attempts,
        faults=task.faults,
        tokens=task.tokens,
        answer=best.answer if best else None,
        attempt=best.id if best else "",
        parts=task.parts,
        counts=task.counts,
        lineage=lineage,
        more_ancestors=more,
    )


def _watch_best(seen: _Pass) -> Watch:
    """Without a highest possible score: look at the best answer of each task."""
    watch = Watch()
    for task in seen.tasks.values():
        if task.row is not None:
            watch.see(task.row.answer)
    return watch


def _veiled(report: RunReport) -> RunReport:
    """What may be shown of a split that is not open: costs always, kinds of faults and one mean on aggregate."""
    aggregate = report.row.visibility == "aggregate"
    tried = report.totals.tried
    mean = report.mean.value if aggregate and report.row.status == "done" else None
    progress = Progress(
        report.progress.attempts, report.progress.seconds, np.full(report.totals.attempts, np.nan), None
    )
    faults = tuple(replace(fault, example="") for fault in report.faults) if aggregate else ()
    totals = report.totals if aggregate else replace(report.totals, judged=None, faults=None)
    return replace(
        report,
        hidden=True,
        totals=totals,
        best=None,
        mean=Estimate(round(mean * tried) / tried if mean is not None and tried else None),
        at_top=None,
        top=None,
        progress=progress,
        scores=np.empty(0),
        faults=faults,
        pass_at=(),
        tasks=(),
        findings=(),
        looked_at=0,
    )
