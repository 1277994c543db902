"""What has changed, for pages that follow along."""

from __future__ import annotations

from guerdon.hosting.contests import Contests
from guerdon.hosting.errors import NotFoundError
from guerdon.hosting.may import Action, may
from guerdon.hosting.store import Store, unpack
from guerdon.hosting.things import Actor, Change, Role

MANY = 1000
"""So many changes are looked at in one go."""


class Events:
    """A stream of changes with numbers, so that whoever comes back asks for what came after the last one seen."""

    def __init__(self, store: Store, contests: Contests) -> None:
        self._store, self._contests = store, contests

    def newest(self) -> int:
        """The number of the newest change."""
        return int(self._store.rows("SELECT COALESCE(MAX(seq), 0) FROM hosting_events")[0][0])

    def after(self, after: int, actor: Actor | None = None) -> list[Change]:
        """What changed after a number, in order; of several changes of one thing the last.

        An actor is told of what belongs to others only that something in the contest has changed. Without an actor
        nothing is told but that.
        """
        asker = actor or Actor.visitor()
        sql = f"SELECT seq, kind, contest, object, team FROM hosting_events WHERE seq > ? ORDER BY seq LIMIT {MANY}"
        found: dict[tuple[str, str, str], Change] = {}
        visible: dict[str, bool] = {}
        for seq, kind, slug, thing, team in self._store.rows(sql, [after]):
            contest = unpack(slug)
            if contest not in visible:
                visible[contest] = self._visible(asker, contest)
            own = asker.role is Role.ORGANISER or (bool(team) and team == asker.team)
            shown = thing if visible[contest] and own else ""
            contest = contest if visible[contest] else ""
            found.pop((kind, contest, shown), None)
            found[kind, contest, shown] = Change(int(seq), kind, contest, shown)
        return list(found.values())

    def _visible(self, actor: Actor, slug: str) -> bool:
        try:
            return bool(slug) and may(actor, Action.SEE_CONTEST, self._contests.find(slug))
        except NotFoundError:
            return False
