"""The lines of a leaderboard in order, of which a change moves one, and a page is cut."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

FEW = 0.02
"""Up to this share of the lines is moved one by one; more of them are sorted anew."""


@dataclass(frozen=True, slots=True)
class Best:
    """What counts for a team.

    Args:
        value: its score.
        low: lower end of the interval.
        high: upper end.
        number: of the submission.
        parts: named components.
        submission: id.
        at: unix seconds of the submission.
    """

    value: float
    low: float | None
    high: float | None
    number: int
    parts: Mapping[str, float] = field(default_factory=dict)
    submission: str = ""
    at: float | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A team on a board.

    Args:
        team: id.
        name: for people.
        entries: how many judged submissions stand behind it.
        best: what counts; `None` where nothing may be told, or nothing is known.
    """

    team: str
    name: str
    entries: int
    best: Best | None

    @property
    def key(self) -> tuple[float, int, str]:
        """Its place among those that have a score: the best first, of equal ones the earlier."""
        assert self.best is not None
        return (-self.best.value, self.best.number, self.team)

    @property
    def end(self) -> float:
        """Upper end of the interval, or the value where there is none."""
        assert self.best is not None
        return self.best.value if self.best.high is None else self.best.high


class Standing:
    """Lines with a score, best first, then those without, by name.

    Attributes:
        lines: by team.
        judged: how many judged submissions stand behind all of them.
    """

    def __init__(self) -> None:
        self.lines: dict[str, Line] = {}
        self.judged = 0
        self._told: list[tuple[float, int, str]] = []
        self._lows: list[float] = []
        self._rest: list[tuple[str, str]] = []
        self._groups: list[int] = []  # of the first so many lines; the rest is counted when it is asked for
        self._heads: list[int] = []

    def __len__(self) -> int:
        return len(self._told) + len(self._rest)

    @property
    def told(self) -> int:
        """How many lines have a score."""
        return len(self._told)

    def take(self, changed: Sequence[Line], gone: Sequence[str] = ()) -> None:
        """Put lines in their places, those of teams that are there already in the place of the old ones."""
        if len(changed) + len(gone) > FEW * len(self.lines):
            self._sort(changed, gone)
            return
        for team in [*gone, *(line.team for line in changed)]:
            self._remove(team)
        for line in changed:
            self._add(line)

    def _sort(self, changed: Sequence[Line], gone: Sequence[str]) -> None:
        self.lines.update((line.team, line) for line in changed)
        for team in gone:
            self.lines.pop(team, None)
        lines = self.lines.values()
        self.judged = sum(line.entries for line in lines)
        self._told = sorted(line.key for line in lines if line.best)
        self._lows = sorted(line.best.low for line in lines if line.best and line.best.low is not None)
        self._rest = sorted((line.name, line.team) for line in lines if not line.best)
        self._forget(0)

    def _remove(self, team: str) -> None:
        line = self.lines.pop(team, None)
        if line is None:
            return
        self.judged -= line.entries
        if line.best is None:
            del self._rest[bisect_left(self._rest, (line.name, team))]
            return
        place = bisect_left(self._told, line.key)
        del self._told[place]
        self._forget(place)
        if line.best.low is not None:
            del self._lows[bisect_left(self._lows, line.best.low)]

    def _add(self, line: Line) -> None:
        self.lines[line.team] = line
        self.judged += line.entries
        if line.best is None:
            insort(self._rest, (line.name, line.team))
            return
        place = bisect_left(self._told, line.key)
        self._told.insert(place, line.key)
        self._forget(place)
        if line.best.low is not None:
            insort(self._lows, line.best.low)

    def _forget(self, place: int) -> None:
        """Groups from a place on have to be counted again."""
        del self._groups[place:]
        del self._heads[bisect_left(self._heads, place) :]

    # ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────

    def place(self, team: str) -> int | None:
        """Where a team stands, from 0; `None` if it does not."""
        line = self.lines.get(team)
        if line is None:
            return None
        if line.best is not None:
            return bisect_left(self._told, line.key)
        return len(self._told) + bisect_left(self._rest, (line.name, team))

    def cut(self, first: int, count: int) -> Iterator[Line]:
        """So many lines from a place on, which is counted from 0."""
        for _, _, team in self._told[first : first + count]:
            yield self.lines[team]
        start = max(first - len(self._told), 0)
        for _, team in self._rest[start : max(first + count - len(self._told), 0)]:
            yield self.lines[team]

    def rank(self, line: Line) -> int:
        """1 + the number of lines whose whole interval lies above."""
        return 1 + len(self._lows) - bisect_right(self._lows, line.end)

    def group(self, place: int) -> tuple[int, bool]:
        """The number of the group of lines that cannot be told apart from its first, and whether it has others."""
        self._count_groups(min(place + 2, len(self._told)))
        mine = self._groups[place]
        return mine, mine in (*self._groups[max(place - 1, 0) : place], *self._groups[place + 1 : place + 2])

    def _count_groups(self, until: int) -> None:
        while len(self._groups) < until:
            place = len(self._groups)
            if not self._heads or not _overlap(self._at(self._heads[-1]), self._at(place)):
                self._heads.append(place)
            self._groups.append(len(self._heads))

    def _at(self, place: int) -> Best:
        best = self.lines[self._told[place][2]].best
        assert best is not None
        return best


def _overlap(first: Best, other: Best) -> bool:
    if first.value == other.value:
        return True
    return first.low is not None and other.high is not None and other.high >= first.low
