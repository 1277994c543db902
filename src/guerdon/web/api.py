"""The JSON API under /api/v1: the same host, the same rules, for programs. Described by /api/v1/openapi.json.

Each function below is one operation: its parameters are the address's and the query's, its first line the summary.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from guerdon.core.errors import GuerdonError
from guerdon.hosting import (
    Action,
    Actor,
    Board,
    Change,
    Contest,
    Host,
    HostingError,
    LimitError,
    LimitsLeft,
    NotAllowedError,
    Phase,
    QueueView,
    Submission,
)
from guerdon.hosting.files import Intake, shown_name
from guerdon.hosting.may import ensure
from guerdon.web.guard import address_of
from guerdon.web.kept import Kept, answered
from guerdon.web.visit import log, status_of

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request

    from guerdon.web.desk import Desk


ROWS = 1000
"""Most rows of a board in one answer."""


@dataclass(frozen=True)
class Caller:
    """Who calls, and whom they ask."""

    host: Host
    actor: Actor


@dataclass(frozen=True)
class Me:
    """Who the token belongs to."""

    name: str
    role: str
    team: str
    scopes: list[str] | None


@dataclass(frozen=True)
class Problem:
    """What was expected, what came, what to do."""

    expected: str
    got: str
    do: str


@dataclass(frozen=True)
class Invitation:
    """An invitation, shown this once."""

    token: str


def me(caller: Caller) -> Me:
    """Who the token belongs to."""
    scopes = None if caller.actor.scopes is None else sorted(caller.actor.scopes)
    return Me(caller.actor.name, caller.actor.role.value, caller.actor.team, scopes)


def contests(caller: Caller) -> list[Contest]:
    """The contests that you may see, newest first."""
    return caller.host.contests.list(caller.actor)


def contest(caller: Caller, slug: str) -> Contest:
    """One contest with its phases."""
    return caller.host.contests.get(caller.actor, slug)


def board(caller: Caller, slug: str, phase: str = "", first: int = 1, count: int = ROWS) -> Board:
    """A phase's leaderboard, as far as you may see it: so many rows from one on, which is counted from 1."""
    found, where = _page(caller, slug, phase, first, count)
    return caller.host.board(found.slug, where.name, caller.actor, first, count)


def _page(caller: Caller, slug: str, phase: str, first: int, count: int) -> tuple[Contest, Phase]:
    if not (1 <= first < 1 << 31 and 1 <= count <= ROWS):
        raise HostingError(f"first from 1, and count from 1 to {ROWS}", f"got {first} and {count}", "Ask for less")
    found = caller.host.contests.get(caller.actor, slug)
    return found, found.phase(phase)


def limits(caller: Caller, slug: str, phase: str = "") -> LimitsLeft:
    """What your team may still submit to a phase, counted as submitting counts; null is any number."""
    return caller.host.submissions.limits_left(caller.actor, slug, phase)


def close(caller: Caller, slug: str, phase: str = "") -> Contest:
    """Take no more submissions. For organisers."""
    return caller.host.contests.close(caller.actor, slug, phase)


def reveal(caller: Caller, slug: str, phase: str = "") -> Contest:
    """Close, and show the scores. It cannot be undone. For organisers."""
    return caller.host.contests.reveal(caller.actor, slug, phase)


def submissions(caller: Caller, contest: str = "", phase: str = "", before: int | None = None) -> list[Submission]:
    """Your team's submissions, newest first, 100 at a time; everybody's for organisers."""
    ensure(caller.actor, Action.SEE_QUEUE)
    if before is not None and not 0 <= before < 1 << 31:
        raise HostingError("before is a submission's number", f"got {before}", "Take it from the last page")
    return caller.host.submissions.list_for(caller.actor, contest, phase, before)


def submission(caller: Caller, id: str) -> Submission:  # noqa: A002  # its name in the address
    """One submission: where it stands, its score or its fault as far as you may see it."""
    return caller.host.submissions.get(caller.actor, id)


def cancel(caller: Caller, id: str) -> Submission:  # noqa: A002
    """Take a submission out of the queue, stop its judging, or withdraw it."""
    return caller.host.submissions.cancel(caller.actor, id)


def retry(caller: Caller, id: str) -> Submission:  # noqa: A002
    """Judge a submission again."""
    return caller.host.submissions.retry(caller.actor, id)


def choose(caller: Caller, id: str, chosen: bool = True) -> Submission:  # noqa: A002
    """Choose a submission to count when a sealed phase is revealed, or take the choice back."""
    return caller.host.submissions.choose_final(caller.actor, id, chosen)


def queue(caller: Caller) -> QueueView:
    """How the queue stands."""
    return caller.host.queue.view(caller.actor)


def changes(caller: Caller, after: int = 0) -> list[Change]:
    """What has changed since a number; ask again with the last one you saw."""
    if not 0 <= after < 1 << 62:
        raise HostingError("after is the number of a change", f"got {after}", "Begin with 0")
    return caller.host.events(after, caller.actor)


def invite(caller: Caller, role: Literal["entrant", "annotator", "organiser"], team: str = "") -> Invitation:
    """Invite somebody. For organisers."""
    return Invitation(caller.host.people.invite(caller.actor, role, team))


OPERATIONS: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    ("GET", "/me", me),
    ("GET", "/contests", contests),
    ("GET", "/contests/{slug}", contest),
    ("GET", "/contests/{slug}/board", board),
    ("GET", "/contests/{slug}/limits", limits),
    ("POST", "/contests/{slug}/close", close),
    ("POST", "/contests/{slug}/reveal", reveal),
    ("GET", "/submissions", submissions),
    ("GET", "/submissions/{id}", submission),
    ("POST", "/submissions/{id}/cancel", cancel),
    ("POST", "/submissions/{id}/retry", retry),
    ("POST", "/submissions/{id}/choose", choose),
    ("GET", "/queue", queue),
    ("GET", "/changes", changes),
    ("POST", "/invitations", invite),
)
"""All operations but handing in, whose body is a file."""
REFUSALS = dict.fromkeys((400, 401, 403, 404, 429, 503), "What was expected, what came, what to do.")


def mount(app: FastAPI, desk: Desk) -> None:
    """Put the API into the application."""
    from fastapi.exceptions import RequestValidationError

    refusals: dict[int | str, dict[str, Any]] = {
        status: {"model": Problem, "description": text} for status, text in REFUSALS.items()
    }
    for method, path, work in OPERATIONS:
        endpoint = _kept_board(desk) if work is board else _endpoint(desk, work)
        app.add_api_route(
            f"/api/v1{path}", endpoint, methods=[method], operation_id=work.__name__, tags=["guerdon"],
            summary=inspect.getdoc(work), responses=refusals, response_model=typing.get_type_hints(work)["return"],
            openapi_extra=SECURITY,
        )  # fmt: skip
    app.add_api_route(
        "/api/v1/contests/{slug}/submissions", _submitter(desk), methods=["POST"], operation_id="submit",
        tags=["guerdon"], summary="Hand in: the body is the file.", status_code=201, response_model=Submission,
        responses={**refusals, 413: {"model": Problem, "description": "Too large."}},
        openapi_extra={**SECURITY, "requestBody": {"required": True, "content": {"application/octet-stream": {
            "schema": {"type": "string", "format": "binary"}}}}},
    )  # fmt: skip
    app.add_exception_handler(RequestValidationError, _unfit)
    _describe(app)


SECURITY: dict[str, Any] = {"security": [{"bearer": []}]}


def _describe(app: FastAPI) -> None:
    """Say in the document how one signs in."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        document: dict[str, Any] = made()
        parts = document.setdefault("components", {})
        parts["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
        for name in ("HTTPValidationError", "ValidationError"):
            parts.get("schemas", {}).pop(name, None)
        for path in document["paths"].values():
            for operation in path.values():
                operation["responses"].pop("422", None)
        return document

    app.openapi = openapi


def _endpoint(desk: Desk, work: Callable[..., Any]) -> Callable[..., Any]:
    """An operation as FastAPI calls it: with the request in the place of the caller."""
    from fastapi import Request

    def answer(request: Request, **given: Any) -> Any:
        try:
            return work(_caller(desk, request), **given)
        except GuerdonError as error:
            return _problem(error)

    hints = typing.get_type_hints(work)
    rest = [each.replace(annotation=hints[each.name]) for each in list(inspect.signature(work).parameters.values())[1:]]
    first = inspect.Parameter("request", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Request)
    answer.__signature__ = inspect.Signature([first, *rest])  # type: ignore[attr-defined]
    answer.__doc__ = work.__doc__
    return answer


def _kept_board(desk: Desk) -> Callable[..., Any]:
    """The board's operation, whose answers are made once for all who may be told the same."""
    from fastapi import Request
    from pydantic import TypeAdapter

    kept, plain = Kept(), TypeAdapter(Board)

    def answer(request: Request, slug: str, phase: str = "", first: int = 1, count: int = ROWS) -> Any:
        try:
            caller = _caller(desk, request)
            found, where = _page(caller, slug, phase, first, count)
            ask = (found.slug, where.name, caller.actor)
            name = f"{caller.host.board_mark(*ask)}-{first}-{count}"
            body = kept.get(name)
            if body is None:
                made = caller.host.board(*ask, first, count)
                name, body = f"{made.mark}-{first}-{count}", plain.dump_json(made)
                kept.put(name, body)
            return answered(request, name, body)
        except GuerdonError as error:
            return _problem(error)

    answer.__annotations__.update(request=Request, slug=str, phase=str, first=int, count=int)
    return answer


def _submitter(desk: Desk) -> Callable[..., Any]:
    from fastapi import Request
    from starlette.concurrency import run_in_threadpool

    async def submit(request: Request, slug: str, phase: str = "", note: str = "", name: str = "") -> Any:
        try:
            caller = await run_in_threadpool(_caller, desk, request)
            most = await run_in_threadpool(_most, desk, caller, slug, phase)
            with Intake(most, "a submission") as intake:
                async for piece in _pieces(request):
                    intake.add(piece)
                shown = shown_name(name) if name else ""
                take = caller.host.submissions.submit
                return await run_in_threadpool(take, caller.actor, slug, phase, intake.path(), note[:2000], shown)
        except GuerdonError as error:
            return _problem(error)

    submit.__annotations__.update(request=Request, slug=str, phase=str, note=str, name=str)
    return submit


def _most(desk: Desk, caller: Caller, slug: str, phase: str) -> int:
    where = caller.host.contests.get(caller.actor, slug).phase(phase)
    ensure(caller.actor, Action.SUBMIT, where)
    return min(where.limits.size, desk.settings.uploads)


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    async for piece in request.stream():
        if piece:
            yield piece


class _UnknownError(NotAllowedError):
    """No token, or none that is valid."""

    status = 401


def _caller(desk: Desk, request: Request) -> Caller:
    """Who calls, by their token; on a machine of one's own, its user."""
    if desk.settings.local:
        return Caller(desk.host, Actor.local())
    given = request.headers.get("authorization", "")
    kind, _, token = given.partition(" ")
    actor = desk.host.people.actor_of(token.strip()) if kind.lower() == "bearer" else None
    person = actor.person if actor else ""
    if request.method != "GET" and not desk.may_change(person, address_of(request.scope)):
        raise LimitError(f"at most {desk.settings.changes} changes a minute", "there were more", "Wait a minute")
    if actor is None and (given or request.method != "GET"):
        raise _UnknownError("a token in the header Authorization: Bearer", "there is none that is valid", "Make one")
    return Caller(desk.host, actor or Actor.visitor())


def _problem(error: GuerdonError) -> Any:
    from starlette.responses import JSONResponse

    status = status_of(error)
    if status == 503:
        log.error("api: %s", error)
        error = HostingError("an answer", "the host could not give one", "Try again, then tell the organisers")
    body = {"expected": error.expected, "got": error.got, "do": error.do}
    return JSONResponse(body, status, {"www-authenticate": "Bearer"} if status == 401 else {})


async def _unfit(request: Request, error: Any) -> Any:
    """Parameters that are not of their types."""
    found = error.errors()[0] if error.errors() else {"loc": ("request",), "msg": "unfit"}
    name = str(found["loc"][-1])[:40]
    return _problem(HostingError(f"a value that fits {name}", str(found["msg"])[:200], "See /api/v1/openapi.json"))


__all__ = ["OPERATIONS", "mount"]
