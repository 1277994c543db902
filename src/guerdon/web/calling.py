"""One call of the JSON API: who calls, what comes in, and what is said of a refusal."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from guerdon.core.errors import GuerdonError
from guerdon.hosting import Actor, Host, HostingError, LimitError, NotAllowedError
from guerdon.hosting.files import Intake
from guerdon.web.guard import address_of
from guerdon.web.visit import log, status_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from guerdon.web.desk import Desk


AGAIN_S = 2
"""Seconds after which to ask again for what is not there yet."""


@dataclass(frozen=True)
class Caller:
    """Who calls, and whom they ask."""

    host: Host
    actor: Actor


@dataclass(frozen=True)
class Problem:
    """What was expected, what came, what to do."""

    expected: str
    got: str
    do: str


@dataclass(frozen=True)
class Raw:
    """An answer that is no JSON.

    Args:
        body: as it is.
        media: its media type.
        headers: beside that.
    """

    body: bytes
    media: str
    headers: dict[str, str]


class UnknownError(NotAllowedError):
    """No token, or none that is valid."""

    status = 401


class BusyError(HostingError):
    """What is asked for is not there yet, and will be soon."""

    status = 503


def caller_of(desk: Desk, request: Request) -> Caller:
    """Who calls, by their token; on a machine of one's own, its user.

    Raises:
        UnknownError: there is no valid token, and one is given or needed.
        LimitError: there were too many changes.
    """
    if desk.settings.local:
        return Caller(desk.host, Actor.local())
    given = request.headers.get("authorization", "")
    kind, _, token = given.partition(" ")
    actor = desk.host.people.actor_of(token.strip()) if kind.lower() == "bearer" else None
    person = actor.person if actor else ""
    if request.method != "GET" and not desk.may_change(person, address_of(request.scope)):
        raise LimitError(f"at most {desk.settings.changes} changes a minute", "there were more", "Wait a minute")
    if actor is None and (given or request.method != "GET"):
        raise UnknownError("a token in the header Authorization: Bearer", "there is none that is valid", "Make one")
    return Caller(desk.host, actor or Actor.visitor())


def problem(error: GuerdonError) -> Any:
    """The answer that says what was wrong."""
    status, heads = status_of(error), dict[str, str]()
    if isinstance(error, BusyError):
        heads = {"retry-after": str(AGAIN_S)}
    elif status == 503:
        log.error("api: %s", error)
        error = HostingError("an answer", "the host could not give one", "Try again, then tell the organisers")
    elif status == 401:
        heads = {"www-authenticate": "Bearer"}
    return ascii_json()({"expected": error.expected, "got": error.got, "do": error.do}, status, heads)


@cache
def ascii_json() -> Any:
    """The class of answers in JSON: in ASCII, so that halves of letters, which UTF-8 cannot hold, come as escapes."""
    from starlette.responses import JSONResponse

    class Ascii(JSONResponse):  # type: ignore[misc]  # its package is an extra
        def render(self, content: Any) -> bytes:
            return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")

    return Ascii


async def take_in(request: Request, intake: Intake) -> None:
    """The body of a call, as it comes."""
    async for piece in request.stream():
        if piece:
            intake.add(piece)
