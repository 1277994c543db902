"""The published systems: their cards, and what became of their claims."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

from guerdon.bench.loading import card, cards
from guerdon.bench.reproduce import recorded, tally
from guerdon.core.errors import ConfigError
from guerdon.hosting import NotAllowedError, NotFoundError, Role
from guerdon.report import experiment
from guerdon.report.experiment import effect
from guerdon.web.visit import Page, Visit

TONES = {"supported": "good", "refuted": "bad", "inconclusive": "warn"}


def systems(visit: Visit) -> Any:
    """All systems with the verdicts on their claims."""
    _ensure_in(visit)
    found = [(each, recorded(each.slug)) for each in cards().values()]
    rows = [(each, document, tally(document) if document else {}) for each, document in found]
    return visit.page("systems.html.jinja", title="Systems", rows=rows, tones=TONES)


def system(visit: Visit) -> Any:
    """One system: what it is, what it claims, what was found."""
    _ensure_in(visit)
    found = _card(visit)
    return visit.page(
        "system.html.jinja", title=found.title, card=found, document=recorded(found.slug), tones=TONES, effect=effect
    )


def _card(visit: Visit) -> Any:
    try:
        return card(visit.path["slug"])
    except ConfigError as error:
        raise NotFoundError(error.expected, error.got, "See the list of systems") from None


def report(visit: Visit) -> Any:
    """The whole report of a system's experiments."""
    _ensure_in(visit)
    found = _card(visit)
    document = recorded(found.slug)
    if document is None:
        raise NotFoundError("recorded verdicts", "there are none", f"Run guerdon reproduce {found.slug}")
    return standalone(experiment.render(document))


def _ensure_in(visit: Visit) -> None:
    if visit.actor.role is Role.VISITOR:
        raise NotAllowedError("somebody who takes part", "you have not signed in", "Sign in")


def standalone(html: str) -> Any:
    """A report page under a policy of its own: exactly its one style, and nothing that runs.

    Args:
        html: from `guerdon.report`, whose every text is escaped.
    """
    from starlette.responses import HTMLResponse

    styles = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    sums = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in styles[:1]]
    allowed = " ".join(f"'sha256-{each}'" for each in sums) or "'none'"
    policy = (
        f"default-src 'none'; style-src {allowed}; img-src data:; form-action 'none'; frame-ancestors 'none'; "
        "base-uri 'none'; sandbox"
    )
    html = html.replace("style-src 'unsafe-inline'", f"style-src {allowed}", 1)
    return HTMLResponse(html, headers={"content-security-policy": policy})


PAGES = [
    Page("/systems", get=systems),
    Page("/systems/{slug}", get=system),
    Page("/systems/{slug}/report", get=report),
]
"""Addresses of systems."""
