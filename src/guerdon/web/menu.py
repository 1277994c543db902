"""What the menu offers, by what the visitor may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guerdon.hosting import Action, Role, may

if TYPE_CHECKING:
    from guerdon.web.visit import Visit


def menu(visit: Visit) -> list[tuple[str, str]]:
    """Addresses and names."""
    actor, local = visit.actor, visit.desk.settings.local
    organises = may(actor, Action.CREATE_CONTEST)
    found = [
        ("/challenges", "Challenges", True),
        ("/submissions", "Submissions", may(actor, Action.SEE_QUEUE)),
        ("/queue", "Queue", may(actor, Action.SEE_QUEUE)),
        ("/compare", "Compare", actor.role in (Role.ORGANISER, Role.ANNOTATOR)),
        ("/runs", "Runs", may(actor, Action.SEE_RUNS)),
        ("/systems", "Systems", actor.role is not Role.VISITOR),
        ("/people", "People", organises and not local),
        ("/log", "Log", may(actor, Action.SEE_LOG)),
        ("/account", "Account", bool(actor.person) and not local),
        ("/sign-in", "Sign in", not actor.person and not local),
    ]
    return [(path, name) for path, name, shown in found if shown]
