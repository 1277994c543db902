"""The queue's page: what waits, for how long, who judges it, and the two buttons that always work."""

from __future__ import annotations

from typing import Any

from guerdon.hosting import QueueView
from guerdon.report import text
from guerdon.report.page import Card
from guerdon.web.visit import Page, Visit

LATE_S = 120.0
"""A worker that has shown no life for so long, while something waits, is worth a warning."""


def queue(visit: Visit) -> Any:
    """How the queue stands."""
    view = visit.desk.host.queue.view(visit.actor)
    return visit.page("queue.html.jinja", title="Queue", view=view, cards=_cards(view), stuck=stuck(view))


def _cards(view: QueueView) -> list[Card]:
    late = stuck(view)
    workers = {line.worker for line in view.items if line.since_heartbeat is not None and line.worker}
    return [
        Card("Waiting", text.count(view.queued)),
        Card("Being judged", text.count(view.leased), ", ".join(sorted(workers))),
        Card(
            "Oldest has waited", text.duration(view.oldest) if view.oldest is not None else "–", "",
            "warn" if late else "",
        ),
        Card(
            "Last sign of a worker", "none yet" if view.last_sign is None else f"{text.duration(view.last_sign)} ago",
            "workers sign while they judge", "bad" if late else "",
        ),
    ]  # fmt: skip


def stuck(view: QueueView) -> bool:
    """Something waits and nobody works."""
    quiet = view.last_sign is None or view.last_sign > LATE_S
    return view.oldest is not None and view.oldest > 15 and view.leased == 0 and quiet


PAGES = [Page("/queue", get=queue)]
"""Addresses of the queue."""
