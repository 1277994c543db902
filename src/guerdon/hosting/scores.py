"""What the ledger says of a phase's submissions, kept up to date by reading only what is new in it.

A submission is a step of its phase's run, an item of it a place. The newest verdict that was not superseded counts.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from guerdon.hosting.store import Store
from guerdon.hosting.things import Shown
from guerdon.ledger.codec import loads, pack, unpack
from guerdon.ledger.estimates import mean_interval

PAGE = 100_000
Item = tuple[float | None, str | None]
"""A value, or whose fault it is that there is none."""


@dataclass
class Run:
    """What has been read of one run."""

    seq: int
    last: int = 0
    items: dict[int, dict[int, Item]] = field(default_factory=dict)
    order: dict[int, int] = field(default_factory=dict)  # step to the first verdict's place in the ledger
    changed: set[int] = field(default_factory=set)


class Scores:
    """Values of the submissions of each phase."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._runs: dict[str, Run] = {}
        self._guard = threading.RLock()

    def read(self, run: str) -> Run:
        """Take in the verdicts that are new."""
        with self._guard:
            if run not in self._runs:
                found = self._store.rows("SELECT seq FROM runs WHERE id = ?", [pack(run)])
                self._runs[run] = Run(int(found[0][0]))
            known = self._runs[run]
            newest = int(self._store.rows("SELECT COALESCE(MAX(seq), 0) FROM verdicts")[0][0])
            while known.last < newest:
                known.last = self._page(known, newest)
            return known

    def _page(self, known: Run, newest: int) -> int:
        """Take in a page of verdicts of any run; returns how far it goes."""
        until = min(known.last + PAGE, newest)
        for seq, step, place, value, whose in self._store.rows(_NEW, [known.last, until, known.seq]):
            known.items.setdefault(step, {})[place] = (value, whose)
            known.order.setdefault(step, seq)
            known.changed.add(step)
        return until

    def values(self, run: str, step: int, count: int, floor: float) -> list[float] | None:
        """The values of a submission's items; `None` while one is not known and the entrant is not to blame."""
        return self.values_now(self.read(run), step, count, floor)

    def values_now(self, run: Run, step: int, count: int, floor: float) -> list[float] | None:
        """As `values`, of what has been read already."""
        return items_to_values(run.items.get(step, {}), count, floor)

    def shown(self, run: str, step: int, count: int, floor: float) -> Shown | None:
        """A submission's score with its interval and parts."""
        values = self.values(run, step, count, floor)
        if values is None:
            return None
        if count > 1:
            mean, interval = mean_interval(values)
            return Shown(mean, *(interval or (None, None)))
        parts = self.parts(run, step)
        return Shown(values[0], *interval_of(values[0], parts), parts)

    def parts(self, run: str, step: int) -> dict[str, float]:
        """The named components of the score of a submission that is one item."""
        rows = self._store.rows(_SCORE, [self.read(run).seq, step])
        found = loads(rows[0][0]).get("parts", {}) if rows else {}
        return {str(name): float(value) for name, value in found.items()}

    def attempts(self, run: str, step: int) -> tuple[str, ...]:
        """Ids of a submission's attempts."""
        return tuple(unpack(row[0]) for row in self._store.rows(_ATTEMPTS, [self.read(run).seq, step]))


def items_to_values(items: dict[int, Item], count: int, floor: float) -> list[float] | None:
    """Values in the order of the tasks: the floor where the entrant's own answer failed; `None` if one is not known
    for another reason, or all failed.
    """
    if len(items) < count or any(value is None and whose != "solver" for value, whose in items.values()):
        return None
    if all(value is None for value, _ in items.values()):
        return None
    return [floor if items[place][0] is None else float(items[place][0] or 0.0) for place in range(count)]


def interval_of(value: float, parts: dict[str, float]) -> tuple[float | None, float | None]:
    """The interval that a judge gives as the parts `low` and `high`, if it holds the value."""
    low, high = parts.get("low"), parts.get("high")
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high) and low <= value <= high):
        return None, None
    return low, high


def mean(values: Sequence[float]) -> float:
    """The exact mean."""
    return math.fsum(values) / len(values)


_NEW = (  # the inner query first, whatever a planner thinks: it is short, while the attempts of a run are many
    "SELECT v.seq, a.step, a.place, v.value, v.whose FROM (SELECT seq, attempt, value, whose FROM verdicts "
    f"WHERE seq > ? AND seq <= ? AND superseded = 0 ORDER BY seq LIMIT {PAGE}) v "
    "JOIN attempts a ON a.seq = v.attempt WHERE a.run = ? ORDER BY v.seq"
)
_SCORE = (
    "SELECT v.score FROM verdicts v JOIN attempts a ON a.seq = v.attempt "
    "WHERE a.run = ? AND a.step = ? AND v.superseded = 0 ORDER BY v.seq DESC LIMIT 1"
)
_ATTEMPTS = "SELECT id FROM attempts WHERE run = ? AND step = ? ORDER BY place"
