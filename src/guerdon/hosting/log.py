"""What organisers did: who, what, when. Written in the transaction that does it, never changed, without anybody's name.

A person is named by id, and shown by name as long as they want to be known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from guerdon.hosting.may import Action, ensure
from guerdon.hosting.store import Store, pack, unpack, unpacked
from guerdon.hosting.things import Actor
from guerdon.report.text import moment

PAGE = 200


@dataclass(frozen=True, slots=True)
class Deed:
    """A line of the log.

    Args:
        seq: its number; ask for those before it to see older ones.
        at: unix seconds.
        person: id of who did it.
        name: of them now; a pseudonym if they were forgotten.
        action: a verb: "invite", "reveal", "change phase", ...
        contest: slug of the contest or comparison project, or "".
        object: what it was done to: a phase's name or an id.
        detail: what else there is to say; of what was changed, the old and the new value.
    """

    seq: int
    at: float
    person: str
    name: str
    action: str
    contest: str
    object: str
    detail: Mapping[str, Any]

    @property
    def words(self) -> str:
        """The detail in a line: of a change, from what to what.

        >>> Deed(1, 0.0, "", "", "change", "", "", {"per_day": [5, None], "public": False}).words
        'per day 5 → none, public no'
        """
        return ", ".join(f"{name.replace('_', ' ')} {_said(name, value)}" for name, value in self.detail.items())


def _said(name: str, value: Any) -> str:
    if isinstance(value, list) and len(value) == 2 and name not in ("phases", "changed"):
        return f"{_said(name, value[0])} → {_said(name, value[1])}"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "nothing"
    if name in ("opens", "closes"):
        return moment(value) if isinstance(value, (int, float)) else "not set"
    if name == "number":  # of a submission, counted from 1 wherever people read it
        return str(value + 1)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)


class Log:
    """The log of a host."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def entries(self, actor: Actor, contest: str = "", before: int | None = None, limit: int = PAGE) -> list[Deed]:
        """What was done, newest first, a page at a time.

        Args:
            actor: an organiser.
            contest: slug of a contest or comparison project; everything by default.
            before: only lines with a smaller `seq`, for the next page.
            limit: how many at most.
        """
        ensure(actor, Action.SEE_LOG)
        terms, values = ["1 = 1"], list[Any]()
        for term, value in (("l.contest = ?", pack(contest[:60])), ("l.seq < ?", before)):
            if value not in ("", None):
                terms, values = [*terms, term], [*values, value]
        return self._lines(" AND ".join(terms), [*values, limit])

    def of(self, person: str) -> list[Deed]:
        """What one person did, for the host's own use."""
        return self._lines("l.person = ?", [person, 1 << 31])

    def _lines(self, where: str, values: Sequence[Any]) -> list[Deed]:
        rows = self._store.rows(f"{_LINES} WHERE {where} ORDER BY l.seq DESC LIMIT ?", values)
        return [
            Deed(seq, at, who, _name(who, name), action, unpack(slug), unpack(thing), unpacked(detail) or {})
            for seq, at, who, name, action, slug, thing, detail in rows
        ]


def _name(person: str, name: str | None) -> str:
    return "local" if person == "local" else unpack(name or "")


_LINES = (
    "SELECT l.seq, l.at, l.person, p.name, l.action, l.contest, l.object, l.detail "
    "FROM hosting_log l LEFT JOIN hosting_people p ON p.id = l.person"
)
