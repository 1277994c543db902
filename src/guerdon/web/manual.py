"""The page for programs: what the API can do, and how to begin."""

from __future__ import annotations

import inspect
from typing import Any

from guerdon.web.visit import Page, Visit


def manual(visit: Visit) -> Any:
    """All operations of the API, with an example."""
    from guerdon.web.api import OPERATIONS

    rows = [(method, f"/api/v1{path}", inspect.getdoc(work) or "") for method, path, work in OPERATIONS]
    rows.insert(6, ("POST", "/api/v1/contests/{slug}/submissions", "Hand in: the body is the file."))
    return visit.page("manual.html.jinja", title="For programs", rows=rows)


PAGES = [Page("/api", get=manual)]
"""The address of the page for programs."""
