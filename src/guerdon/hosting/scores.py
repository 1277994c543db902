"""What the ledger says of a phase's submissions, kept up to date by reading only what is new in it.

A submission is a step of its phase's run, an item of it a place. The newest verdict that was not superseded counts.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from guerdon.hosting.store import Store
from guerdon.hosting.things import Shown
from guerdon.ledger.codec import loads, pack, unpack
from guerdon.ledger.estimates import mean_interval

PAGE = 100_000
ASKED = 500
"""So many submissions are asked for in one query."""
Item = float | str
"""A value, or whose fault it is that there is none."""


@dataclass
class Run:
    """What has been read of one run; one thread at a time adds to it."""

    seq: int
    last: int = 0
    whole: bool = False
    guard: threading.RLock = field(default_factory=threading.RLock)
    items: dict[int, Item | dict[int, Item]] = field(default_factory=dict)  # bare where there is but place 0
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
        known = self._run(run)
        with known.guard:
            newest = int(self._store.rows("SELECT COALESCE(MAX(seq), 0) FROM verdicts")[0][0])
            while known.last < newest:
                known.last = self._page(known, newest)
            known.whole = True
            return known

    def _run(self, run: str) -> Run:
        """What is known of a run, however much that is."""
        with self._guard:
            if run not in self._runs:
                found = self._store.rows("SELECT seq FROM runs WHERE id = ?", [pack(run)])
                self._runs[run] = Run(int(found[0][0]))
            return self._runs[run]

    def _page(self, known: Run, newest: int) -> int:
        """Take in a page of verdicts of any run; returns how far it goes."""
        until = min(known.last + PAGE, newest)
        for seq, step, place, value, whose in self._store.rows(_NEW, [known.last, until, known.seq]):
            _put(known.items, step, place, (whose or "") if value is None else value)
            known.order.setdefault(step, seq)
            known.changed.add(step)
        return until

    def values_now(self, run: Run, step: int, count: int, floor: float) -> list[float] | None:
        """The values of a submission's items, of what has been read already; `None` while one is not known and the
        entrant is not to blame.
        """
        found = run.items.get(step, {})
        if count == 1 and isinstance(found, float):
            return [found]
        return items_to_values(found if isinstance(found, dict) else {0: found}, count, floor)

    def shown(self, run: str, step: int, count: int, floor: float) -> Shown | None:
        """A submission's score with its interval and parts; read alone where its run has not been read yet."""
        known = self._run(run)
        found = self.read(run) if known.whole else self._alone(known.seq, step)
        return self.all_shown(found, [step], count, floor).get(step)

    def _alone(self, run: int, step: int) -> Run:
        """What there is to read of one submission, however many others its run has."""
        alone = Run(run)
        for place, value, whose in self._store.rows(_OF_STEP, [run, step]):
            _put(alone.items, step, place, (whose or "") if value is None else value)
        return alone

    def all_shown(self, run: Run, steps: Sequence[int], count: int, floor: float) -> dict[int, Shown]:
        """As `shown`, of several submissions by number, and of what has been read already."""
        values = {step: self.values_now(run, step, count, floor) for step in steps}
        known = {step: found for step, found in values.items() if found is not None}
        if count > 1:
            return {step: _mean_shown(found) for step, found in known.items()}
        parts = self._parts(run, list(known))
        return {
            step: Shown(value, *interval_of(value, parts.get(step, {})), parts.get(step, {}))
            for step, (value,) in known.items()
        }

    def _parts(self, run: Run, steps: Sequence[int]) -> dict[int, dict[str, float]]:
        """The named components of the scores of submissions that are one item."""
        found: dict[int, dict[str, float]] = {}
        for first in range(0, len(steps), ASKED):
            some = steps[first : first + ASKED]
            sql = _SCORES.format(", ".join("?" * len(some)))
            for step, document in self._store.rows(sql, [run.seq, *some]):
                parts = {} if document == "{}" else loads(document).get("parts", {})
                found[step] = finite(parts)
        return found

    def attempts(self, run: str, step: int) -> tuple[str, ...]:
        """Ids of a submission's attempts."""
        return tuple(unpack(row[0]) for row in self._store.rows(_ATTEMPTS, [self._run(run).seq, step]))


def _put(items: dict[int, Item | dict[int, Item]], step: int, place: int, item: Item) -> None:
    kept = items.get(step)
    if isinstance(kept, dict):
        kept[place] = item
    elif place == 0:
        items[step] = item
    else:
        items[step] = {place: item} if kept is None else {0: kept, place: item}


def _mean_shown(values: Sequence[float]) -> Shown:
    average, interval = mean_interval(values)
    return Shown(average, *(interval or (None, None)))


def items_to_values(items: Mapping[int, Item], count: int, floor: float) -> list[float] | None:
    """Values in the order of the tasks: the floor where the entrant's own answer failed; `None` if one is not known
    for another reason, or all failed.
    """
    if len(items) < count or any(isinstance(item, str) and item != "solver" for item in items.values()):
        return None
    if all(isinstance(item, str) for item in items.values()):
        return None
    found = [items[place] for place in range(count)]
    return [floor if isinstance(item, str) else float(item) for item in found]


def finite(parts: Any) -> dict[str, float]:
    """Parts of a score that are finite numbers; what a judge says besides is left out, since no page can show it.

    >>> finite({"recall": 0.5, "r": float("nan"), "n": 10**400, "who": "me"})
    {'recall': 0.5}
    """
    found: dict[str, float] = {}
    for name, value in parts.items() if isinstance(parts, Mapping) else ():
        with contextlib.suppress(TypeError, ValueError, OverflowError):
            if not isinstance(value, (str, bytes)) and math.isfinite(number := float(value)):
                found[str(name)] = number
    return found


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
_OF_STEP = (  # as `_NEW`, of one step
    "SELECT a.place, v.value, v.whose FROM attempts a JOIN verdicts v ON v.attempt = a.seq "
    "WHERE a.run = ? AND a.step = ? AND v.superseded = 0 ORDER BY v.seq"
)
_SCORES = (  # the newest comes last
    "SELECT a.step, v.score FROM attempts a JOIN verdicts v ON v.attempt = a.seq "
    "WHERE a.run = ? AND a.step IN ({}) AND v.superseded = 0 ORDER BY v.seq"
)
_ATTEMPTS = "SELECT id FROM attempts WHERE run = ? AND step = ? ORDER BY place"
