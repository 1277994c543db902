"""Leaderboards: a pure function of the ledger and of which submissions stand, kept up to date by what is new.

Open or revealed: each team's best submission, or the best of those it chose on a sealed split (its newest if it chose
none). Aggregate: what the Ladder released to that team, and nothing finer. Sealed: names and counts only.
"""

from __future__ import annotations

import math
import threading
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from guerdon.bench.visibility import Ladder
from guerdon.core.challenge import Visibility
from guerdon.hosting.contests import Contests
from guerdon.hosting.errors import NotAllowedError
from guerdon.hosting.may import Action, may
from guerdon.hosting.people import team_names
from guerdon.hosting.records import phase_key
from guerdon.hosting.scores import Scores, mean
from guerdon.hosting.store import Store
from guerdon.hosting.things import Actor, Board, BoardRow, Contest, Phase
from guerdon.ledger.estimates import mean_interval


@dataclass
class _Known:
    """A submission as the board needs it."""

    number: int
    id: str
    team: str
    cancelled: bool
    final: bool
    created: float


@dataclass(frozen=True)
class _Best:
    """What counts for a team."""

    value: float
    low: float | None
    high: float | None
    number: int
    parts: Mapping[str, float] = field(default_factory=dict)


@dataclass
class _View:
    """What has been read of one phase."""

    events: int = -1
    known: dict[int, _Known] = field(default_factory=dict)
    teams: dict[str, set[int]] = field(default_factory=dict)
    means: dict[int, float | None] = field(default_factory=dict)
    released: dict[str, list[_Best]] = field(default_factory=dict)
    bests: dict[tuple[str, bool], _Best | None] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)


class Boards:
    """The leaderboards of a host."""

    def __init__(self, store: Store, contests: Contests, scores: Scores) -> None:
        self._store, self._contests, self._scores = store, contests, scores
        self._views: dict[tuple[str, str], _View] = {}
        self._guard = threading.RLock()

    def board(self, contest: str, phase: str, actor: Actor) -> Board:
        """The leaderboard of a phase as an actor may see it.

        Raises:
            NotAllowedError: the actor may see no board.
        """
        found = self._contests.get(actor, contest)
        where = found.phase(phase)
        if not may(actor, Action.SEE_BOARD, found) or where.visibility is None:
            raise NotAllowedError("somebody who takes part", "you do not", "Sign in")
        names = team_names(self._store)
        with self._guard:
            view = self._view(found, where)
            counted = {team: self._entries(view, team) for team in view.teams}
            if where.visibility is Visibility.SEALED and not where.revealed:
                rows = _covered(counted, names, actor)
            else:
                bests = {team: self._best(view, found, where, team) for team in view.teams}
                rows = self._ranked(actor, found, where, view, bests, counted, names)
        return Board(found.slug, where.name, where.visibility, where.revealed, rows, sum(counted.values()))

    # ── keeping up ──────────────────────────────────────────────────────────────────────────────────────────────

    def _view(self, contest: Contest, phase: Phase) -> _View:
        key = phase_key(contest, phase)
        view = self._views.setdefault(key, _View())
        newest = int(self._store.rows("SELECT COALESCE(MAX(seq), 0) FROM hosting_events")[0][0])
        touched: set[int] = set()
        if newest > view.events:
            touched = self._read_submissions(view, key)
            view.events = newest
        posed = self._contests.posed(contest, phase)
        run = self._scores.read(phase.run)
        fresh = [step for step in run.changed if step in view.known]
        run.changed.difference_update(fresh)
        for step in fresh:
            values = self._scores.values_now(run, step, len(posed.vault.tasks), posed.floor)
            view.means[step] = None if values is None else mean(values)
        for team in {view.known[step].team for step in [*fresh, *touched]}:
            view.released.pop(team, None)
            view.counts.pop(team, None)
            for revealed in (False, True):
                view.bests.pop((team, revealed), None)
        return view

    def _read_submissions(self, view: _View, key: tuple[str, str]) -> set[int]:
        """Rows that are new or have changed; all of them the first time."""
        where, values = "s.contest = ? AND s.phase = ?", [*key]
        if view.events >= 0:
            where += " AND s.id IN (SELECT object FROM hosting_events WHERE seq > ? AND kind = 'submission')"
            values = [*values, view.events]  # type: ignore[list-item]
        sql = f"SELECT s.number, s.id, s.team, s.state, s.final, s.created FROM hosting_submissions s WHERE {where}"
        rows = self._store.rows(sql, values)
        for number, name, team, state, final, created in rows:
            view.known[number] = _Known(number, name, team, state == "cancelled", bool(final), created)
            view.teams.setdefault(team, set()).add(number)
        return {row[0] for row in rows}

    # ── what counts ─────────────────────────────────────────────────────────────────────────────────────────────

    def _standing(self, view: _View, numbers: Iterable[int]) -> list[_Known]:
        """A team's submissions that have a verdict and were not withdrawn, oldest first."""
        return [
            view.known[number]
            for number in sorted(numbers)
            if not view.known[number].cancelled and view.means.get(number) is not None
        ]

    def _entries(self, view: _View, team: str) -> int:
        """How many submissions of a team stand."""
        if team not in view.counts:
            view.counts[team] = len(self._standing(view, view.teams[team]))
        return view.counts[team]

    def _best(self, view: _View, contest: Contest, phase: Phase, team: str) -> _Best | None:
        key = (team, phase.revealed)
        if key not in view.bests:
            if phase.visibility is Visibility.AGGREGATE and not phase.revealed:
                shown = [each for each in self._ladder(view, contest, phase, team) if _stands(view, each)]
                view.bests[key] = shown[-1] if shown else None
            else:
                standing = _eligible(self._standing(view, view.teams[team]), phase)
                view.bests[key] = self._exact(contest, phase, view, standing)
        return view.bests[key]

    def _exact(self, contest: Contest, phase: Phase, view: _View, standing: Sequence[_Known]) -> _Best | None:
        if not standing:
            return None
        top = max(standing, key=lambda each: (view.means[each.number] or 0.0, -each.number))
        posed = self._contests.posed(contest, phase)
        shown = self._scores.shown(phase.run, top.number, len(posed.vault.tasks), posed.floor)
        return None if shown is None else _Best(shown.value, shown.low, shown.high, top.number, shown.parts)

    def _ladder(self, view: _View, contest: Contest, phase: Phase, team: str) -> list[_Best]:
        """What was released to a team, in order: withdrawn submissions too, since what is known stays known."""
        if team not in view.released:
            posed = self._contests.posed(contest, phase)
            run, count = self._scores.read(phase.run), len(posed.vault.tasks)
            steps = sorted((run.order[n], n) for n in view.teams[team] if view.means.get(n) is not None)
            submitted = [(n, self._scores.values_now(run, n, count, posed.floor) or []) for _, n in steps]
            climb = _climb_single if count == 1 else _climb
            view.released[team] = climb(submitted, phase.step or 0.0)
        return view.released[team]

    # ── ranks ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _ranked(
        self, actor: Actor, contest: Contest, phase: Phase, view: _View, bests: dict[str, _Best | None],
        counted: dict[str, int], names: dict[str, str],
    ) -> list[BoardRow]:  # fmt: skip
        exact = may(actor, Action.SEE_SCORES, phase) and (phase.visibility is Visibility.OPEN or phase.revealed)
        told = {team: best for team, best in bests.items() if best is not None}
        order = sorted(told, key=lambda team: (-told[team].value, told[team].number))
        lows = sorted(best.low for best in told.values() if best.low is not None)
        rows: list[BoardRow] = []
        for team in order:
            best, known = told[team], view.known[told[team].number]
            end = best.value if best.high is None else best.high
            own = team == actor.team and bool(team)
            rows.append(
                BoardRow(
                    rank=1 + len(lows) - bisect_right(lows, end),
                    group=None,
                    team=team,
                    team_name=names.get(team, team),
                    value=best.value,
                    low=best.low,
                    high=best.high,
                    entries=counted[team],
                    at=known.created,
                    submission=known.id if own or may(actor, Action.RUN_CONTEST, contest) else "",
                    own=own,
                    parts=best.parts if exact else {},
                )
            )
        left = {team: counted[team] for team in counted if team not in told and counted[team]}
        return [*_grouped(rows), *_covered(left, names, actor)]


def _eligible(standing: Sequence[_Known], phase: Phase) -> Sequence[_Known]:
    """On a sealed split what the team chose counts, or its newest: the best of many would be luck that nobody saw."""
    if phase.visibility is not Visibility.SEALED:
        return standing
    return [each for each in standing if each.final] or standing[-1:]


def _stands(view: _View, best: _Best) -> bool:
    return not view.known[best.number].cancelled


def _climb(submitted: Sequence[tuple[int, list[float]]], step: float) -> list[_Best]:
    """The parameter-free Ladder over items (Blum & Hardt, arXiv 1502.04585): values and ends rounded to 1/n."""
    ladder, found = Ladder(), list[_Best]()
    for number, values in submitted:
        after = ladder.submit(values)
        if after is not ladder and after.shown is not None:
            _, interval = mean_interval(values)
            n = len(values)
            low, high = (
                (None, None) if interval is None else (_floor(interval[0] * n) / n, -_floor(-interval[1] * n) / n)
            )
            found.append(_Best(after.shown, low, high, number))
        ladder = after
    return found


def _climb_single(submitted: Sequence[tuple[int, list[float]]], step: float) -> list[_Best]:
    """The Ladder with a fixed step, for a score that is one number: released if better by more, rounded to it."""
    best, found = -math.inf, list[_Best]()
    for number, (value,) in submitted:
        if value > best + step:
            best = round(value / step) * step if step else value
            found.append(_Best(round(best, 12), None, None, number))
    return found


def _floor(value: float) -> int:
    return math.floor(value + 1e-9)


def _grouped(rows: Sequence[BoardRow]) -> list[BoardRow]:
    """Number the groups of rows that cannot be told apart from the first of each."""
    made: list[BoardRow] = []
    group, first = 0, None
    for row in rows:
        if first is None or not _overlaps(first, row):
            group, first = group + 1, row
        made.append(replace(row, group=group))
    return made


def _overlaps(first: BoardRow, row: BoardRow) -> bool:
    if first.value == row.value:
        return True
    low, high = first.low, row.high
    return low is not None and high is not None and high >= low


def _covered(counted: dict[str, int], names: dict[str, str], actor: Actor) -> list[BoardRow]:
    """Rows that tell who takes part and how often, and nothing that scores decide: not even the order."""
    rows = [
        BoardRow(None, None, team, names.get(team, team), None, None, None, count, None, own=team == actor.team)
        for team, count in counted.items()
    ]
    return sorted(rows, key=lambda row: (row.team_name, row.team))
