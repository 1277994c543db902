"""What an organiser does while a contest runs: its texts, times and limits; what is taken away; the log of it all."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from guerdon.core.errors import GuerdonError
from guerdon.hosting import Action, Contest, EditedError, HostingError, Phase
from guerdon.hosting.may import ensure
from guerdon.web import phasing
from guerdon.web.visit import Page, Visit, status_of

LINES = 100
"""Lines of the log on a page."""
ENDINGS = {"json": "application/json", "csv": "text/csv; charset=utf-8", "evalai": "application/json"}


def edit(visit: Visit) -> Any:
    """What can be changed while it runs."""
    return _edit(visit, _run(visit))


def _run(visit: Visit) -> Contest:
    contest = visit.desk.host.contests.get(visit.actor, visit.path["slug"])
    ensure(visit.actor, Action.RUN_CONTEST, contest)
    return contest


def _edit(visit: Visit, contest: Contest, error: GuerdonError | None = None) -> Any:
    rows = [(phase, f"-{phase.place}", _limits(phase)) for phase in contest.phases]
    return visit.page(
        "edit.html.jinja", status_of(error) if error else 200, title=f"Change {contest.title}", contest=contest,
        rows=rows, typed_time=typed_time, error=error, form=visit.form,
    )  # fmt: skip


def _limits(phase: Phase) -> Mapping[str, str]:
    """Limits as they stand in the form's fields."""
    plain = asdict(phase.limits)
    plain |= {"size": plain["size"] // phasing.MIB, "seconds": int(plain["seconds"]), "memory": plain.pop("memory_mb")}
    return {name: "" if value is None else str(value) for name, value in plain.items()}


def typed_time(seconds: float | None) -> str:
    """A time as a form's field has it, in UTC.

    >>> typed_time(86400.0), typed_time(None)
    ('1970-01-02T00:00', '')
    """
    return "" if seconds is None else time.strftime("%Y-%m-%dT%H:%M", time.gmtime(seconds))


def change(visit: Visit) -> Any:
    """Change the texts, or one phase. What another organiser changed meanwhile is not written over."""
    contest = _run(visit)
    try:
        version = phasing.whole(visit, "version")
        if visit.text("phase"):
            _change_phase(visit, contest.slug, contest.phase(visit.text("phase")), version)
        else:
            _change_texts(visit, contest.slug, version)
    except GuerdonError as error:
        newest = _run(visit) if isinstance(error, EditedError) else contest
        return _edit(visit, newest, error)
    return visit.go(f"/challenges/{contest.slug}/edit", "changed")


def _change_texts(visit: Visit, slug: str, version: int | None) -> None:
    title = visit.text("title")
    if not title:
        raise HostingError("a title", "there is none", "Write one")
    visit.desk.host.contests.change(
        visit.actor, slug, title=title, rules_markdown=visit.text("rules", 100_000),
        public=visit.form.get("public") == "yes", version=version,
    )  # fmt: skip


def _change_phase(visit: Visit, slug: str, phase: Phase, version: int | None) -> None:
    """Change what was touched: a time that was not keeps its seconds, and a size its bytes."""
    mark = f"-{phase.place}"
    new = asdict(phasing.limits(visit, mark))
    touched = [name for name, shown in _limits(phase).items() if visit.text(f"{name}{mark}", 20) != shown]
    names = [{"memory": "memory_mb"}.get(name, name) for name in touched]
    times = {
        name: phasing.moment(visit, f"{name}{mark}")
        for name in ("opens", "closes")
        if visit.text(f"{name}{mark}", 40) != typed_time(getattr(phase, name))
    }
    visit.desk.host.contests.change_phase(
        visit.actor, slug, phase.name, limits={name: new[name] for name in names}, version=version, **times
    )


def export(visit: Visit) -> Any:
    """A contest's boards and submissions as a file; sealed phases only when they are revealed. The log has it."""
    from starlette.responses import Response

    contest, kind = _run(visit), visit.text("format", 20)
    content = visit.desk.host.exports.text(visit.actor, contest.slug, kind)  # type: ignore[arg-type]  # it checks that
    ending = "csv" if kind == "csv" else "json"
    heads = {"content-disposition": f'attachment; filename="{contest.slug}-{kind}.{ending}"'}
    return Response(content.encode(), media_type=ENDINGS[kind], headers=heads)


def log(visit: Visit) -> Any:
    """What organisers did, newest first."""
    contest = visit.query.get("challenge", "")
    before = visit.number("before", 1, 1 << 40, 0) or None
    deeds = visit.desk.host.log(visit.actor, contest, before, LINES + 1)
    return visit.page(
        "log.html.jinja", title="Log", deeds=deeds[:LINES], contest=contest,
        older=deeds[LINES - 1].seq if len(deeds) > LINES else None, before=before,
        names={each.id: each.name for each in visit.desk.host.people.list(visit.actor)},
    )  # fmt: skip


PAGES = [
    Page("/challenges/{slug}/edit", get=edit, post=change),
    Page("/challenges/{slug}/export", post=export),
    Page("/log", get=log),
]
"""Addresses of organisers."""
