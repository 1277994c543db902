"""One request, as a page meets it: who asks, what was sent, and the ways to answer."""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from guerdon.core.errors import ConfigError, GuerdonError
from guerdon.hosting import Actor, HostingError, LimitError, NotAllowedError, Role
from guerdon.hosting.errors import BrokenError
from guerdon.web.guard import SMALL, RefusedError, address_of, told

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from guerdon.web.desk import Desk

MONTH_S = 30 * 86400
FIELDS = 200
AGAIN_S = 3
"""Seconds after which a page asks again for what is being made."""
SAID = {
    "submitted": "Handed in. It is judged as soon as a worker is free.",
    "cancelled": "Cancelled.",
    "retried": "Put back into the queue.",
    "chosen": "Chosen to count in the end.",
    "unchosen": "Not chosen to count any more.",
    "created": "The challenge is open.",
    "changed": "Saved.",
    "closed": "Closed. What is queued is still judged.",
    "revealed": "Closed, and the scores are shown.",
    "signed-in": "You are signed in.",
    "signed-out": "You are signed out.",
    "renewed": "The new password is the one that counts. Other sessions are ended.",
    "revoked": "The token is worth nothing from now on.",
    "disabled": "Shut out. What they have done stays.",
    "enabled": "Let in again.",
    "forgotten": "Forgotten. The log keeps that it was done.",
    "undone": "Undone.",
    "project": "The project is open.",
    "added": "The items are added.",
    "known": "All of these items were there already.",
    "weighed": "Votes are weighed in another way, those that were given too.",
    "gold": "A gold question is added.",
}
"""What a page may say after a change. Addresses carry the word only, so that no link puts text into our mouth."""
log = logging.getLogger("guerdon.web")


@dataclass
class Visit:
    """A request.

    Attributes:
        desk: what all requests share.
        request: as it came.
        actor: who asks.
        session: the session's token, or what stands in for one before signing in.
        fresh: the visitor gets a cookie with this answer.
        seen: number of the newest change before the page was made, from where it follows along.
        form: fields that were sent; the last of each name.
        files: files that were sent, by field; empty ones are left out.
    """

    desk: Desk
    request: Request
    actor: Actor
    session: str
    fresh: bool = False
    seen: int | None = None
    form: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> Mapping[str, str]:
        """What the address names."""
        return dict(self.request.path_params)

    @property
    def query(self) -> Mapping[str, str]:
        """What follows the question mark."""
        return dict(self.request.query_params)

    @property
    def csrf(self) -> str:
        """What every form carries: only a page that was made for this session knows it."""
        return hmac.new(self.session.encode(), b"guerdon form", hashlib.sha256).hexdigest()

    @property
    def base(self) -> str:
        """The address that people type."""
        return self.desk.settings.origin or f"http://{self.request.headers['host']}"

    def page(self, name: str, status: int = 200, **context: Any) -> Response:
        """A page from its template."""
        from starlette.responses import HTMLResponse

        text = self.desk.render(name, visit=self, actor=self.actor, **context)
        response = HTMLResponse(text, status_code=status)
        if self.fresh:
            self.set_cookie(response, "visit", self.session, None)
        return response

    def making(self, title: str, words: str, back: str, back_name: str) -> Response:
        """A page that says that what was asked for is being made, and asks for it again by itself.

        Args:
            title: of what was asked for.
            words: what is being made.
            back: an address to go to meanwhile.
            back_name: of that.
        """
        response = self.page("making.html.jinja", 202, title=title, words=words, back=back, back_name=back_name)
        response.headers["refresh"] = str(AGAIN_S)
        return response

    def go(self, path: str, said: str = "") -> Response:
        """On to a page of ours, after a change."""
        from starlette.responses import RedirectResponse

        mark = "&" if "?" in path else "?"
        return RedirectResponse(f"{path}{mark}said={said}" if said else path, status_code=303)

    def set_cookie(self, response: Response, name: str, value: str, seconds: int | None = MONTH_S) -> None:
        """A cookie that no script reads and no other site sends."""
        response.set_cookie(
            self.desk.cookie(name), value, max_age=seconds, path="/", httponly=True, samesite="lax",
            secure=self.desk.settings.secure,
        )  # fmt: skip

    @property
    def said(self) -> str:
        """What the page has to say about the change that led to it."""
        return SAID.get(self.query.get("said", ""), "")

    def text(self, name: str, most: int = 200) -> str:
        """A field of the form, its lines ended as everywhere else.

        Raises:
            HostingError: it is too long.
        """
        value = self.form.get(name, "").strip().replace("\r\n", "\n")
        if len(value) > most:
            raise HostingError(f"{name} of at most {most:,} characters", f"got {len(value):,}", "Shorten it")
        return value

    def number(self, name: str, least: int, most: int, default: int) -> int:
        """A whole number from the address."""
        given = self.query.get(name, "")
        if not (given.isascii() and given.isdigit() and len(given) < 12):
            return default
        return min(max(int(given), least), most)


Work = Callable[[Visit], Any]


@dataclass(frozen=True)
class Page:
    """A page's address and what it does.

    Args:
        path: of the address, with names in braces.
        get: shows it.
        post: does something, then sends on or shows what was wrong.
        most: bytes that may be posted, once it is clear that the actor may post at all.
    """

    path: str
    get: Work | None = None
    post: Work | None = None
    most: Callable[[Visit], int] = lambda visit: SMALL


def route(desk: Desk, page: Page) -> Any:
    """The page as Starlette knows it."""
    from starlette.routing import Route

    methods = [name for name, work in (("GET", page.get), ("POST", page.post)) if work]
    return Route(page.path, answerer(desk, page), methods=methods)


def answerer(desk: Desk, page: Page) -> Callable[[Request], Awaitable[Response]]:
    """What answers a page's requests."""
    from starlette.concurrency import run_in_threadpool

    async def answer(request: Request) -> Response:
        visit = await run_in_threadpool(arrive, desk, request)
        try:
            if request.method != "POST":
                assert page.get is not None
                visit.seen = await run_in_threadpool(desk.host.newest_event)
                return await _answered(page.get, visit)
            assert page.post is not None
            check_rate(visit)
            most = await run_in_threadpool(page.most, visit)
            with desk.upload(visit.actor.person, most, request.headers):
                async with _form(visit, most):
                    return await _answered(page.post, visit)
        except RefusedError as error:
            shown = await run_in_threadpool(refusal, visit, HostingError(error.why))
            shown.status_code = error.status
            if error.status in (408, 413):
                shown.headers["connection"] = "close"
            return shown
        except GuerdonError as error:
            return await run_in_threadpool(refusal, visit, error)

    return answer


async def _answered(work: Work, visit: Visit) -> Any:
    from starlette.concurrency import run_in_threadpool

    return await run_in_threadpool(work, visit)


def arrive(desk: Desk, request: Request) -> Visit:
    """Who asks, by the session's cookie."""
    settings = desk.settings
    if settings.local:
        return Visit(desk, request, Actor.local(), settings.secret)
    token = request.cookies.get(desk.cookie("session"), "")
    actor = desk.host.people.actor_of(token) if token.startswith("guerdon-session-") else None
    if actor is not None:
        return Visit(desk, request, actor, token)
    before = request.cookies.get(desk.cookie("visit"), "")
    if len(before) >= 32:
        return Visit(desk, request, Actor.visitor(), before[:100])
    return Visit(desk, request, Actor.visitor(), secrets.token_urlsafe(32), fresh=True)


def check_rate(visit: Visit) -> None:
    """Refuse changes that come too fast."""
    if visit.desk.settings.local:
        return
    if not visit.desk.may_change(visit.actor.person, address_of(visit.request.scope)):
        raise LimitError(f"at most {visit.desk.settings.changes} changes a minute", "there were more", "Wait a minute")


@asynccontextmanager
async def _form(visit: Visit, most: int) -> AsyncIterator[None]:
    """The form that was sent, read up to a cap, and only with the token of a page of ours."""
    from starlette.exceptions import HTTPException
    from starlette.requests import Request

    request = Request(visit.request.scope, _capped(visit.request.receive, most))
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind not in ("multipart/form-data", "application/x-www-form-urlencoded"):
        raise RefusedError(415, "A form is expected.")
    try:
        form = await request.form(max_files=20, max_fields=FIELDS, max_part_size=SMALL)
    except HTTPException as error:
        raise RefusedError(400, "That is not a form, or has too many fields.") from error
    try:
        items = list(form.multi_items())
        visit.form = {name: value for name, value in items if isinstance(value, str)}
        visit.files = {name: value for name, value in items if not isinstance(value, str) and value.size}
        given = visit.form.get("csrf", "") or visit.request.headers.get("x-csrf", "")
        if not hmac.compare_digest(given.encode("utf-8", "replace"), visit.csrf.encode()):
            raise NotAllowedError("a form from a page of this session", "it is from another or an old one", "Reload it")
        yield
    finally:
        await form.close()


def _capped(receive: Callable[[], Awaitable[Any]], most: int) -> Callable[[], Awaitable[Any]]:
    seen = 0

    async def capped() -> Any:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most:
            raise RefusedError(413, f"Too large: at most {most:,} bytes are taken here.")
        return message

    return capped


def status_of(error: GuerdonError) -> int:
    """The status that says of an error whose it is."""
    if isinstance(error, HostingError):
        return error.status
    return 400 if isinstance(error, ConfigError) and not isinstance(error, BrokenError) else 503


def refusal(visit: Visit, error: GuerdonError) -> Response:
    """A page that says what was expected, what came, and what to do."""
    status = status_of(error)
    if status == 503:
        number = secrets.token_hex(4)
        log.error("incident %s: %s", number, error)
        if visit.actor.role is not Role.ORGANISER:
            do = f"Tell the organisers: incident {number}"
            error = HostingError("an answer", "the host could not give one", do)
    title = {403: "Not allowed", 404: "Not found"}.get(status, "That did not work")
    try:
        return visit.page("refusal.html.jinja", status, error=error, title=title)
    except GuerdonError:  # the data base itself is away
        from starlette.responses import PlainTextResponse

        return PlainTextResponse("The host cannot answer now.\n", status_code=503)


async def lost(request: Request, error: Exception) -> Response:
    """What nobody expected: a number for the visitor, the rest for the log."""
    number = secrets.token_hex(4)
    log.error("incident %s", number, exc_info=error)
    return _line(request, 500, f"Something went wrong on the host. Tell the organisers: incident {number}.")


async def refused(request: Request, error: Exception) -> Response:
    """What the guard or a form's reader refused."""
    assert isinstance(error, RefusedError)
    headers = {"connection": "close"} if error.status in (408, 413) else {}
    return _line(request, error.status, error.why, headers)


def _line(request: Request, status: int, why: str, headers: Mapping[str, str] | None = None) -> Response:
    from starlette.responses import Response

    body, media = told(request.url.path, why)
    return Response(body, status, headers, media)
