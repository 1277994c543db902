"""Handing in, withdrawing, trying again. Limits are counted in the transaction that adds to them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from guerdon.core.plain import Blob, digest
from guerdon.core.task import Answer
from guerdon.hosting.challenges import Posed
from guerdon.hosting.contests import Contests
from guerdon.hosting.entries import Content, answers_of, size_of
from guerdon.hosting.errors import HostingError, LimitError, NotFoundError
from guerdon.hosting.may import Action, ensure, may
from guerdon.hosting.quotas import ensure_left, limits_left
from guerdon.hosting.records import Records, phase_key
from guerdon.hosting.store import Store, Writer, new_id, pack, packed, unpacked
from guerdon.hosting.things import Actor, Contest, Limits, LimitsLeft, Phase, Role, State, Submission
from guerdon.ledger import AttemptRow, attempt_id

PAGE = 100
Rows = Callable[[str, Sequence[Any]], list[Any]]


@dataclass(frozen=True)
class Listed:
    """A page of submissions, newest first.

    Args:
        items: of the page.
        newer: id with which `newer_than` goes on to newer ones; "" where there are none.
        older: id with which `older_than` goes on to older ones; "" where there are none.
    """

    items: Sequence[Submission]
    newer: str
    older: str


class Submissions:
    """What was handed in.

    Cancel and retry work in every state:

        queued     cancel takes it out; it does not count against limits if no worker had it yet. retry changes nothing.
        leased     cancel stops its worker; retry takes it from its worker and queues it anew.
        done       cancel withdraws it: it stays in the record and leaves the board. retry judges it again; the old
                   verdict stays in the record, the newest counts.
        fault      cancel withdraws it, retry judges it again.
        cancelled  cancel changes nothing, retry queues it again.

    An entrant's team may cancel until the phase closes, and retry what failed on the host's side; organisers may
    do both at any time.
    """

    def __init__(self, store: Store, contests: Contests, records: Records) -> None:
        self._store, self._contests, self._records = store, contests, records

    def submit(
        self, actor: Actor, contest: str, phase: str, content: Content, note: str = "", name: str = ""
    ) -> Submission:
        """Hand in an answer to a phase: a file's path or bytes, a text, or plain data.

        Args:
            actor: for whose team.
            contest: slug.
            phase: name; "" for the first.
            content: for several tasks, an object with an answer to each.
            note: for the team and the organisers.
            name: of the file.

        Raises:
            NotAllowedError: the actor may not.
            HostingError: the phase is not open, or it is not a submission.
            LimitError: a limit is reached; it says which.
        """
        found = self._contests.get(actor, contest)
        where = found.phase(phase)
        ensure(actor, Action.SUBMIT, where)
        now = self._store.now()
        self._check_open(where, now)
        left = limits_left(self._store.rows, actor, phase_key(found, where), where.limits, now)
        ensure_left(left, where.limits, now)  # before anything of it is read or stored; again in the transaction
        size = size_of(content)
        if size > where.limits.size:
            raise HostingError(f"a submission of at most {where.limits.size:,} bytes", f"got {size:,}", "Shorten it")
        posed = self._contests.posed(found, where)
        answers = answers_of(posed, content, self._store.ledger.blobs)
        key = new_id()
        given = name or (content.name if isinstance(content, Path) else "")
        self._store.write(
            lambda to: self._add(to, key, actor, found, where, posed, answers, size, note[:2000], given[-200:])
        )
        return self.get(actor, key)

    def _add(
        self, to: Writer, key: str, actor: Actor, contest: Contest, phase: Phase, posed: Posed,
        answers: Sequence[Answer], size: int, note: str, name: str,
    ) -> None:  # fmt: skip
        if to.rows("SELECT 1 FROM hosting_submissions WHERE id = ?", [key]):
            return
        self._check_limits(to, actor, contest, self._still_open(to, contest, phase))
        by = phase_key(contest, phase)
        number = int(to.rows(_NEXT, by)[0][0])
        rows = [
            AttemptRow(attempt_id(phase.run, number, i, answer), phase.run, number, i, answer)
            for i, answer in enumerate(answers)
        ]
        self._store.ledger.adding.attempts(to.connection, rows)
        to.insert(
            "submissions", id=key, contest=by[0], phase=by[1], number=number, team=actor.team, person=actor.person,
            created=to.now, queued=_turn(to), note=pack(note), name=pack(name), size=size, digest=_digest(answers),
            state=State.QUEUED.value, attempts=len(rows), counts=1,
        )  # fmt: skip
        to.tell("submission", contest.slug, key, actor.team)

    def _check_open(self, phase: Phase, now: float) -> None:
        if phase.opens is not None and now < phase.opens:
            wait = math.ceil((phase.opens - now) / 60)
            raise HostingError(f"a phase that is open: {phase.name}", f"it opens in {wait:,} minutes", "Come back then")
        if phase.closed or (phase.closes is not None and now >= phase.closes):
            raise HostingError(f"a phase that is open: {phase.name}", "it is closed", "See the other phases")

    def _still_open(self, to: Writer, contest: Contest, phase: Phase) -> Phase:
        """The phase with the limits of now. It may have closed while a file came in: the moment of recording counts."""
        sql = "SELECT closed, closes, limits, reveal FROM hosting_phases WHERE contest = ? AND name = ?"
        closed, closes, limits, reveal = to.rows(sql, phase_key(contest, phase))[0]
        ends = [each for each in (closes, unpacked(reveal)) if isinstance(each, (int, float))]
        if closed is not None or any(to.now >= end for end in ends):
            raise HostingError(f"a phase that is open: {phase.name}", "it has just closed", "See the other phases")
        return replace(phase, limits=Limits(**unpacked(limits)))

    def _check_limits(self, to: Writer, actor: Actor, contest: Contest, phase: Phase) -> None:
        left = limits_left(to.rows, actor, phase_key(contest, phase), phase.limits, to.now)
        ensure_left(left, phase.limits, to.now)

    def limits_left(self, actor: Actor, contest: str, phase: str = "") -> LimitsLeft:
        """What the actor's team may still submit to a phase; the same arithmetic as that of `submit`.

        Args:
            actor: for whose team.
            contest: slug.
            phase: name; "" for the first.

        Raises:
            NotAllowedError: the actor submits nothing.
        """
        found = self._contests.get(actor, contest)
        where = found.phase(phase)
        ensure(actor, Action.SEE_QUEUE)
        return limits_left(self._store.rows, actor, phase_key(found, where), where.limits, self._store.now())

    # ── looking ─────────────────────────────────────────────────────────────────────────────────────────────────

    def get(self, actor: Actor, submission: str) -> Submission:
        """A submission that the actor may see.

        Raises:
            NotFoundError: there is none; which is also said of those of others.
        """
        found = self._records.seen(actor, "s.id = ?", [submission[:64]])
        if not found:
            raise NotFoundError("a submission of yours", f"got {submission!r:.40}", "See the list")
        return found[0]

    def of_attempt(self, run: str, step: int) -> Submission | None:
        """The submission whose attempt that is, without its score; `None` if it is none's. For the host's own use."""
        where = "(s.contest, s.phase) IN (SELECT p.contest, p.name FROM hosting_phases p WHERE p.run = ?)"
        found = self._records.bare(f"{where} AND s.number = ?", [run, step])
        return found[0][0] if found else None

    def list_for(self, actor: Actor, contest: str = "", phase: str = "", before: int | None = None) -> list[Submission]:
        """The actor's team's submissions, or all for an organiser; newest first, a page at a time.

        Args:
            actor: who asks.
            contest: slug; all contests by default.
            phase: name; all phases by default.
            before: only those with a smaller `number`, for the next page of a phase.
        """
        terms, values = _which(actor, contest, phase)
        if before is not None:
            terms, values = [*terms, "s.number < ?"], [*values, before]
        return self._records.seen(actor, f"{' AND '.join(terms)} ORDER BY s.seq DESC LIMIT {PAGE}", values)

    def page(
        self, actor: Actor, contest: str = "", phase: str = "", *, older_than: str = "", newer_than: str = ""
    ) -> Listed:
        """As `list_for`, a page at a time of all phases: what comes in meanwhile moves no page.

        Args:
            actor: who asks.
            contest: slug; all contests by default.
            phase: name; all phases by default.
            older_than: id of a submission; the newest of those that were handed in before it.
            newer_than: id of one; the oldest of those that were handed in after it.

        Raises:
            NotFoundError: there is no such submission that the actor may see.
            HostingError: both are given.
        """
        if older_than and newer_than:
            raise HostingError("older_than or newer_than", "got both", "Leave one of them out")
        terms, values = _which(actor, contest, phase)
        if older_than or newer_than:
            terms.append(f"s.seq {'>' if newer_than else '<'} ?")
            values.append(self._place(actor, older_than or newer_than))
        order = f"ORDER BY s.seq {'ASC' if newer_than else 'DESC'} LIMIT {PAGE + 1}"
        found = self._records.seen(actor, f"{' AND '.join(terms)} {order}", values)
        more, items = len(found) > PAGE, found[:PAGE]
        before, after = (more, bool(items)) if newer_than else (bool(older_than and items), more)
        items = items[::-1] if newer_than else items
        return Listed(items, items[0].id if before else "", items[-1].id if after else "")

    def _place(self, actor: Actor, submission: str) -> int:
        """Where a submission of the actor's stands among all."""
        sql = "SELECT seq, team FROM hosting_submissions WHERE id = ?"
        for seq, team in self._store.rows(sql, [pack(submission[:64])]):
            if actor.role is Role.ORGANISER or team == actor.team:
                return int(seq)
        raise NotFoundError("a submission of yours", f"got {submission!r:.40}", "Begin with the newest")

    def finals(self, actor: Actor, contest: Contest, phase: Phase) -> int:
        """How many submissions to a phase the actor's team has chosen to count."""
        ensure(actor, Action.SEE_QUEUE)
        return _finals(self._store.rows, contest, phase, actor.team)

    def answer(self, actor: Actor, submission: str) -> bytes:
        """What was handed in, as bytes.

        Raises:
            NotFoundError: there is none that the actor may see.
        """
        item, _, phase = self._owned(actor, submission, Action.SEE_ANSWER)
        rows = self._store.ledger.attempts(phase.run, step=item.number)
        contents = {row.answer.task: row.answer.content for row in rows}
        if len(contents) == 1:
            content = next(iter(contents.values()))
            if isinstance(content, Blob):
                return self._store.ledger.blobs.get(content)
            return (content if isinstance(content, str) else packed(content)).encode("utf-8", "surrogatepass")
        return packed({name: _plain(content) for name, content in contents.items()}).encode("ascii")

    # ── changing ────────────────────────────────────────────────────────────────────────────────────────────────

    def cancel(self, actor: Actor, submission: str) -> Submission:
        """Cancel or withdraw a submission; see the class for what that means in each state."""
        item, contest, _ = self._owned(actor, submission, Action.CANCEL)

        def work(to: Writer) -> None:
            sql = (
                "UPDATE hosting_submissions SET counts = CASE WHEN tries = 0 THEN 0 ELSE counts END, "
                "state = 'cancelled', token = '', until = NULL, final = 0 WHERE id = ? AND state <> 'cancelled'"
            )
            if to.change(sql, [item.id]):
                _record(to, actor, "cancel", contest, item)
                to.tell("submission", contest.slug, item.id, item.team)

        self._store.write(work)
        return self.get(actor, item.id)

    def retry(self, actor: Actor, submission: str) -> Submission:
        """Judge a submission again; see the class for what that means in each state.

        Raises:
            LimitError: it failed on the host's side, and the team has handed in others in its place.
            HostingError: its content was erased with its person.
        """
        item, contest, phase = self._owned(actor, submission, Action.RETRY)
        if not item.digest:
            raise HostingError("a submission that is still there", "its content was erased", "Hand in another")

        def work(to: Writer) -> None:
            free = to.rows("SELECT 1 FROM hosting_submissions WHERE id = ? AND counts = 0", [item.id])
            if free:
                self._check_limits(to, actor, contest, phase)  # its place may have been used by another
            sql = (
                "UPDATE hosting_submissions SET state = 'queued', token = '', until = NULL, fault = '', deaths = 0, "
                "queued = ?, round = round + 1, counts = 1 WHERE id = ? AND state <> 'queued'"
            )
            if to.change(sql, [_turn(to), item.id]):
                _record(to, actor, "retry", contest, item)
                to.tell("submission", contest.slug, item.id, item.team)

        self._store.write(work)
        return self.get(actor, item.id)

    def choose_final(self, actor: Actor, submission: str, chosen: bool = True) -> Submission:
        """Choose a submission to count when a sealed phase is revealed, or take the choice back.

        Raises:
            LimitError: the team has chosen as many as it may.
            HostingError: it was cancelled.
        """
        item, contest, phase = self._owned(actor, submission, Action.CHOOSE_FINAL)

        def work(to: Writer) -> None:
            taken = _finals(to.rows, contest, phase, item.team, but=item.id)
            if chosen and taken >= phase.limits.finals:
                raise LimitError(f"at most {phase.limits.finals} that count", "so many are chosen", "Take one back")
            sql = "UPDATE hosting_submissions SET final = ? WHERE id = ? AND state <> 'cancelled'"
            if not to.change(sql, [int(chosen), item.id]):
                raise HostingError("a submission that was not cancelled", "it was", "Choose another")
            _record(to, actor, "choose" if chosen else "choose not", contest, item)
            to.tell("submission", contest.slug, item.id, item.team)

        self._store.write(work)
        return self.get(actor, item.id)

    def _owned(self, actor: Actor, submission: str, action: Action) -> tuple[Submission, Contest, Phase]:
        found = self._records.bare("s.id = ?", [submission[:64]])
        if not found or not may(actor, Action.SEE_SUBMISSION, found[0][0]):
            raise NotFoundError("a submission of yours", f"got {submission!r:.40}", "See the list")
        ensure(actor, action, found[0][0])
        return found[0]


def _which(actor: Actor, contest: str, phase: str) -> tuple[list[str], list[object]]:
    """The submissions that an actor may ask for, as terms of a query and their values."""
    team = None if actor.role is Role.ORGANISER else actor.team
    asked = (("c.slug", pack(contest[:60]) or None), ("s.phase", pack(phase[:60]) or None), ("s.team", team))
    given = [(column, value) for column, value in asked if value is not None]
    return ["1 = 1", *(f"{column} = ?" for column, _ in given)], [value for _, value in given]


def _finals(rows: Rows, contest: Contest, phase: Phase, team: str, but: str = "") -> int:
    return int(rows(_FINALS, [*phase_key(contest, phase), team, but])[0][0])


def _record(to: Writer, actor: Actor, action: str, contest: Contest, item: Submission) -> None:
    """What an organiser does with a submission is in the log; what its team does is theirs."""
    if actor.role is Role.ORGANISER:
        to.record(actor.person, action, contest.slug, item.id, phase=item.phase, number=item.number, state=item.state)


def _turn(to: Writer) -> float:
    """A place in the queue behind all that wait, though the clock may have been set back."""
    newest = to.rows("SELECT MAX(queued) FROM hosting_submissions WHERE state = 'queued'")[0][0]
    return to.now if newest is None or to.now >= newest else float(newest) + 1e-6


def _plain(content: object) -> object:
    return content.plain() if isinstance(content, Blob) else content


def _digest(answers: Sequence[Answer]) -> str:
    """What two submissions with the same content share."""
    return digest([[answer.task, answer.digest] for answer in answers])


_NEXT = "SELECT COALESCE(MAX(number), -1) + 1 FROM hosting_submissions WHERE contest = ? AND phase = ?"
_FINALS = (
    "SELECT COUNT(*) FROM hosting_submissions WHERE contest = ? AND phase = ? AND team = ? AND final = 1 AND id <> ?"
)
