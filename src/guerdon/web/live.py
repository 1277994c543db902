"""Live pages: one look for changes a second, whoever watches; a watcher is told what has changed, never a score."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Hashable
from typing import TYPE_CHECKING, Any

from guerdon.core.errors import GuerdonError
from guerdon.hosting import Action, LimitError, may
from guerdon.web.guard import address_of
from guerdon.web.visit import arrive

if TYPE_CHECKING:
    from starlette.requests import Request

    from guerdon.web.desk import Desk

LASTS_S = 600.0
"""A stream ends after so long; the page opens another, and whoever was shut out since does not get one."""
BEAT_S = 15.0


class Newest:
    """The newest change of the contests and of the ledger, looked up once for all who watch."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._at = desk, 0.0
        self._kept: tuple[int, Hashable] = 0, None
        self._turn = asyncio.Lock()

    async def look(self) -> tuple[int, Hashable]:
        """The number of the newest change and a mark of the ledger's state, at most `poll_s` old."""
        from starlette.concurrency import run_in_threadpool

        async with self._turn:
            if time.monotonic() - self._at >= self._desk.settings.poll_s:
                self._kept = await run_in_threadpool(self._numbers)
                self._at = time.monotonic()
            return self._kept

    def _numbers(self) -> tuple[int, Hashable]:
        return self._desk.host.newest_event(), self._desk.ledger_mark()


class Watched:
    """Whether to tell a page of the ledger that it is not the newest any more.

    A page of one run is told when a newer reading of the run is there or may be made, which is seldom where reading
    takes long: how often attempts come in makes no difference to how often it is told.

    Args:
        desk: what all requests share.
        run: "all", a run's id, or that with an "@" and the version which the page shows; "" for none.
        mark: of the ledger's state now.
    """

    def __init__(self, desk: Desk, run: str, mark: Hashable) -> None:
        self._desk, self._mark = desk, mark
        self._run, at, version = run.partition("@")
        self._version = int(version) if at and version.isascii() and version.isdigit() and len(version) < 12 else -1

    def changed(self, mark: Hashable) -> bool:
        """Whether there is something to tell; it counts as told."""
        grown, self._mark = mark != self._mark, mark
        if not self._run or self._run == "all" or self._version < 0:
            return grown and bool(self._run)
        version, due = self._desk.readings.newer(self._run, mark)
        if version == 0:  # let go, or never made
            return grown
        newer, self._version = version != self._version, version
        return newer or due


def stream(desk: Desk) -> Callable[[Request], Any]:
    """What answers /live: server-sent events, several changes of one thing as one."""
    newest = Newest(desk)

    async def live(request: Request) -> Any:
        from starlette.concurrency import run_in_threadpool
        from starlette.responses import PlainTextResponse, StreamingResponse

        visit = await run_in_threadpool(arrive, desk, request)
        seat = visit.actor.person or address_of(request.scope)
        run = request.query_params.get("run", "") if may(visit.actor, Action.SEE_RUNS) else ""
        after = visit.number("after", 0, 1 << 60, 1 << 60)

        lines = _lines(desk, visit.actor, newest, run, after)
        heads = {"x-accel-buffering": "no"}
        told = StreamingResponse(lines, media_type="text/event-stream", headers=heads)
        try:
            return desk.seats.lent(seat, "live pages", lambda: told)
        except LimitError:
            return PlainTextResponse("Too many live pages are open. Close some.\n", 429)

    return live


async def _lines(desk: Desk, actor: Any, newest: Newest, run: str = "", after: int = 1 << 60) -> AsyncIterator[str]:
    """What changes from now on, and what has changed since the page was made, up to `after`."""
    from starlette.concurrency import run_in_threadpool

    seen, mark = await newest.look()
    seen, watched = min(seen, after), Watched(desk, run, mark)
    ends, beat = time.monotonic() + LASTS_S, time.monotonic()
    yield "retry: 3000\n\n"
    while time.monotonic() < ends and not desk.over.is_set():
        await asyncio.sleep(desk.settings.poll_s)
        try:
            now, mark = await newest.look()
            changes = await run_in_threadpool(desk.host.events, seen, actor) if now > seen else []
        except GuerdonError:  # a data base that is away for a moment; the next look tells
            continue
        if watched.changed(mark):
            yield _line({"kind": "run", "contest": "", "object": ""})
        for change in changes:
            yield _line({"kind": change.kind, "contest": change.contest, "object": change.object})
        if time.monotonic() - beat > BEAT_S and not changes:
            yield ": here\n\n"
        beat = time.monotonic() if changes or time.monotonic() - beat > BEAT_S else beat
        seen = max(seen, now)
    yield "event: bye\ndata: {}\n\n"


def _line(change: dict[str, str]) -> str:
    return f"event: change\ndata: {json.dumps(change)}\n\n"
