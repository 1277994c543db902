"""The evaluation queue: submissions are leased to workers, and a lease that has passed counts for nothing.

Each lease has a token of its own. Recording a verdict checks it in the statement that changes the state, in the same
transaction: a worker that was given up and comes back finds its verdict recorded as superseded.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from guerdon.core.score import FaultKind, Score, Whose
from guerdon.hosting.contests import Contests
from guerdon.hosting.may import Action, ensure, may
from guerdon.hosting.records import Records, told
from guerdon.hosting.store import Store, Writer, new_id, pack, packed, unpack
from guerdon.hosting.things import Actor, State, Submission
from guerdon.ledger import VerdictRow, verdict_id

LEASE_S = 60.0
POISON = 2
"""A submission that so many workers did not survive is not given to another one by itself."""
BACKWARDS_S = 5.0
"""A sign of life so far in the future means that the clock was set back: the lease is void."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A submission that a worker has for a while.

    Args:
        submission: id.
        token: proves that the lease is the newest.
        worker: name.
        until: unix seconds, by the data base's clock.
        contest: slug.
        phase: name.
        run: of the phase, in the ledger.
        number: the submission's step in it.
        round: how often it was put back.
        seconds: how long the lease lasts from each heartbeat.
    """

    submission: str
    token: str
    worker: str
    until: float
    contest: str
    phase: str
    run: str
    number: int
    round: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What judging a submission came to.

    Args:
        scores: one for each attempt, in their order.
        judge: identity of the judge.
        sandbox: what it ran under.
        seconds: how long it took.
        sentence: a message for the entrant, where a check made for them failed.
    """

    scores: Sequence[Score]
    judge: str
    sandbox: str = ""
    seconds: float = 0.0
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A line of the queue's page. What belongs to others has no id, number, team or worker for an entrant."""

    submission: str
    number: int | None
    contest: str
    phase: str
    team_name: str
    state: State
    age: float
    worker: str
    since_heartbeat: float | None
    tries: int
    own: bool
    may_cancel: bool
    may_retry: bool
    reason: str


@dataclass(frozen=True, slots=True)
class QueueView:
    """How the queue stands.

    Args:
        queued: how many wait.
        leased: how many are being judged.
        oldest: seconds that the oldest has waited; `None` when nothing waits.
        last_sign: seconds since any worker showed life; `None` if none ever did.
        items: those that wait or are being judged, then recent faults, in order.
    """

    queued: int
    leased: int
    oldest: float | None
    last_sign: float | None
    items: Sequence[Waiting]


class Queue:
    """The submissions that are to be judged, first come first served."""

    def __init__(self, store: Store, contests: Contests, records: Records) -> None:
        self._store, self._contests, self._records = store, contests, records

    def lease(self, worker: str, seconds: float = LEASE_S) -> Lease | None:
        """Take the oldest submission that waits, for so many seconds from each heartbeat; `None` if none does."""
        token = new_id()

        def work(to: Writer) -> str | None:
            self._expire(to)
            again = to.rows("SELECT id FROM hosting_submissions WHERE token = ? AND state = 'leased'", [token])
            found = again or to.rows(_OLDEST)
            if not found:
                return None
            if not again:
                to.change(_TAKE, [token, pack(worker[:100]), to.now + seconds, to.now, found[0][0]])
                self._tell(to, found[0][0])
            return str(found[0][0])

        key = self._store.write(work)
        if key is None:
            return None
        item, contest, phase = self._records.bare("s.id = ?", [key])[0]
        until = (item.heartbeat or 0.0) + seconds
        return Lease(key, token, worker, until, contest.slug, phase.name, phase.run, item.number, item.round, seconds)

    def _expire(self, to: Writer) -> None:
        """Give up workers that have shown no life: their submissions wait again, or are poison."""
        late = "state = 'leased' AND (until < ? OR heartbeat > ?)"
        values = [to.now, to.now + BACKWARDS_S]
        for key, deaths in to.rows(f"SELECT id, deaths FROM hosting_submissions WHERE {late}", values):
            fault = told(FaultKind.LOST, "host", f"{deaths + 1} workers that had it vanished; see their logs")
            poison = deaths + 1 >= POISON
            to.change(_GIVE_UP, [(State.FAULT if poison else State.QUEUED).value, packed(fault) if poison else "",
                                 int(not poison), key])  # fmt: skip
            self._tell(to, key)

    def heartbeat(self, lease: Lease) -> bool:
        """Show life. False: the lease is not valid any more, and the work may stop."""

        def work(to: Writer) -> bool:
            sql = (
                "UPDATE hosting_submissions SET heartbeat = ?, until = ? "
                "WHERE id = ? AND token = ? AND state = 'leased'"
            )
            return bool(to.change(sql, [to.now, to.now + lease.seconds, lease.submission, lease.token]))

        return self._store.write(work)

    def finish(self, lease: Lease, verdict: Verdict) -> Literal["counted", "superseded"]:
        """Record what judging came to: verdicts in the ledger and the state, in one transaction.

        Returns:
            "superseded" if the lease was not valid any more; the verdict is in the record then, and does not count.
        """
        attempts = [row.id for row in self._store.ledger.attempts(lease.run, step=lease.number)]
        state, fault = _outcome(verdict)

        def work(to: Writer) -> bool:
            counts = int(fault is None or fault["whose"] == "solver")
            text = packed(fault) if fault else ""
            done = to.change(_FINISH, [state.value, text, counts, to.now, lease.submission, lease.token])
            if not done and to.rows(_FINISHED, [lease.submission, lease.token]):
                return True  # it is recorded already; the answer was lost on its way
            if not done and to.rows(_ERASED, [lease.submission]):
                return False  # what a judge says may quote what is to be forgotten
            rows = [
                _verdict_row(attempt, score, verdict, lease, bool(done))
                for attempt, score in zip(attempts, verdict.scores, strict=True)
            ]
            self._store.ledger.adding.verdicts(to.connection, rows)
            if done:
                self._tell(to, lease.submission)
            return bool(done)

        return "counted" if self._store.write(work) else "superseded"

    def fail(
        self, lease: Lease, fault: FaultKind | str, whose: Whose = "host", detail: str = ""
    ) -> Literal["counted", "superseded"]:
        """Record that it could not be judged, and whose fault that is."""
        count = len(self._store.ledger.attempts(lease.run, step=lease.number))
        score = Score.failed(fault, detail[:4000], whose)
        return self.finish(lease, Verdict([score] * count, "none"))

    def release(self, lease: Lease) -> None:
        """Put it back, unjudged, because the worker stops. It keeps its place."""
        sql = (
            "UPDATE hosting_submissions SET state = 'queued', token = '', until = NULL, tries = tries - 1 "
            "WHERE id = ? AND token = ? AND state = 'leased'"
        )

        def work(to: Writer) -> None:
            if to.change(sql, [lease.submission, lease.token]):
                self._tell(to, lease.submission)

        self._store.write(work)

    def _tell(self, to: Writer, key: str) -> None:
        sql = (
            "SELECT c.slug, s.team FROM hosting_submissions s JOIN hosting_contests c ON c.id = s.contest "
            "WHERE s.id = ?"
        )
        slug, team = to.rows(sql, [key])[0]
        to.tell("submission", unpack(slug), key, team)

    def view(self, actor: Actor, limit: int = 200) -> QueueView:
        """How the queue stands, for its page."""
        ensure(actor, Action.SEE_QUEUE)
        now = self._store.now()
        counts = dict(self._store.rows(_COUNTS))
        oldest = self._store.rows("SELECT MIN(queued) FROM hosting_submissions WHERE state = 'queued'")[0][0]
        sign = self._store.rows("SELECT MAX(heartbeat) FROM hosting_submissions")[0][0]
        found = self._records.bare(f"s.state IN ('queued', 'leased') ORDER BY s.queued, s.seq LIMIT {limit}", [])
        found += self._records.bare("s.state = 'fault' ORDER BY s.seq DESC LIMIT 20", [])
        queued = dict(self._store.rows(_QUEUED))
        return QueueView(
            counts.get("queued", 0),
            counts.get("leased", 0),
            None if oldest is None else _whole(now - oldest),
            None if sign is None else _whole(now - sign),
            [
                line
                for item, _, _ in found
                if (line := _line(actor, item, now, queued.get(item.id, item.created))) is not None
            ],
        )


def _line(actor: Actor, item: Submission, now: float, queued: float) -> Waiting | None:
    own, all_ = may(actor, Action.SEE_SUBMISSION, item), may(actor, Action.SEE_DETAIL, item)
    if item.state is State.FAULT and not own:
        return None
    beat = item.heartbeat if item.state is State.LEASED else None
    reason = item.fault.detail if item.fault is not None and all_ else ""
    return Waiting(
        submission=item.id if own else "",
        number=item.number if own else None,
        contest=item.contest,
        phase=item.phase,
        team_name=item.team_name if own else "",
        state=item.state,
        age=_whole(now - queued),
        worker=item.worker if all_ else "",
        since_heartbeat=None if beat is None else _whole(now - beat),
        tries=item.tries,
        own=own,
        may_cancel=may(actor, Action.CANCEL, item),
        may_retry=may(actor, Action.RETRY, item),
        reason=reason or (item.fault.sentence if own and item.fault else ""),
    )


def _whole(seconds: float) -> float:
    """Whole seconds: a finer time would tell how long judging took, and with it what a judge has read."""
    return float(max(math.floor(seconds), 0))


def _outcome(verdict: Verdict) -> tuple[State, dict[str, str] | None]:
    """Done if every item has a value or failed by the entrant's fault, and not all did; else the fault that decides."""
    faults = [score.fault for score in verdict.scores if score.fault is not None]
    ours = [fault for fault in faults if fault.whose != "solver"]
    decisive = ours or (faults if len(faults) == len(verdict.scores) else [])
    if not decisive:
        return State.DONE, None
    fault = decisive[0]
    sentence = "" if ours else verdict.sentence
    return State.FAULT, told(fault.kind, str(fault.whose), fault.detail, sentence)


def _verdict_row(attempt: str, score: Score, verdict: Verdict, lease: Lease, counted: bool) -> VerdictRow:
    reason = "first" if lease.round == 0 else f"retry {lease.round}"
    reason = reason if counted else f"superseded {lease.token}"
    return VerdictRow(
        verdict_id(attempt, verdict.judge, reason),
        attempt,
        verdict.judge,
        score,
        sandbox=verdict.sandbox,
        seconds=verdict.seconds,
        reason=reason,
        superseded=not counted,
        created=time.time(),
    )


_OLDEST = "SELECT id FROM hosting_submissions WHERE state = 'queued' ORDER BY queued, seq LIMIT 1"
_TAKE = (
    "UPDATE hosting_submissions SET state = 'leased', token = ?, worker = ?, until = ?, heartbeat = ?, "
    "tries = tries + 1 WHERE id = ? AND state = 'queued'"
)
_GIVE_UP = (
    "UPDATE hosting_submissions SET state = ?, fault = ?, counts = ?, token = '', until = NULL, deaths = deaths + 1 "
    "WHERE id = ?"
)
_FINISH = (
    "UPDATE hosting_submissions SET state = ?, fault = ?, counts = ?, finished = ?, until = NULL "
    "WHERE id = ? AND token = ? AND state = 'leased'"
)
_FINISHED = "SELECT 1 FROM hosting_submissions WHERE id = ? AND token = ? AND state IN ('done', 'fault')"
_ERASED = "SELECT 1 FROM hosting_submissions WHERE id = ? AND digest = ''"
_COUNTS = "SELECT state, COUNT(*) FROM hosting_submissions WHERE state IN ('queued', 'leased') GROUP BY state"
_QUEUED = "SELECT id, queued FROM hosting_submissions WHERE state IN ('queued', 'leased')"
