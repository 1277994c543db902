"""What is kept of a person, to take along; and forgetting them. For organisers; a person's own data also for them."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from guerdon.core.errors import GuerdonError
from guerdon.hosting import HostingError
from guerdon.web.accounts import host_mode, people_page
from guerdon.web.visit import Page, Visit


def own_data(visit: Visit) -> Any:
    """A zip of all that is kept of the visitor."""
    host_mode(visit)
    return _data(visit, visit.actor.person)


def data(visit: Visit) -> Any:
    """A zip of all that is kept of somebody."""
    return _data(visit, visit.path["id"])


def _data(visit: Visit, person: str) -> Any:
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
        return people_page(visit, error=error)
    return visit.go("/people", "forgotten")


PAGES = [
    Page("/account/data", post=own_data),
    Page("/people/{id}/data", post=data),
    Page("/people/{id}/forget", post=forget),
]
"""Addresses of those who leave."""
