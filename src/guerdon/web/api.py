"""The JSON API under /api/v1: the same host, the same rules, for programs. Described by /api/v1/openapi.json.

Each function below is one operation: its parameters are the address's and the query's, its first line the summary.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from guerdon.core.errors import GuerdonError
from guerdon.hosting import (
    Action,
    Board,
    Change,
    Contest,
    HostingError,
    LimitsLeft,
    Phase,
    QueueView,
    Submission,
)
from guerdon.hosting.files import Intake, shown_name
from guerdon.hosting.may import ensure
from guerdon.web import comparing
from guerdon.web.calling import BusyError, Caller, Problem, Raw, caller_of, problem, take_in
from guerdon.web.kept import Kept, answered

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request

    from guerdon.web.desk import Desk


ROWS = 1000
"""Most rows of a board in one answer."""


@dataclass(frozen=True)
class Me:
    """Who the token belongs to."""

    name: str
    role: str
    team: str
    scopes: list[str] | None


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


def submissions(
    caller: Caller, contest: str = "", phase: str = "", before: int | None = None, older_than: str = "",
    newer_than: str = "",
) -> list[Submission]:  # fmt: skip
    """Your team's submissions, newest first, 100 at a time; everybody's for organisers.

    With `older_than`, the id of a submission, those that were handed in before it; with `newer_than`, after it. With
    `before`, a number, those of a phase with a smaller number.
    """
    ensure(caller.actor, Action.SEE_QUEUE)
    if before is None:
        page = caller.host.submissions.page(caller.actor, contest, phase, older_than=older_than, newer_than=newer_than)
        return list(page.items)
    if not 0 <= before < 1 << 31 or older_than or newer_than:
        raise HostingError("before alone, a submission's number", f"got {before}", "Take it from the last page")
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
    *comparing.OPERATIONS,
)
"""All operations but those whose body is a file."""
FILES = (
    ("POST", "/contests/{slug}/submissions", "Hand in: the body is the file."),
    (
        "POST",
        "/comparisons/{slug}/items",
        "Add items and gold questions: the body is a file or a zip. For organisers.",
    ),
)
"""Operations whose body is a file, with what they do."""
REFUSALS = dict.fromkeys((400, 401, 403, 404, 429, 503), "What was expected, what came, what to do.")


def mount(app: FastAPI, desk: Desk) -> None:
    """Put the API into the application."""
    from fastapi.exceptions import RequestValidationError

    for method, path, work in OPERATIONS:
        endpoint = _kept_board(desk) if work is board else _endpoint(desk, work)
        app.add_api_route(
            f"/api/v1{path}", endpoint, methods=[method], operation_id=work.__name__, tags=["guerdon"],
            summary=inspect.getdoc(work), openapi_extra=SECURITY, **_answers(work),
        )  # fmt: skip
    for (method, path, summary), (name, work, made) in zip(FILES, _takers(desk), strict=True):
        app.add_api_route(
            f"/api/v1{path}", work, methods=[method], operation_id=name, tags=["guerdon"], summary=summary,
            status_code=201, response_model=made, openapi_extra={**SECURITY, **FILE},
            responses={**_refusals(), 413: {"model": Problem, "description": "Too large."}},
        )  # fmt: skip
    app.add_exception_handler(RequestValidationError, _unfit)
    _describe(app)


def _takers(desk: Desk) -> tuple[tuple[str, Callable[..., Any], type], ...]:
    """What takes each kind of file: its name, what it does, what it answers."""
    return ("submit", _submitter(desk), Submission), ("add_items", comparing.adder(desk), comparing.Added)


def _answers(work: Callable[..., Any]) -> dict[str, Any]:
    """What an operation answers, as FastAPI is told."""
    from starlette.responses import Response

    made = typing.get_type_hints(work)["return"]
    if made is not Raw:
        return {"response_model": made, "responses": _refusals()}
    kinds = {200: {"description": "As it is.", "content": {name: {} for name in comparing.MEDIA_OF[work]}}}
    return {"response_model": None, "response_class": Response, "responses": {**_refusals(), **kinds}}


def _refusals() -> dict[int | str, dict[str, Any]]:
    return {status: {"model": Problem, "description": text} for status, text in REFUSALS.items()}


SECURITY: dict[str, Any] = {"security": [{"bearer": []}]}
FILE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


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
    from fastapi import Request, Response

    def answer(request: Request, **given: Any) -> Any:
        try:
            made = work(caller_of(desk, request), **given)
            return Response(made.body, 200, made.headers, made.media) if isinstance(made, Raw) else made
        except GuerdonError as error:
            return problem(error)

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
            caller = caller_of(desk, request)
            found, where = _page(caller, slug, phase, first, count)
            if not desk.has_read(found, where):
                raise BusyError("a board that has been read", "this one is being read", "Ask again in some seconds")
            ask = (found.slug, where.name, caller.actor)
            name = f"{caller.host.board_mark(*ask)}-{first}-{count}"
            body = kept.get(name)
            if body is None:
                made = caller.host.board(*ask, first, count)
                name, body = f"{made.mark}-{first}-{count}", plain.dump_json(made)
                kept.put(name, body)
            return answered(request, name, body)
        except GuerdonError as error:
            return problem(error)

    answer.__annotations__.update(request=Request, slug=str, phase=str, first=int, count=int)
    return answer


def _submitter(desk: Desk) -> Callable[..., Any]:
    from fastapi import Request
    from starlette.concurrency import run_in_threadpool

    async def submit(request: Request, slug: str, phase: str = "", note: str = "", name: str = "") -> Any:
        try:
            caller = await run_in_threadpool(caller_of, desk, request)
            most = await run_in_threadpool(_most, desk, caller, slug, phase)
            room = desk.upload(caller.actor.person, most, request.headers)
            with room, Intake(most, "a submission") as intake:
                await take_in(request, intake)
                shown = shown_name(name) if name else ""
                take = caller.host.submissions.submit
                return await run_in_threadpool(take, caller.actor, slug, phase, intake.path(), note[:2000], shown)
        except GuerdonError as error:
            return problem(error)

    submit.__annotations__.update(request=Request, slug=str, phase=str, note=str, name=str)
    return submit


def _most(desk: Desk, caller: Caller, slug: str, phase: str) -> int:
    where = caller.host.contests.get(caller.actor, slug).phase(phase)
    ensure(caller.actor, Action.SUBMIT, where)
    return min(where.limits.size, desk.settings.uploads)


async def _unfit(request: Request, error: Any) -> Any:
    """Parameters that are not of their types."""
    found = error.errors()[0] if error.errors() else {"loc": ("request",), "msg": "unfit"}
    name = str(found["loc"][-1])[:40]
    return problem(HostingError(f"a value that fits {name}", str(found["msg"])[:200], "See /api/v1/openapi.json"))


__all__ = ["FILES", "OPERATIONS", "mount"]
