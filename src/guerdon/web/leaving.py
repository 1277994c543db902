"""One person: what is kept of them to take along, and forgetting them. For organisers; own data also for oneself."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from guerdon.core.errors import GuerdonError
from guerdon.hosting import Action, HostingError
from guerdon.hosting.may import ensure
from guerdon.web.accounts import host_mode
from guerdon.web.visit import Page, Visit, status_of


def person(visit: Visit) -> Any:
    """A person, for organisers."""
    return _person(visit)


def _person(visit: Visit, error: GuerdonError | None = None) -> Any:
    found = visit.desk.host.people.get(visit.path["id"])
    ensure(visit.actor, Action.FORGET, found)
    return visit.page(
        "person.html.jinja", status_of(error) if error else 200, title=found.name, person=found, error=error
    )  # fmt: skip


def own_data(visit: Visit) -> Any:
    """A zip of all that is kept of the visitor."""
    host_mode(visit)
    return _data(visit, visit.actor.person)


def data(visit: Visit) -> Any:
    """A zip of all that is kept of somebody."""
    return _data(visit, visit.path["id"])


def _data(visit: Visit, person: str) -> Any:
    return visit.desk.leaving.lent(visit.actor.person, "copies of data", lambda: _zip(visit, person))


def _zip(visit: Visit, person: str) -> Any:
    from starlette.background import BackgroundTask
    from starlette.responses import FileResponse

    folder = Path(tempfile.mkdtemp(prefix="guerdon-data-"))
    try:
        visit.desk.host.forgetting.write(visit.actor, person, folder / "data.zip")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    gone = BackgroundTask(shutil.rmtree, folder, ignore_errors=True)
    return FileResponse(folder / "data.zip", media_type="application/zip", filename="data.zip", background=gone)


def forget(visit: Visit) -> Any:
    """Forget somebody for good; the box that says so must be ticked."""
    everything = visit.form.get("everything") == "yes"
    try:
        if visit.form.get("sure") != "yes":
            raise HostingError("a tick at “for good”", "there is none", "Tick it if you are sure")
        visit.desk.host.forgetting.forget(visit.actor, visit.path["id"], with_submissions=everything)
    except GuerdonError as error:
        return _person(visit, error)
    return visit.go("/people", "forgotten")


PAGES = [
    Page("/account/data", post=own_data),
    Page("/people/{id}", get=person),
    Page("/people/{id}/data", post=data),
    Page("/people/{id}/forget", post=forget),
]
"""Addresses of those who leave."""
