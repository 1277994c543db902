"""A contest from elsewhere, by the form: an EvalAI zip, a Codabench bundle, or Kaggle's tables in a zip."""

from __future__ import annotations

import secrets
import shutil
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from guerdon.core.errors import GuerdonError
from guerdon.hosting import Action, HostingError, Limits, Phase
from guerdon.hosting.may import ensure
from guerdon.web import given
from guerdon.web.posing import free, most
from guerdon.web.visit import Page, Visit, status_of

if TYPE_CHECKING:
    from guerdon.interop.contest_folder import Contest, Split

PLACE = "guerdon.interop.foreign:ForeignContest"


def form(visit: Visit) -> Any:
    """Where a contest's file is handed in."""
    ensure(visit.actor, Action.CREATE_CONTEST)
    return _form(visit)


def _form(visit: Visit, error: GuerdonError | None = None) -> Any:
    return visit.page(
        "import.html.jinja", status_of(error) if error else 200, title="A contest from elsewhere", error=error,
        form=visit.form, most=visit.desk.settings.uploads,
    )  # fmt: skip


def take(visit: Visit) -> Any:
    """Import the file and open it, with the original's limits and times. Its evaluator runs in the sandbox only."""
    ensure(visit.actor, Action.CREATE_CONTEST)
    try:
        contest, slug = _taken(visit)
    except GuerdonError as error:
        return _form(visit, error)
    return visit.page("imported.html.jinja", title="It is taken over", contest=contest, slug=slug)


def _taken(visit: Visit) -> tuple[Contest, str]:
    from guerdon.interop.contests import import_contest

    file, slug = visit.files.get("file"), visit.text("slug", 60)
    if file is None:
        raise HostingError("a contest's zip", "there is none", "Choose the file")
    source = given.kept(visit, file, ".zip")
    folder = source.with_name(secrets.token_hex(16))
    try:
        contest = import_contest(
            source, folder, metric=visit.text("metric"), title=visit.text("title"),
            higher=False if visit.form.get("lower") == "yes" else None,
            results_only=visit.form.get("results") == "yes",
        )  # fmt: skip
        slug, phases = free(slug or contest.slug), [_phase(split) for split in contest.splits]
        made = visit.desk.host.contests.create(
            visit.actor, PLACE, slug, contest.title, phases, visit.text("rules", 100_000),
            fields={"folder": str(folder)},
        )  # fmt: skip
    except GuerdonError as error:
        shutil.rmtree(folder, ignore_errors=True)
        given.rename(error, source, file)
        raise
    return contest, made.slug


def _phase(split: Split) -> Phase:
    """A phase as the original says. An end that has passed is left out: nobody could hand in."""
    closes = _moment(split.closes)
    return Phase(
        split.name, split.name, _moment(split.opens), closes if closes is None or closes > time.time() else None,
        limits=Limits(**split.limits),
    )  # fmt: skip


def _moment(text: str) -> float | None:
    return datetime.fromisoformat(text).timestamp() if text else None


PAGES = [Page("/challenges/import", get=form, post=take, most=most)]
"""Addresses of contests from elsewhere."""
