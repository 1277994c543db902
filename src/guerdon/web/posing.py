"""A new challenge from files: which it is, its data, its rules and its phases."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from guerdon.bench.loading import challenge_class, challenge_places
from guerdon.core.errors import ChallengeError, GuerdonError, did_you_mean
from guerdon.hosting import Action, HostingError
from guerdon.hosting.challenges import challenge_of
from guerdon.hosting.may import ensure
from guerdon.web import given, phasing
from guerdon.web.visit import Visit, status_of

OURS = ("new", "import")
"""Names of pages beside those of challenges."""


def most(visit: Visit) -> int:
    """As much as an organiser may send."""
    ensure(visit.actor, Action.CREATE_CONTEST)
    return visit.desk.settings.uploads


def new(visit: Visit) -> Any:
    """The form, for the challenge that was chosen."""
    ensure(visit.actor, Action.CREATE_CONTEST)
    return _form(visit, visit.query.get("challenge", ""))


def _form(visit: Visit, ref: str, error: GuerdonError | None = None) -> Any:
    known = choices(visit)
    settings: list[given.Setting] = []
    planned = [phasing.Planned()]
    if ref:
        if ref not in known:
            raise HostingError("a challenge of the list", f"got {ref!r:.60}", did_you_mean(ref[:60], known))
        kind = challenge_class(known[ref])
        settings, planned = given.settings_of(kind), phasing.planned(kind)
    return visit.page(
        "new.html.jinja", _status(error) if error else 200, title="A new challenge", ref=ref, known=sorted(known),
        settings_of=settings, planned=planned, error=error, form=visit.form, upload=visit.desk.settings.local,
        most=visit.desk.settings.uploads,
    )  # fmt: skip


def _status(error: GuerdonError) -> int:
    """A challenge that cannot be opened as it was filled in is the form's fault, not the host's."""
    return 400 if isinstance(error, ChallengeError) else status_of(error)


def choices(visit: Visit) -> Mapping[str, str]:
    """Challenges that can be posed by name: those of systems, and the Python files of the organisers' folder."""
    found = {name: name for name in challenge_places()}
    folder = visit.desk.settings.folder()
    if folder is not None:
        found |= {path.name: str(path) for path in sorted(folder.glob("*.py"))}
    return found


def create(visit: Visit) -> Any:
    """Open the challenge."""
    ensure(visit.actor, Action.CREATE_CONTEST)
    ref = visit.text("challenge")
    try:
        made = _created(visit, ref)
    except GuerdonError as error:
        return _form(visit, ref if ref in choices(visit) else "", error)
    return visit.go(f"/challenges/{made}", "created")


def _created(visit: Visit, ref: str) -> str:
    slug = free(visit.text("slug", 60))
    place = _place(visit, ref)
    try:
        return _opened(visit, slug, place)
    except GuerdonError as error:
        if not ref:
            given.rename(error, Path(place), visit.files["python"])
        raise


def _opened(visit: Visit, slug: str, place: str) -> str:
    fields = given.fields(visit, challenge_class(place))
    phases = phasing.phases(visit, challenge_of(place, fields).splits)
    made = visit.desk.host.contests.create(
        visit.actor, place, slug, visit.text("title") or slug, phases, visit.text("rules", 100_000), fields=fields,
        public=visit.form.get("public") == "yes",
    )  # fmt: skip
    return made.slug


def free(slug: str) -> str:
    """A challenge's name in addresses, if it is not that of a page.

    Raises:
        HostingError: it is.
    """
    if slug in OURS:
        raise HostingError("another name", f"{slug} is an address of ours", "Choose another")
    return slug


def _place(visit: Visit, ref: str) -> str:
    """Where the challenge is; a Python file is taken from the form on the organiser's own machine only."""
    file = visit.files.get("python")
    if file is not None and not ref:
        if not visit.desk.settings.local:
            do = "Put the file into the folder of guerdon serve --challenges"
            raise HostingError("a challenge of the list", "Python files are not taken over the net", do)
        return str(given.kept(visit, file, ".py"))
    known = choices(visit)
    if ref not in known:
        raise HostingError("a challenge of the list, or a file", f"got {ref!r:.60}", did_you_mean(ref[:60], known))
    return known[ref]
