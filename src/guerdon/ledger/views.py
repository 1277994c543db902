"""What the record says. Every view is a function of a ledger, writes nothing, and says the same of the same history.

Attempts are taken in the order of step and index; of equal scores the earlier is first. Only the newest verdict
that was not superseded counts.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from guerdon.core.errors import LedgerError
from guerdon.core.score import Score
from guerdon.ledger import codec
from guerdon.ledger.codec import pack, unpack
from guerdon.ledger.estimates import Interval, mean_interval, pass_probability
from guerdon.ledger.ledger import NEWEST, Ledger
from guerdon.ledger.rows import AttemptRow, RunRow, VerdictRow
from guerdon.ledger.training import attempts_by_id, preferences, training_set

__all__ = [
    "Ancestor",
    "CurvePoint",
    "Entry",
    "FaultCount",
    "PassAtK",
    "best",
    "cost",
    "curve",
    "faults",
    "leaderboard",
    "lineage",
    "pass_at_k",
    "preferences",
    "training_set",
]

_JUDGED = f"FROM attempts a JOIN runs r ON r.seq = a.run JOIN verdicts v ON v.attempt = a.seq AND {NEWEST.format('>')}"


def best(ledger: Ledger, run: str, k: int = 5) -> list[tuple[AttemptRow, VerdictRow]]:
    """The k attempts with the highest scores."""
    sql = (
        f"SELECT {codec.ATTEMPT}, {codec.VERDICT} {_JUDGED} WHERE r.id = ? AND v.value IS NOT NULL "
        "ORDER BY v.value DESC, a.step, a.place, a.seq LIMIT ?"
    )
    found = ledger.query(sql, [pack(ledger.run(run).id), max(k, 0)])
    return [(codec.attempt_row(columns[:10]), codec.verdict_row(columns[10:])) for columns in found]


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Where a run stood.

    Args:
        attempts: judged so far.
        best: highest score so far; `None` before the first known one.
        step: the step this point lies in.
        seconds: spent by the end of that step.
        tokens: spent by the end of that step.
    """

    attempts: int
    best: float | None
    step: int
    seconds: float
    tokens: int


def curve(ledger: Ledger, run: str) -> list[CurvePoint]:
    """Best score so far against attempts, seconds and tokens: a point per improvement and per end of a step."""
    name = ledger.run(run).id
    spent: dict[int, tuple[float, int]] = {}
    seconds, tokens = 0.0, 0
    for row in ledger.steps(name):
        seconds, tokens = seconds + row.seconds, tokens + row.tokens
        spent[row.step] = (seconds, tokens)
    points: list[CurvePoint] = []
    top: float | None = None
    sql = f"SELECT a.step, v.value {_JUDGED} WHERE r.id = ? ORDER BY a.step, a.place, a.seq"
    found = ledger.query(sql, [pack(name)])
    for count, (step, value) in enumerate(found, 1):
        better = value is not None and (top is None or value > top)
        top = value if better else top
        if better or count == len(found) or found[count][0] != step:
            points.append(CurvePoint(count, top, step, *spent.get(step, (seconds, tokens))))
    return points


@dataclass(frozen=True, slots=True)
class FaultCount:
    """How often something kept a score from being known, with up to three examples (attempt, task, detail)."""

    kind: str
    whose: str
    count: int
    examples: tuple[tuple[str, str, str], ...] = ()


def faults(ledger: Ledger, run: str, examples: int = 3) -> list[FaultCount]:
    """Faults by kind and by whose they are, the most frequent first."""
    name = pack(ledger.run(run).id)
    counted = ledger.query(
        f"SELECT v.fault, v.whose, COUNT(*) {_JUDGED} WHERE r.id = ? AND v.fault IS NOT NULL GROUP BY v.fault, v.whose",
        [name],
    )
    rows = []
    for kind, whose, count in sorted(counted, key=lambda row: (-row[2], row[0], row[1])):
        shown = ledger.query(
            f"SELECT a.id, a.task, v.score {_JUDGED} WHERE r.id = ? AND v.fault = ? AND v.whose = ? "
            "ORDER BY a.step, a.place, a.seq LIMIT ?",
            [name, kind, whose, examples],
        )
        told = tuple((unpack(a), unpack(t), str(codec.loads(s).get("detail", ""))) for a, t, s in shown)
        rows.append(FaultCount(kind, whose, int(count), told))
    return rows


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a leaderboard. On a sealed split everything that the scores decide is `None` or empty.

    Args:
        rank: 1 + the number of entries whose whole interval lies above; so those that overlap share a rank.
        run: id of the run; "" where several runs of a solver are one entry.
        solver: the solver's name.
        judge: who judged; ranks are among entries with the same judge.
        mean: mean over tasks of the best score on each.
        low: lower end of its 95 % interval, if there are enough tasks.
        high: upper end.
        tasks: how many tasks the mean is over.
        unknown: tasks left out, since no score is known and the solver is not to blame.
        attempts: verdicts counted.
        faults: verdicts without a score, by whose fault it was.
        runs: how many runs the entry is made of.
    """

    rank: int | None
    run: str
    solver: str
    judge: str
    mean: float | None
    low: float | None
    high: float | None
    tasks: int
    unknown: int
    attempts: int
    faults: Mapping[str, int] = field(default_factory=dict)
    runs: int = 1


@dataclass
class _Tally:
    """What an entry is made of, while it is added up."""

    rows: list[RunRow]
    tasks: dict[str, list[float]] = field(default_factory=dict)
    attempts: int = 0
    unknown: int = 0
    faults: dict[str, int] = field(default_factory=dict)


def leaderboard(
    ledger: Ledger,
    challenge: str,
    split: str,
    *,
    by: Literal["run", "solver"] = "run",
    floor: float = 0.0,
    reveal: bool = False,
) -> list[Entry]:
    """Runs (or solvers) of a split by the mean, over tasks, of the best score on each.

    Args:
        ledger: where from.
        challenge: its name.
        split: its name.
        by: a line per run, or per solver with the values of its runs averaged task by task.
        floor: counted for a task on which all that is known are the solver's own faults, since failing must not
            pay; tasks with nothing but faults of the judge or the host are left out.
        reveal: show a sealed split (once it has been closed).
    """
    rows = [row for row in ledger.runs(challenge) if row.split == split]
    if not reveal and any(row.visibility == "sealed" for row in rows):
        return _covered(rows)
    tallies: dict[tuple[str, ...], _Tally] = {}
    of_run: dict[str, _Tally] = {}
    for row in rows:
        key = (row.judge, row.id) if by == "run" else (row.judge, row.solver)
        of_run[row.id] = tallies.setdefault(key, _Tally([]))
        of_run[row.id].rows.append(row)
    for columns in ledger.query(_LEADERBOARD, [pack(challenge), pack(split)]):
        tally = of_run.get(unpack(columns[0]))
        if tally is not None:  # else it began after the runs were read
            _add(tally, columns[1:], floor)
    entries = [_entry(tally, by) for tally in tallies.values()]
    return sorted(_ranked(entries), key=lambda entry: (entry.mean is None, -(entry.mean or 0.0)))


_LEADERBOARD = (
    "SELECT r.id, t.task, t.n, t.top, t.solver, t.judge, t.host FROM (SELECT a.run AS run, a.task AS task, "
    "COUNT(*) AS n, MAX(v.value) AS top, "
    + ", ".join(f"SUM(CASE WHEN v.whose = '{who}' THEN 1 ELSE 0 END) AS {who}" for who in ("solver", "judge", "host"))
    + f" FROM attempts a JOIN verdicts v ON v.attempt = a.seq AND {NEWEST.format('>')} "
    "WHERE a.run IN (SELECT seq FROM runs WHERE challenge = ? AND split = ?) GROUP BY a.run, a.task) t "
    "JOIN runs r ON r.seq = t.run"
)


def _add(tally: _Tally, columns: Sequence[Any], floor: float) -> None:
    task, count, top, *blame = columns
    tally.attempts += int(count)
    for who, number in zip(("solver", "judge", "host"), blame, strict=True):
        if number:
            tally.faults[who] = tally.faults.get(who, 0) + int(number)
    if top is None and not blame[0]:
        tally.unknown += 1
        return
    tally.tasks.setdefault(task, []).append(floor if top is None else float(top))


def _entry(tally: _Tally, by: str) -> Entry:
    row = tally.rows[0]
    mean: float | None = None
    interval: Interval | None = None
    if tally.tasks:
        values = [sum(tally.tasks[task]) / len(tally.tasks[task]) for task in sorted(tally.tasks)]
        mean, interval = mean_interval(values)
    low, high = interval or (None, None)
    return Entry(
        rank=None,
        run=row.id if by == "run" else "",
        solver=row.solver,
        judge=row.judge,
        mean=mean,
        low=low,
        high=high,
        tasks=len(tally.tasks),
        unknown=tally.unknown,
        attempts=tally.attempts,
        faults=tally.faults,
        runs=len(tally.rows),
    )


def _ranked(entries: Sequence[Entry]) -> list[Entry]:
    """An entry without an interval could lie anywhere: it is above nobody, and nobody is above it but by mean."""
    lows: dict[str, list[float]] = {}
    for entry in entries:
        if entry.low is not None:
            lows.setdefault(entry.judge, []).append(entry.low)
    for judge in lows:
        lows[judge].sort()
    return [
        entry
        if entry.mean is None
        else replace(
            entry, rank=1 + _above(lows.get(entry.judge, []), entry.mean if entry.high is None else entry.high)
        )
        for entry in entries
    ]


def _above(ordered: Sequence[float], end: float) -> int:
    return len(ordered) - bisect_right(ordered, end)


def _covered(rows: Sequence[RunRow]) -> list[Entry]:
    return [
        Entry(None, row.id, row.solver, row.judge, None, None, None, 0, 0, 0)
        for row in sorted(rows, key=lambda row: row.id)
    ]


@dataclass(frozen=True, slots=True)
class PassAtK:
    """The chance that k answers to a task hold a right one, averaged over tasks.

    Args:
        k: how many answers.
        value: the average; `None` when no task has k answers.
        low: lower end of its 95 % interval over tasks, if there are enough.
        high: upper end.
        tasks: how many tasks it is over.
        left_out: tasks with fewer than k answers.
    """

    k: int
    value: float | None
    low: float | None
    high: float | None
    tasks: int
    left_out: int


def _reached_one(score: Score) -> bool:
    return score.value is not None and score.value >= 1.0


def pass_at_k(
    ledger: Ledger, run: str, ks: Sequence[int] = (1,), solved: Callable[[Score], bool] = _reached_one
) -> list[PassAtK]:
    """Unbiased pass@k per task, averaged over tasks.

    Answers whose score is unknown by the judge's or the host's fault are left out of n; the solver's own faults are
    failures.

    Args:
        ledger: where from.
        run: which run.
        ks: each at least 1.
        solved: which scores are right ones; at least 1.0 by default.

    Raises:
        LedgerError: there is no such run, or a k is below 1.
    """
    if any(k < 1 for k in ks):
        raise LedgerError("pass@k with k >= 1", f"got {list(ks)}", "Choose whole numbers from 1")
    counts: dict[str, list[int]] = {}
    sql = f"SELECT a.task, v.value, v.fault, v.whose, v.score {_JUDGED} WHERE r.id = ?"
    for task, value, fault, whose, document in ledger.query(sql, [pack(ledger.run(run).id)]):
        count = counts.setdefault(task, [0, 0])
        if whose in (None, "solver"):
            count[0] += 1
            score = codec.score_of(value, fault, whose, codec.loads(document))
            count[1] += fault is None and bool(solved(score))
    return [_pass(counts, k) for k in ks]


def _pass(counts: Mapping[str, Sequence[int]], k: int) -> PassAtK:
    values = [pass_probability(counts[task][0], counts[task][1], k) for task in sorted(counts) if counts[task][0] >= k]
    left_out = len(counts) - len(values)
    if not values:
        return PassAtK(k, None, None, None, 0, left_out)
    mean, interval = mean_interval(values)
    low, high = interval or (None, None)
    return PassAtK(k, mean, low, high, len(values), left_out)


@dataclass(frozen=True, slots=True)
class Ancestor:
    """An attempt in a family: how many generations back, and its verdict."""

    depth: int
    attempt: AttemptRow
    verdict: VerdictRow | None


def lineage(ledger: Ledger, attempt: str) -> list[Ancestor]:
    """An attempt and all it was made from, nearest first, each once; the tree is in `answer.parents`.

    Raises:
        LedgerError: there is no such attempt.
    """
    found: dict[str, AttemptRow] = {}
    depths: dict[str, int] = {}
    generation, depth = [attempt], 0
    while generation:
        rows = attempts_by_id(ledger, generation)
        found.update(rows)
        depths.update(dict.fromkeys(rows, depth))
        parents = dict.fromkeys(name for row in rows.values() for name in row.answer.parents)
        generation, depth = [name for name in parents if name not in found], depth + 1
    if not found:
        raise LedgerError("a recorded attempt", f"there is no {attempt!r}", "Take an id from the ledger")
    verdicts = _verdicts_of(ledger, list(found))
    order = sorted(found.values(), key=lambda row: (depths[row.id], row.run, row.step, row.index, row.seq))
    return [Ancestor(depths[row.id], row, verdicts.get(row.id)) for row in order]


def _verdicts_of(ledger: Ledger, names: Sequence[str]) -> dict[str, VerdictRow]:
    verdicts: dict[str, VerdictRow] = {}
    for first in range(0, len(names), 500):
        some = [pack(name) for name in names[first : first + 500]]
        sql = f"SELECT {codec.VERDICT} {_JUDGED} WHERE a.id IN ({', '.join('?' * len(some))})"
        verdicts.update((row.attempt, row) for row in map(codec.verdict_row, ledger.query(sql, some)))
    return verdicts


def cost(ledger: Ledger, run: str) -> dict[str, float]:
    """What a run has spent, and on judging: `spent`, with `verdicts` (re-judgements too) and `judging_seconds`."""
    name = ledger.run(run).id
    seconds = ledger.query(
        "SELECT v.seconds FROM verdicts v JOIN attempts a ON a.seq = v.attempt JOIN runs r ON r.seq = a.run "
        "WHERE r.id = ?",
        [pack(name)],
    )
    judging = math.fsum(row[0] for row in seconds)
    return {**ledger.spent(name), "verdicts": len(seconds), "judging_seconds": judging}
