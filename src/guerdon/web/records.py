"""Runs of the ledger: what solvers did, with live progress, reports and lineages. For organisers, attempts also for
the team that made them.

A contest's runs hold the scores of its entrants. Only those of phases that tell every score, or whose scores are
shown, can be opened here: nobody, organisers included, gets at a sealed score by another door.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from guerdon.core.challenge import Visibility
from guerdon.core.errors import LedgerError
from guerdon.hosting import Action, HostingError, NotFoundError
from guerdon.hosting.may import ensure, may
from guerdon.ledger import AttemptRow, Ledger, RunRow, views
from guerdon.ledger.codec import pack
from guerdon.report import page as report_page
from guerdon.report import text
from guerdon.report.figures import Figure, figures
from guerdon.report.gather import gather
from guerdon.report.model import TaskLine
from guerdon.report.page import Card
from guerdon.web.drawing import generations
from guerdon.web.systems import standalone
from guerdon.web.visit import Page, Visit

SHOWN = 200
MANY = 100_000
"""Values of an answer that are laid out; the beginning of so many fills a page many times."""
REPORTED = 2_000_000
"""Attempts of a run whose report the server makes; what it reads of them is in memory for as long as that takes."""
_ATTEMPTS = (
    "SELECT r.id, a.n FROM (SELECT run, COUNT(*) AS n FROM attempts GROUP BY run) a JOIN runs r ON r.seq = a.run"
)
_COUNT = "SELECT COUNT(*) FROM attempts WHERE run = (SELECT seq FROM runs WHERE id = ?)"


def runs(visit: Visit) -> Any:
    """The runs, newest first."""
    ensure(visit.actor, Action.SEE_RUNS)
    ledger, closed = visit.desk.host.ledger, _closed(visit)
    found = sorted(ledger.runs(), key=lambda row: row.created, reverse=True)
    rows = [row for row in found if row.id not in closed]
    counts = Counter(row.status for row in rows)
    attempts = dict(ledger.query(_ATTEMPTS))
    shown = [(row, int(attempts.get(pack(row.id), 0))) for row in rows[:SHOWN]]
    return visit.page("runs.html.jinja", title="Runs", rows=shown, count=len(rows), counts=counts)


def _closed(visit: Visit) -> dict[str, str]:
    """Runs of phases whose scores may not be seen, by id."""
    found: dict[str, str] = {}
    for contest in visit.desk.host.contests.list(visit.actor):
        for phase in contest.phases:
            if phase.visibility is not Visibility.OPEN and not phase.revealed:
                found[phase.run] = contest.slug
    return found


def _revealed(visit: Visit) -> set[str]:
    contests = visit.desk.host.contests.list(visit.actor)
    return {phase.run for contest in contests for phase in contest.phases if phase.revealed}


def _run(visit: Visit) -> RunRow:
    ensure(visit.actor, Action.SEE_RUNS)
    return _opened(visit, visit.path["id"])


def _opened(visit: Visit, name: str) -> RunRow:
    try:
        row = visit.desk.host.ledger.run(name[:64])
    except LedgerError as error:
        raise NotFoundError("a run of this ledger", error.got, "See the list of runs") from None
    if row.id in _closed(visit):
        raise NotFoundError("a run whose scores may be seen", "its phase hides them", "Reveal it first")
    return row


def run(visit: Visit) -> Any:
    """One run, followed while it goes on."""
    row, ledger = _run(visit), visit.desk.host.ledger
    reveal = row.id in _revealed(visit)
    mark = visit.desk.ledger_mark()
    shown, version = visit.desk.readings.get((row.id, reveal), mark, lambda: _read(ledger, row.id, reveal))
    word, tone = report_page.STATUS.get(row.status, (row.status, "info"))
    return visit.page(
        "run.html.jinja", title=f"{row.challenge}, by {row.solver}", row=row, shown=shown, version=version, word=word,
        tone=tone, several=False,
    )  # fmt: skip


@dataclass(frozen=True)
class _Shown:
    """What the page of a run shows of what was read."""

    cards: list[Card]
    figures: list[Figure]
    best: list[TaskLine]


def _read(ledger: Ledger, run: str, reveal: bool) -> _Shown:
    found = gather(ledger, run, reveal=reveal)
    best = [line for line in sorted(found.tasks, key=lambda line: -(line.best or 0.0)) if line.attempt][:8]
    return _Shown(_cards(found), figures([found])[:3], [] if found.hidden else best)


def _cards(found: Any) -> list[Card]:
    mean, totals = found.mean, found.totals
    words = text.interval(mean.low, mean.high)
    return [
        Card("Mean best score", text.number(mean.value), f"95 %: {words}" if words else ""),
        Card("Best score", "hidden" if found.hidden else text.number(found.best)),
        Card("Attempts", text.count(totals.attempts), f"{text.count(totals.steps)} steps"),
        Card("Time", text.duration(totals.seconds), "wall clock"),
    ]


def report(visit: Visit) -> Any:
    """The run's report, as `guerdon report` writes it; made in the background, once for all who look.

    Of a run that goes on it is the last that was made; of one that has ended, of its end.
    """
    row, ledger = _run(visit), visit.desk.host.ledger
    reveal = row.id in _revealed(visit)
    if (count := _count(ledger, row.id)) > REPORTED:
        do = f"Make it by guerdon report {row.id}"
        raise HostingError(f"a run of at most {REPORTED:,} attempts", f"it has {count:,}", do)
    key = f"{row.id}@{visit.desk.forgotten()}", reveal
    made, _ = visit.desk.reports.get(key, visit.desk.ledger_mark(), lambda: _reported(ledger, row.id, reveal))
    if made is None or made.status != row.status:
        words = f"The report is being made, of {text.count(count)} attempts."
        return visit.making(f"{row.challenge}, by {row.solver}", words, f"/runs/{quote(row.id, safe='')}", "The run")
    return standalone(made.html)


@dataclass(frozen=True)
class _Report:
    """A report, and how the run stood before it was read."""

    status: str
    html: str


def _reported(ledger: Ledger, run: str, reveal: bool) -> _Report:
    return _Report(ledger.run(run).status, report_page.render(ledger, [run], reveal=reveal))


def _count(ledger: Ledger, run: str) -> int:
    return int(ledger.query(_COUNT, [pack(run)])[0][0])


def attempt(visit: Visit) -> Any:
    """One attempt and all it was made from; a team's own without its score, where that may not be seen."""
    if not visit.actor.person:
        ensure(visit.actor, Action.SEE_RUNS)
    with visit.desk.reading.held(visit.actor.person, "attempts read"):  # an answer may be of many megabytes
        return _attempt(visit)


def _attempt(visit: Visit) -> Any:
    try:
        found = views.lineage(visit.desk.host.ledger, visit.path["id"][:80])
    except LedgerError:
        raise NotFoundError("an attempt of this ledger", "there is none of that id", "See a run's answers") from None
    row, hidden = _attempted(visit, found[0].attempt)
    scores = [] if hidden else [(each.depth, each.verdict.score.value if each.verdict else None) for each in found]
    content = found[0].attempt.answer.content
    kind, answer = text.content(content) if _few(content) else ("text", "(too large to be laid out on a page)")
    return visit.page(
        "lineage.html.jinja", title="An attempt and where it came from", row=row, first=found[0], hidden=hidden,
        ancestors=found[1:SHOWN], more=max(len(found) - SHOWN, 0), drawing=generations(scores),
        kind=kind, answer=text.clip(answer, 20_000),
    )  # fmt: skip


def _few(content: Any) -> bool:
    """Whether there are so few values in an answer that laying them out takes no time to speak of."""
    count, left = 0, [content]
    while left and count < MANY:
        each, count = left.pop(), count + 1
        left += each.values() if isinstance(each, Mapping) else each if isinstance(each, (list, tuple)) else ()
    return not left


def _attempted(visit: Visit, attempt: AttemptRow) -> tuple[RunRow, bool]:
    """The run of an attempt that the visitor may see, and whether its score is hidden."""
    item = visit.desk.host.submissions.of_attempt(attempt.run, attempt.step)
    if item is None:
        ensure(visit.actor, Action.SEE_RUNS)
        row = _opened(visit, attempt.run)
        return row, row.visibility != "open" and row.id not in _revealed(visit)
    if not may(visit.actor, Action.SEE_RUNS, item):
        raise NotFoundError("an attempt of this ledger", "there is none of that id", "See a run's answers")
    return visit.desk.host.ledger.run(attempt.run), not may(visit.actor, Action.SEE_SCORE, item)


PAGES = [
    Page("/runs", get=runs),
    Page("/runs/{id}", get=run),
    Page("/runs/{id}/report", get=report),
    Page("/attempts/{id}", get=attempt),
]
"""Addresses of runs."""
