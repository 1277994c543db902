"""What all requests share: the host, the templates, the counters."""

from __future__ import annotations

import functools
import hashlib
import threading
import time
from collections.abc import Hashable, Mapping
from contextlib import AbstractContextManager, nullcontext
from importlib.resources import files
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from guerdon.hosting import Action, Actor, Contest, Host, Phase, may
from guerdon.report import text
from guerdon.web.drawing import share
from guerdon.web.guard import SMALL
from guerdon.web.kept import Kept
from guerdon.web.limits import Rate, Seats
from guerdon.web.markdown import markdown
from guerdon.web.menu import menu
from guerdon.web.readings import Readings
from guerdon.web.settings import Settings

if TYPE_CHECKING:
    from jinja2 import Environment

MEDIA = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


class Desk:
    """What all requests share.

    Args:
        host: the contests.
        settings: whom they are served to.
    """

    def __init__(self, host: Host, settings: Settings) -> None:
        self.host, self.settings = host, settings
        self.changes, self.shared = Rate(settings.changes), Rate(5 * settings.changes)
        self.sign_ins = Rate(20)
        self.over = threading.Event()
        self.seats = Seats(settings.streams)
        self.tables = Kept()
        many = 1 << 30 if settings.local else 0  # nobody else is there
        self.sending, self.fetching = Seats(many or 4, many or 64), Seats(many or 2, many or 16)
        self.reading, self.leaving = Seats(many or 6, many or 48), Seats(many or 1, many or 4)
        self.readings = Readings()
        self.reports = Readings(most=4)
        self.alike = Readings(most=16)
        self._boards = Readings(most=1 << 20)

    def ledger_mark(self) -> Hashable:
        """Another value whenever a run of the ledger has grown or changed its status."""
        statuses = self.host.ledger.query("SELECT status, COUNT(*) FROM runs GROUP BY status ORDER BY status")
        return self.host.ledger.revision(), *statuses

    def forgotten(self) -> int:
        """Another number whenever somebody was forgotten: what was read before may not be shown any more."""
        return int(self.host.store.rows("SELECT COALESCE(MAX(seq), 0) FROM hosting_log WHERE action = 'forget'")[0][0])

    def has_read(self, contest: Contest, phase: Phase, ends: float | None = None) -> bool:
        """Whether the board of a phase can be asked for at once; if not, it is being read from now on.

        After a start the first look at a board reads all that was ever judged in its phase.

        Args:
            contest: of a host.
            phase: of it.
            ends: until then, by the monotonic clock, it is waited for; a moment by default.

        Raises:
            GuerdonError: it cannot be read.
        """

        def read() -> str:
            return self.host.board_mark(contest.slug, phase.name, Actor.local())

        patience = None if ends is None else max(ends - time.monotonic(), 0.0)
        return self._boards.get((f"{contest.id}/{phase.name}", False), None, read, patience)[1] > 0

    def cookie(self, name: str) -> str:
        """A cookie's name; over https one that no other host can set."""
        return f"__Host-guerdon-{name}" if self.settings.secure else f"guerdon-{name}"

    def may_change(self, person: str, address: str) -> bool:
        """Count a change; False if the account or the address, which many may share, has none left."""
        from_there = self.shared.take(address)
        return (self.changes.take(person) if person else self.changes.take(f"address {address}")) and from_there

    def upload(self, person: str, most: int, headers: Mapping[str, str]) -> AbstractContextManager[None]:
        """Room for a body: an account sends a few large ones at a time, and no disk is full of them.

        Args:
            person: whose.
            most: bytes that are taken.
            headers: of the request, which may say how many bytes come.

        Raises:
            LimitError: there is none.
        """
        told = "transfer-encoding" not in headers  # which wins where both are there
        length = int(headers.get("content-length", most)) if told else most
        free = min(most, length) <= SMALL
        return nullcontext() if free else self.sending.held(person, "large files sent")

    def render(self, name: str, **context: Any) -> str:
        """A template, with everything escaped."""
        return environment().get_template(name).render(desk=self, settings=self.settings, **context)


@functools.cache
def environment() -> Environment:
    """The templates of the application; those of reports are under `report/`."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, PrefixLoader, StrictUndefined

    loader = ChoiceLoader([PackageLoader("guerdon.web"), PrefixLoader({"report": PackageLoader("guerdon.report")})])
    made = Environment(
        loader=loader, autoescape=True, finalize=_shown, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.globals.update(
        t=text, may=may, Action=Action, markdown=markdown, asset=asset, size=size, menu=menu, share=share
    )
    return made


def _shown(value: Any) -> Any:
    """What any expression in a template becomes before it is escaped."""
    if value is None:
        return text.UNKNOWN
    return text.visible(value) if type(value) is str else value


def size(count: int) -> str:
    """Bytes as a person says them.

    >>> size(512), size(268435456)
    ('512 bytes', '256 MiB')
    """
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if count >= unit:
            return f"{text.number(count / unit, 3)} {name}"
    return f"{count:,} bytes"


@functools.cache
def assets() -> dict[str, tuple[bytes, str]]:
    """Style and scripts by name, with their media types. Nothing else is served as a file."""
    found = {
        each.name: (each.read_bytes(), MEDIA[PurePosixPath(each.name).suffix])
        for each in files("guerdon.web").joinpath("static").iterdir()
        if PurePosixPath(each.name).suffix in MEDIA
    }
    report = files("guerdon.report").joinpath("templates", "style.css").read_bytes()
    found["app.css"] = (report + b"\n" + found["app.css"][0], MEDIA[".css"])
    return found


@functools.cache
def asset(name: str) -> str:
    """The address of a static file, which changes with its content."""
    return f"/static/{name}?v={hashlib.sha256(assets()[name][0]).hexdigest()[:12]}"
