"""Rows of submissions, and what of them an actor may see."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from guerdon.core.score import FaultKind
from guerdon.hosting.contests import Contests, open_now
from guerdon.hosting.errors import BrokenError
from guerdon.hosting.may import Action, may
from guerdon.hosting.scores import Scores
from guerdon.hosting.store import Store, pack, unpack, unpacked
from guerdon.hosting.things import Actor, Contest, Phase, Shown, State, Submission, Told

COLUMNS = (
    "s.id, s.contest, s.phase, s.number, s.team, s.person, s.created, s.note, s.name, s.size, s.digest, s.state, "
    "s.tries, s.worker, s.heartbeat, s.final, s.fault, s.round, s.deaths"
)
SENTENCES: Mapping[str, str] = {
    FaultKind.TIMEOUT: "Your submission took longer than the time allowed.",
    FaultKind.MEMORY: "Your submission needed more memory than is allowed.",
    FaultKind.LIMIT: "Your submission used more processes, files or space than is allowed.",
    FaultKind.OUTPUT: "Your submission wrote more than is allowed.",
    FaultKind.EXIT: "Your submission ended before it had answered.",
    FaultKind.CRASH: "Your submission crashed.",
    FaultKind.EXCEPTION: "Your submission raised an error.",
    FaultKind.PROTOCOL: "Your submission did not answer in the form that is asked for.",
    FaultKind.INVALID: "Your submission is not of the form that is asked for.",
    FaultKind.CANCELLED: "It was cancelled.",
}
"""What an entrant is told of a fault of the submission's own, unless whoever checked it wrote a sentence for them."""
NOT_YOURS = "Judging failed on the host's side. It does not count against your limits; the organisers can see why."


class Records:
    """Reads submissions."""

    def __init__(self, store: Store, contests: Contests, scores: Scores) -> None:
        self._store, self._contests, self._scores = store, contests, scores

    def bare(self, where: str, values: Sequence[Any]) -> list[tuple[Submission, Contest, Phase]]:
        """Submissions with everything about them but their scores; for the host's own use."""
        rows = self._store.rows(f"SELECT {COLUMNS}, c.slug, t.name {_FROM} WHERE {where}", values)
        now, contests = self._store.now(), {slug: self._contests.find(slug) for slug in {row[-2] for row in rows}}
        return [_made(row, contests[row[-2]], now) for row in rows]

    def seen(self, actor: Actor, where: str, values: Sequence[Any]) -> list[Submission]:
        """Submissions that an actor may see, as far as it may."""
        found = self.bare(where, values)
        return [self.cut(actor, *each) for each in found if may(actor, Action.SEE_SUBMISSION, each[0])]

    def cut(self, actor: Actor, item: Submission, contest: Contest, phase: Phase) -> Submission:
        """One submission as an actor may see it."""
        fault = item.fault
        if fault is not None and not may(actor, Action.SEE_DETAIL, item):
            fault = replace(fault, detail="")
        worker, heartbeat = item.worker, item.heartbeat
        if not may(actor, Action.SEE_DETAIL, item):  # how long judging took, to the second: no finer signal
            worker, heartbeat = "", None if heartbeat is None else float(math.floor(heartbeat))
        score = None
        attempts = self._scores.attempts(phase.run, item.number)
        if item.state is State.DONE and may(actor, Action.SEE_SCORE, item):
            with contextlib.suppress(BrokenError):  # one challenge that has gone must not take a list with it
                score = self.score(contest, phase, item.number)
        return replace(item, fault=fault, worker=worker, heartbeat=heartbeat, score=score, attempts=attempts)

    def score(self, contest: Contest, phase: Phase, number: int) -> Shown | None:
        """The newest score of a submission, whoever may see it."""
        posed = self._contests.posed(contest, phase)
        return self._scores.shown(phase.run, number, len(posed.vault.tasks), posed.floor)


_FROM = (
    "FROM hosting_submissions s JOIN hosting_contests c ON c.id = s.contest LEFT JOIN hosting_teams t ON t.id = s.team"
)


def told(kind: str, whose: str, detail: str = "", sentence: str = "") -> dict[str, str]:
    """A fault for both audiences, as it is stored."""
    own = sentence or SENTENCES.get(kind, SENTENCES[FaultKind.INVALID])
    return {"kind": kind, "whose": whose, "sentence": own if whose == "solver" else NOT_YOURS, "detail": detail[:4000]}


def _made(row: Sequence[Any], contest: Contest, now: float) -> tuple[Submission, Contest, Phase]:
    (key, _, phase_name, number, team, person, created, note, name, size, digest, state, tries, worker, heartbeat,
     final, fault, rounds, deaths, slug, team_name) = row  # fmt: skip
    phase = contest.phase(unpack(phase_name))
    assert phase.visibility is not None
    item = Submission(
        id=key,
        contest=slug,
        phase=phase.name,
        number=int(number),
        team=team,
        team_name=team if team_name is None else unpack(team_name),
        person=person,
        created=created,
        note=unpack(note),
        name=unpack(name),
        size=int(size),
        digest=digest,
        state=State(state),
        tries=int(tries),
        worker=unpack(worker),
        heartbeat=heartbeat,
        final=bool(final),
        visibility=phase.visibility,
        revealed=phase.revealed,
        open=open_now(phase, now),
        fault=Told(**unpacked(fault)) if fault else None,
        round=int(rounds),
        deaths=int(deaths),
    )
    return item, contest, phase


def phase_key(contest: Contest, phase: Phase) -> tuple[str, str]:
    """What a phase's rows are found by."""
    return contest.id, pack(phase.name)
