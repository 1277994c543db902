"""Leaderboards: a pure function of the ledger and of which submissions stand, kept up to date by what is new.

Open or revealed: each team's best submission, or the best of those it chose on a sealed split (its newest if it chose
none). Aggregate: what the Ladder released to that team, and nothing finer. Sealed: names and counts only.
"""

from __future__ import annotations

import math
import secrets
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from guerdon.bench.visibility import Ladder
from guerdon.core.challenge import Visibility
from guerdon.core.plain import digest
from guerdon.hosting.contests import Contests
from guerdon.hosting.errors import NotAllowedError
from guerdon.hosting.may import Action, may
from guerdon.hosting.records import phase_key
from guerdon.hosting.scores import ASKED, Run, Scores, mean
from guerdon.hosting.standing import Best, Line, Standing
from guerdon.hosting.store import Store, unpack
from guerdon.hosting.things import Actor, Board, BoardRow, Contest, Phase
from guerdon.ledger.estimates import mean_interval


@dataclass
class _View:
    """What has been read of one phase; one thread at a time reads or shows it."""

    guard: threading.RLock = field(default_factory=threading.RLock)
    events: int = -1
    shown: tuple[Visibility | None, bool] | None = None  # what may be told, by which the lines were made
    changes: int = 0
    team_of: dict[int, str] = field(default_factory=dict)
    cancelled: set[int] = field(default_factory=set)
    finals: set[int] = field(default_factory=set)
    teams: dict[str, list[int]] = field(default_factory=dict)
    means: dict[int, float] = field(default_factory=dict)
    standing: Standing = field(default_factory=Standing)


class _Names:
    """Names of teams, which are never changed."""

    def __init__(self, store: Store) -> None:
        self._store, self._last, self._guard = store, 0, threading.Lock()
        self._known = {"local": "local"}

    def read(self) -> set[str]:
        """Take in the teams that are new; returns their ids."""
        with self._guard:
            sql = "SELECT seq, id, name FROM hosting_teams WHERE seq > ? ORDER BY seq"
            rows = self._store.rows(sql, [self._last])
            self._known.update((key, unpack(name)) for _, key, name in rows)
            self._last = rows[-1][0] if rows else self._last
        return {key for _, key, _ in rows}

    def of(self, team: str) -> str:
        """The name of a team."""
        return self._known.get(team, team)


class Boards:
    """The leaderboards of a host."""

    def __init__(self, store: Store, contests: Contests, scores: Scores) -> None:
        self._store, self._contests, self._scores = store, contests, scores
        self._views: dict[tuple[str, str], _View] = {}
        self._names = _Names(store)
        self._life = secrets.token_hex(4)
        self._guard = threading.Lock()

    def board(self, contest: str, phase: str, actor: Actor, first: int = 1, count: int | None = None) -> Board:
        """The leaderboard of a phase as an actor may see it, or a part of it.

        Args:
            contest: slug.
            phase: name.
            actor: who asks.
            first: the first row, counted from 1.
            count: how many rows; all by default.

        Raises:
            NotAllowedError: the actor may see no board.
        """
        found, where = self._seen(contest, phase, actor)
        with self._kept(found, where).guard:
            view = self._view(found, where)
            return self._cut(view, found, where, actor, first, len(view.standing) if count is None else count)

    def mark(self, contest: str, phase: str, actor: Actor) -> str:
        """What `Board.mark` of the board would be now, without the making of it.

        Raises:
            NotAllowedError: the actor may see no board.
        """
        found, where = self._seen(contest, phase, actor)
        with self._kept(found, where).guard:
            return self._mark(self._view(found, where), found, where, actor)

    def _seen(self, contest: str, phase: str, actor: Actor) -> tuple[Contest, Phase]:
        found = self._contests.get(actor, contest)
        where = found.phase(phase)
        if not may(actor, Action.SEE_BOARD, found) or where.visibility is None:
            raise NotAllowedError("somebody who takes part", "you do not", "Sign in")
        return found, where

    def _mark(self, view: _View, contest: Contest, phase: Phase, actor: Actor) -> str:
        """The state of the lines, and all that decides what of them this actor is told."""
        told = (phase.visibility, phase.revealed, _tells_all(actor, phase), may(actor, Action.RUN_CONTEST, contest))
        return digest(self._life, *phase_key(contest, phase), view.changes, contest.slug, *map(str, told), actor.team)

    # ── keeping up ──────────────────────────────────────────────────────────────────────────────────────────────

    def _kept(self, contest: Contest, phase: Phase) -> _View:
        """What has been read of a phase until now."""
        with self._guard:
            return self._views.setdefault(phase_key(contest, phase), _View())

    def _view(self, contest: Contest, phase: Phase) -> _View:
        """What there is to read of a phase; for whoever has its guard."""
        key, view = phase_key(contest, phase), self._kept(contest, phase)
        newest = int(self._store.rows("SELECT COALESCE(MAX(seq), 0) FROM hosting_events")[0][0])
        touched: set[int] = set()
        if newest > view.events:
            touched = self._read_submissions(view, key)
            view.events = newest
        run = self._scores.read(phase.run)
        if run.changed:
            touched |= self._read_means(view, run, contest, phase)
        teams = {view.team_of[number] for number in touched} | self._names.read()
        if view.shown != (phase.visibility, phase.revealed):
            view.shown, teams = (phase.visibility, phase.revealed), set(view.teams)
        if teams := teams & view.teams.keys():
            lines = self._lines(view, run, contest, phase, teams)
            view.standing.take(lines, list(teams - {line.team for line in lines}))
            view.changes += 1
        return view

    def _read_submissions(self, view: _View, key: tuple[str, str]) -> set[int]:
        """Rows that are new or have changed; all of them the first time."""
        rows = self._store.rows(_ALL, key) if view.events < 0 else self._store.rows(_CHANGED, [view.events, *key])
        for number, team, state, final in rows:
            if number not in view.team_of:
                mine = view.teams.setdefault(team, [])
                mine.append(number)
                view.team_of[number] = team if len(mine) == 1 else view.team_of[mine[0]]  # one text for all
            _note(view.cancelled, number, state == "cancelled")
            _note(view.finals, number, bool(final))
        return {row[0] for row in rows}

    def _read_means(self, view: _View, run: Run, contest: Contest, phase: Phase) -> set[int]:
        """Means of the submissions whose verdicts are new."""
        posed = self._contests.posed(contest, phase)
        fresh = {step for step in list(run.changed) if step in view.team_of}  # others may be adding to it
        run.changed.difference_update(fresh)
        count, floor = len(posed.vault.tasks), posed.floor
        for step in fresh:
            values = self._scores.values_now(run, step, count, floor)
            if values is None:
                view.means.pop(step, None)
            else:
                view.means[step] = values[0] if count == 1 else mean(values)
        return fresh

    # ── what counts ─────────────────────────────────────────────────────────────────────────────────────────────

    def _lines(self, view: _View, run: Run, contest: Contest, phase: Phase, teams: Iterable[str]) -> list[Line]:
        counting = {team: _judged(view, team) for team in teams}
        bests: dict[str, Best] = {}
        if phase.visibility is Visibility.AGGREGATE and not phase.revealed:
            ladders = {team: self._ladder(view, run, contest, phase, team) for team in counting}
            bests = {team: released[-1] for team, released in ladders.items() if released}
        elif phase.visibility is Visibility.OPEN or phase.revealed:
            bests = self._exact(view, run, contest, phase, counting)
        about = self._about(contest, phase, [best.number for best in bests.values()])
        for team, best in bests.items():
            submission, at = about[best.number]
            bests[team] = replace(best, submission=submission, at=at)
        made = (Line(team, self._names.of(team), len(own), bests.get(team)) for team, own in counting.items())
        return [line for line in made if line.entries or view.shown == (Visibility.SEALED, False) or line.best]

    def _exact(
        self, view: _View, run: Run, contest: Contest, phase: Phase, counting: Mapping[str, Sequence[int]]
    ) -> dict[str, Best]:
        posed = self._contests.posed(contest, phase)
        tops = {
            team: max(own, key=lambda number: (view.means[number], -number))
            for team, all_ in counting.items()
            if (own := _eligible(view, all_, phase))
        }
        shown = self._scores.all_shown(run, list(tops.values()), len(posed.vault.tasks), posed.floor)
        return {
            team: Best(found.value, found.low, found.high, number, found.parts)
            for team, number in tops.items()
            if (found := shown.get(number)) is not None
        }

    def _ladder(self, view: _View, run: Run, contest: Contest, phase: Phase, team: str) -> list[Best]:
        """What was released to a team and stands, in order: what withdrawn submissions made known stays known."""
        posed = self._contests.posed(contest, phase)
        count = len(posed.vault.tasks)
        steps = sorted((run.order[n], n) for n in view.teams[team] if n in view.means)
        submitted = [(n, self._scores.values_now(run, n, count, posed.floor) or []) for _, n in steps]
        climb = _climb_single if count == 1 else _climb
        return [best for best in climb(submitted, phase.step or 0.0) if best.number not in view.cancelled]

    def _about(self, contest: Contest, phase: Phase, numbers: Sequence[int]) -> dict[int, tuple[str, float]]:
        """Ids and times of submissions."""
        found: dict[int, tuple[str, float]] = {}
        for first in range(0, len(numbers), ASKED):
            some = numbers[first : first + ASKED]
            sql = _ABOUT.format(", ".join("?" * len(some)))
            found.update((n, (name, at)) for n, name, at in self._store.rows(sql, [*phase_key(contest, phase), *some]))
        return found

    # ── rows ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _cut(self, view: _View, contest: Contest, phase: Phase, actor: Actor, first: int, count: int) -> Board:
        assert phase.visibility is not None
        standing, start = view.standing, max(first - 1, 0)
        places = range(start, min(start + max(count, 0), len(standing)))
        rows = self._rows(view, contest, phase, actor, places)
        own = standing.place(actor.team) if actor.team else None
        return Board(
            contest=contest.slug,
            phase=phase.name,
            visibility=phase.visibility,
            revealed=phase.revealed,
            rows=rows,
            judged=standing.judged,
            first=start + 1,
            count=len(standing),
            own=None if own is None else self._rows(view, contest, phase, actor, range(own, own + 1))[0],
            mark=self._mark(view, contest, phase, actor),
        )

    def _rows(self, view: _View, contest: Contest, phase: Phase, actor: Actor, places: range) -> list[BoardRow]:
        standing, exact = view.standing, _tells_all(actor, phase)
        organises = may(actor, Action.RUN_CONTEST, contest)
        made: list[BoardRow] = []
        for place, line in zip(places, standing.cut(places.start, len(places)), strict=True):
            own, best = line.team == actor.team and bool(line.team), line.best
            if best is None:
                made.append(BoardRow(None, None, line.team, line.name, None, None, None, line.entries, None, own=own))
                continue
            group, tied = standing.group(place)
            made.append(
                BoardRow(
                    rank=standing.rank(line),
                    group=group,
                    team=line.team,
                    team_name=line.name,
                    value=best.value,
                    low=best.low,
                    high=best.high,
                    entries=line.entries,
                    at=best.at,
                    submission=best.submission if own or organises else "",
                    own=own,
                    tied=tied,
                    parts=best.parts if exact else {},
                )
            )
        return made


def _tells_all(actor: Actor, phase: Phase) -> bool:
    """Whether an actor is told the parts of scores too."""
    return may(actor, Action.SEE_SCORES, phase) and (phase.visibility is Visibility.OPEN or phase.revealed)


def _note(those: set[int], number: int, holds: bool) -> None:
    if holds:
        those.add(number)
    else:
        those.discard(number)


def _judged(view: _View, team: str) -> list[int]:
    """A team's submissions that have a verdict and were not withdrawn, oldest first."""
    return sorted(n for n in view.teams[team] if n in view.means and n not in view.cancelled)


def _eligible(view: _View, judged: Sequence[int], phase: Phase) -> Sequence[int]:
    """On a sealed split what the team chose counts, or its newest: the best of many would be luck that nobody saw."""
    if phase.visibility is not Visibility.SEALED:
        return judged
    return [number for number in judged if number in view.finals] or judged[-1:]


def _climb(submitted: Sequence[tuple[int, list[float]]], step: float) -> list[Best]:
    """The parameter-free Ladder over items (Blum & Hardt, arXiv 1502.04585): values and ends rounded to 1/n."""
    ladder, found = Ladder(), list[Best]()
    for number, values in submitted:
        after = ladder.submit(values)
        if after is not ladder and after.shown is not None:
            _, interval = mean_interval(values)
            n = len(values)
            low, high = (
                (None, None) if interval is None else (_floor(interval[0] * n) / n, -_floor(-interval[1] * n) / n)
            )
            found.append(Best(after.shown, low, high, number))
        ladder = after
    return found


def _climb_single(submitted: Sequence[tuple[int, list[float]]], step: float) -> list[Best]:
    """The Ladder with a fixed step, for a score that is one number: released if better by more, rounded to it."""
    best, found = -math.inf, list[Best]()
    for number, (value,) in submitted:
        if value > best + step:
            best = round(value / step) * step if step else value
            found.append(Best(round(best, 12), None, None, number))
    return found


def _floor(value: float) -> int:
    return math.floor(value + 1e-9)


_ALL = "SELECT number, team, state, final FROM hosting_submissions WHERE contest = ? AND phase = ? ORDER BY number"
_CHANGED = (  # the changes first, whatever a planner thinks: they are few, while the submissions of a phase are many
    "SELECT s.number, s.team, s.state, s.final FROM (SELECT DISTINCT object FROM hosting_events WHERE seq > ? "
    "AND kind = 'submission') e CROSS JOIN hosting_submissions s WHERE s.id = e.object AND s.contest = ? "
    "AND s.phase = ? ORDER BY s.number"
)
_ABOUT = "SELECT number, id, created FROM hosting_submissions WHERE contest = ? AND phase = ? AND number IN ({})"
