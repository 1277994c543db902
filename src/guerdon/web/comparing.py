"""Comparisons in the JSON API: what to look at next, what was said of it, what it comes to. As blind as the pages are.

Nobody is told whose an answer is, nor that a question is a gold one, before an organiser takes the choices away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from guerdon.core.errors import GuerdonError
from guerdon.hosting import Action, HostingError, Project, ShownPair, Standing
from guerdon.hosting.compared import Side
from guerdon.hosting.files import Intake
from guerdon.hosting.may import ensure
from guerdon.web import items
from guerdon.web.calling import Caller, Raw, caller_of, problem, take_in
from guerdon.web.compare import AHEAD, MEDIA, MEDIA_HEADERS, written

if TYPE_CHECKING:
    from starlette.requests import Request

    from guerdon.web.desk import Desk


@dataclass(frozen=True)
class Comparison:
    """A project that people compare for."""

    slug: str
    title: str
    question: str
    created: float


@dataclass(frozen=True)
class Shown:
    """One side: its content, or the address of its picture or clip."""

    content: Any
    media: str
    address: str


@dataclass(frozen=True)
class Pair:
    """A question as it is put to the caller; id and version come back with the answer."""

    id: str
    version: int
    prompt: str
    first: Shown
    second: Shown
    number: int


@dataclass(frozen=True)
class Said:
    """What stands of a question: null while it is open. After an undo it has the next version."""

    pair: str
    outcome: str | None
    version: int


@dataclass(frozen=True)
class Added:
    """How many items are new."""

    new: int


def comparisons(caller: Caller) -> list[Comparison]:
    """The comparison projects that you may take part in, newest first."""
    return [_comparison(each) for each in caller.host.comparisons.list(caller.actor)]


def create(caller: Caller, slug: str, title: str = "", question: str = "") -> Comparison:
    """Open a comparison project without items. For organisers."""
    if len(title) > 200 or len(question) > 500:
        got = f"got {len(title)} and {len(question)} characters"
        raise HostingError("a title of at most 200 and a question of at most 500 characters", got, "Shorten it")
    made = caller.host.comparisons.create(caller.actor, slug, title or slug, question or "Which is better?")
    return _comparison(made)


def _comparison(project: Project) -> Comparison:
    return Comparison(project.slug, project.title, project.question, project.created)


def pairs(caller: Caller, slug: str, count: int = 1) -> list[Pair]:
    """The pairs for you to look at now and next, up to four; the same ones until they are answered."""
    if not 1 <= count <= AHEAD:
        raise HostingError(f"a count from 1 to {AHEAD}", f"got {count}", "Ask for less")
    return [_pair(each) for each in caller.host.comparisons.next_pairs(caller.actor, slug, count)]


def _pair(pair: ShownPair) -> Pair:
    first, second = (_shown(pair.id, each, name) for each, name in ((pair.first, "first"), (pair.second, "second")))
    return Pair(pair.id, pair.version, pair.prompt, first, second, pair.number)


def _shown(pair: str, side: Side, name: str) -> Shown:
    stored = side.content is None and side.media not in ("text/plain", "application/json")
    return Shown(side.content, side.media, f"/api/v1/comparisons/pairs/{pair}/media/{name}" if stored else "")


def media(caller: Caller, pair: str, side: Literal["first", "second"]) -> Raw:
    """The picture or clip on one side of a question that was put to you."""
    content, kind = caller.host.comparisons.media(caller.actor, pair, side)
    return Raw(content, kind if kind in MEDIA else "application/octet-stream", dict(MEDIA_HEADERS))


def say(
    caller: Caller, pair: str, outcome: Literal["first", "second", "tie", "both-bad", "skip"], version: int = 0
) -> Said:
    """Say which side is better, or skip. The same answer twice is one; one to an old version changes nothing."""
    caller.host.comparisons.choose(caller.actor, pair, outcome, version)
    stands, version = caller.host.comparisons.said(caller.actor, pair)
    return Said(pair, stands, version)


def undo(caller: Caller, slug: str, pair: str = "") -> Pair | None:
    """Take back your newest choice, or that of one pair; the question comes back. Null if there is none."""
    found = caller.host.comparisons.undo(caller.actor, slug, pair)
    return None if found is None else _pair(found)


def standing(caller: Caller, slug: str) -> Standing:
    """Ratings with intervals, agreement, and how annotators do. For organisers."""
    _ensure_runs(caller, slug)
    return caller.host.comparisons.standing(caller.actor, slug)


def preferences(
    caller: Caller,
    slug: str,
    format: Literal["trl", "trl-implicit", "alpaca-farm", "guerdon"] = "trl",  # noqa: A002
) -> Raw:
    """The choices as chosen and rejected, one JSON object a line. For organisers."""
    body = written(caller.host, caller.actor, slug, format)
    return Raw(body, "application/jsonl", {"content-disposition": f'attachment; filename="{slug}-{format}.jsonl"'})


def _ensure_runs(caller: Caller, slug: str) -> Project:
    found = caller.host.comparisons.find(slug)
    ensure(caller.actor, Action.RUN_PROJECT, found)
    return found


OPERATIONS: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    ("GET", "/comparisons", comparisons),
    ("POST", "/comparisons", create),
    ("GET", "/comparisons/{slug}/pairs", pairs),
    ("POST", "/comparisons/pairs/{pair}/say", say),
    ("GET", "/comparisons/pairs/{pair}/media/{side}", media),
    ("POST", "/comparisons/{slug}/undo", undo),
    ("GET", "/comparisons/{slug}/standing", standing),
    ("GET", "/comparisons/{slug}/preferences", preferences),
)
"""All operations of comparisons but adding items, whose body is a file."""
MEDIA_OF = {media: (*MEDIA, "application/octet-stream"), preferences: ("application/jsonl",)}
"""Media types of the answers that are no JSON."""


def adder(desk: Desk) -> Callable[..., Any]:
    """What takes a file of items for a project."""
    from fastapi import Request
    from starlette.concurrency import run_in_threadpool

    async def add_items(request: Request, slug: str) -> Any:
        try:
            caller = await run_in_threadpool(caller_of, desk, request)
            project = await run_in_threadpool(_ensure_runs, caller, slug)
            most = min(items.MOST, desk.settings.uploads)
            room = desk.upload(caller.actor.person, most, request.headers)
            with room, Intake(most, "a file of items") as intake:
                await take_in(request, intake)
                return await run_in_threadpool(_add, caller, project.slug, intake)
        except GuerdonError as error:
            return problem(error)

    add_items.__annotations__.update(request=Request, slug=str)
    return add_items


def _add(caller: Caller, slug: str, intake: Intake) -> Added:
    return Added(items.add(caller.host, caller.actor, slug, items.read(caller.host, intake.path())))
