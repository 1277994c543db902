"""The page for programs: what the API can do, and how to begin."""

from __future__ import annotations

import inspect
from typing import Any

from guerdon.web.visit import Page, Visit


def manual(visit: Visit) -> Any:
    """All operations of the API, with an example."""
    from guerdon.web.api import FILES, OPERATIONS

    rows = [(method, f"/api/v1{path}", inspect.getdoc(work) or "") for method, path, work in OPERATIONS]
    files = [(method, f"/api/v1{path}", what) for method, path, what in FILES]
    rows = [*rows[:6], files[0], *rows[6:], *files[1:]]
    return visit.page("manual.html.jinja", title="For programs", rows=rows)


PAGES = [Page("/api", get=manual)]
"""The address of the page for programs."""
